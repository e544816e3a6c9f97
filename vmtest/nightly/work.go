// SPDX-License-Identifier: BSD-3-Clause

package nightly

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"timens-vmtest/vmtest/cells"
	"timens-vmtest/vmtest/history"
	"timens-vmtest/vmtest/verdict"
	"timens-vmtest/vmtest/worker"
)

// turn is a cell that is to run tonight.
type turn struct {
	Cell
	number int        // in the plan, from 1
	line   cells.Line // the last two are set when the cell begins
	began  time.Time
}

// work runs all cells that have no result. It returns why it ended before all had run, and
// whether that was because the disk is full.
func (n *night) work(ctx context.Context) (why string, full bool, err error) {
	turns, err := n.turns()
	if err != nil {
		return "", false, err
	}
	var items []worker.Item
	for i, t := range turns {
		items = append(items, worker.Item{Name: t.Name, MemoryMB: memoryOf(t.Cell), Kernel: t.kernel(), Run: func(ctx context.Context, share worker.Share) error {
			dir := n.folder()
			dir.Share = share
			_, _, err := dir.Run(ctx, t.Cell, turns[i].line)
			return err
		}})
	}
	planned, over := len(n.tonight().Plan.Cells), false
	begin := func(i int) bool {
		over = n.Budget > 0 && n.Now().Sub(n.began) > n.Budget
		if err != nil || full || over {
			return false
		}
		n.Report.Step("cell %d of %d: %s", turns[i].number, planned, turns[i].Name)
		turns[i].line, turns[i].began = n.line(turns[i].Cell), n.Now()
		return true
	}
	for i, ran := range (worker.Worker{Jobs: n.Jobs, Free: n.Free, Begin: begin}).Work(ctx, items) {
		alsoFull, notKept := n.ended(turns[i], ran)
		full, err = full || alsoFull, errors.Join(err, notKept)
	}
	missing := planned - len(n.tonight().Cells)
	switch {
	case full:
		why = fmt.Sprintf("the disk is full, and %d cells did not run; make room in the -out folder, or pass a smaller -keep", n.without())
	case over:
		why = fmt.Sprintf("the budget of %v is over, and %d cells did not run", n.Budget, missing)
	}
	return why, full, err
}

// turns returns the cells of the plan that have no result, and notes those that there are no more.
func (n *night) turns() ([]turn, error) {
	var all []turn
	for i, name := range n.tonight().Plan.Cells {
		if _, done := n.tonight().Cell(name); done {
			continue
		}
		at := slices.IndexFunc(n.Job.Cells, func(c Cell) bool { return c.Name == name })
		if at >= 0 {
			all = append(all, turn{Cell: n.Job.Cells[at], number: i + 1})
		} else if err := n.note("%s did not run: the night goes on with flags or files that do not name it", name); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// kernel names the kernel of a cell: both lanes have the same. A command's is not known.
func (c Cell) kernel() string {
	if c.Command != nil {
		return ""
	}
	return strings.Join([]string{c.Base, c.Series, c.Config}, "/")
}

// without returns how many of the planned cells have not run.
func (n *night) without() int {
	night, count := n.tonight(), 0
	for _, name := range night.Plan.Cells {
		if c, ok := night.Cell(name); !ok || c.Stage == history.StageNone {
			count++
		}
	}
	return count
}

// ended adds to the history what became of a cell that has run. It says whether the disk is full.
func (n *night) ended(t turn, ran error) (full bool, err error) {
	switch {
	case errors.Is(ran, worker.ErrNotRun), errors.Is(ran, context.Canceled):
		return false, nil // it runs when the night goes on
	case errors.Is(ran, errBusy):
		n.Report.Step("%v", ran)
		return false, nil
	}
	dir := n.folder()
	c := history.Cell{Name: t.Name, CostS: n.Now().Sub(t.began).Seconds(), Began: t.began.Format(time.RFC3339)}
	if ran == nil {
		r, _ := dir.ran(t.Name)
		c, ran = dir.judge(t.Name, r)
	}
	c.Folder = t.Name
	full, _, err = n.keep(c, ran)
	return full, err
}

// keep adds to the history what became of a cell, unless the history has it as it is, and its
// inputs to those that a later night finds. failed says why there is nothing to keep. keep
// reports whether the disk is full, and whether it added something.
func (n *night) keep(c history.Cell, failed error) (full, added bool, err error) {
	dir := filepath.Join(n.folder().Dir, c.Folder)
	if failed == nil {
		failed = n.keepInputs(c.Inputs, dir)
	}
	if full = isFull(failed); full {
		// Its evidence is of no use, and the history needs room.
		failed = errors.Join(failed, os.RemoveAll(dir))
	}
	if failed != nil {
		c.Trouble = oneLine(failed.Error())
		c.Stage, c.Verdict, c.Tests = history.StageNone, verdict.Unjudged.String(), nil
	}
	c.Folder = filepath.Join(nightsDir, n.name, c.Folder)
	if old, ok := n.tonight().Cell(c.Name); ok && same(old, c) {
		return full, false, nil
	}
	if c.Stage == history.StageNone {
		n.Report.Step("%s did not run: %s", c.Name, c.Trouble)
	}
	return full, true, n.Append(history.Line{Night: n.name, Cell: &c})
}

// same says that two results of a cell are equal.
func same(a, b history.Cell) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errors.Join(errX, errY) == nil && string(x) == string(y)
}

// What a cell is likely to need, in MB. A cell has one lane; run.Request.MemoryMB says what was
// measured. The margin is larger here, because other machines use these figures as limits.
const (
	testsMB   = 2048
	commandMB = 3072 // it may run guests of both lanes beside builds
)

func memoryOf(c Cell) int {
	if c.Command != nil {
		return commandMB
	}
	return testsMB
}

// line is the line of a cell in the list of the night.
func (n *night) line(c Cell) cells.Line {
	dir := n.folder().Dir
	l := n.Line(n.History, c)
	l.Night, l.Folder = n.name, dir
	l.Command = slices.Concat([]string{n.Program, "cell", c.Name, "-out", dir}, n.CellFlags)
	l.Merge = slices.Concat([]string{n.Program, "merge", dir, "-out", n.Out}, n.CellFlags, n.MergeFlags)
	return l
}

// Line is the line of a cell for which no night has begun. The history says what it is likely to
// cost.
func (j Job) Line(h history.History, c Cell) cells.Line {
	return cells.Line{
		Schema: cells.Schema, ID: c.Name, Command: slices.Concat([]string{j.Program, "cell", c.Name}, j.CellFlags),
		Keys: c.Keys, Minutes: cost(h, c.Name) / 60, MemoryMB: memoryOf(c), Needs: c.Needs,
	}
}
