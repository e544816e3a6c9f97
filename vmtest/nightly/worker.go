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
	"time"

	"timens-vmtest/vmtest/cells"
	"timens-vmtest/vmtest/history"
	"timens-vmtest/vmtest/verdict"
)

// worker runs the cells of a night on this machine, several at a time if there is room.
type worker struct {
	*night
	free    int            // MB of memory that there were before a cell ran
	running map[string]int // MB that each cell that runs is likely to need
	ended   chan endedCell
}

// endedCell is a cell that the worker has run.
type endedCell struct {
	name  string
	began time.Time
	err   error
}

// work runs all cells that have no result. It returns why it ended before all had run, and
// whether that was because the disk is full.
func (n *night) work(ctx context.Context) (why string, full bool, err error) {
	w := &worker{night: n, running: make(map[string]int), ended: make(chan endedCell)}
	if n.Free != nil {
		w.free = n.Free()
	}
	p, over := n.tonight().Plan, false
	for i, name := range p.Cells {
		if _, done := n.tonight().Cell(name); done {
			continue
		}
		at := slices.IndexFunc(n.Job.Cells, func(c Cell) bool { return c.Name == name })
		for err == nil && !full && len(w.running) > 0 && !(at >= 0 && w.room(n.Job.Cells[at])) {
			full, err = w.wait()
		}
		over = n.Budget > 0 && n.Now().Sub(n.began) > n.Budget
		if err != nil || full || over || ctx.Err() != nil {
			break
		}
		if at < 0 {
			if err = n.note("%s did not run: the night goes on with flags or files that do not name it", name); err != nil {
				break
			}
			continue
		}
		n.Report.Step("cell %d of %d: %s", i+1, len(p.Cells), name)
		w.start(ctx, n.Job.Cells[at])
	}
	for len(w.running) > 0 {
		alsoFull, waitErr := w.wait()
		full, err = full || alsoFull, errors.Join(err, waitErr)
	}
	missing := len(p.Cells) - len(n.tonight().Cells)
	switch {
	case full:
		why = fmt.Sprintf("the disk is full, and %d cells did not run; make room in the -out folder, or pass a smaller -keep", n.without())
	case over:
		why = fmt.Sprintf("the budget of %v is over, and %d cells did not run", n.Budget, missing)
	}
	return why, full, err
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

// room says that one more cell can run beside those that do.
func (w *worker) room(c Cell) bool {
	if len(w.running) >= max(1, w.Jobs) {
		return false
	}
	if w.Free == nil {
		return true
	}
	needed := memoryOf(c)
	sum := needed
	for _, mb := range w.running {
		sum += mb
	}
	return sum <= w.free && needed <= w.Free()
}

func (w *worker) start(ctx context.Context, c Cell) {
	w.running[c.Name] = memoryOf(c)
	line, began := w.line(c), w.Now()
	go func() {
		_, _, err := w.folder().Run(ctx, c, line)
		w.ended <- endedCell{c.Name, began, err}
	}()
}

// wait waits until a cell has ended, and adds to the history what became of it. It says whether
// the disk is full.
func (w *worker) wait() (full bool, err error) {
	e := <-w.ended
	delete(w.running, e.name)
	switch {
	case errors.Is(e.err, context.Canceled):
		return false, nil // it runs again when the night goes on
	case errors.Is(e.err, errBusy):
		w.Report.Step("%v", e.err)
		return false, nil
	}
	dir := w.folder()
	c := history.Cell{Name: e.name, CostS: w.Now().Sub(e.began).Seconds(), Began: e.began.Format(time.RFC3339)}
	if e.err == nil {
		r, _ := dir.ran(e.name)
		c, e.err = dir.judge(e.name, r)
	}
	c.Folder = e.name
	full, _, err = w.keep(c, e.err)
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

// What a cell is likely to need, in MB. All processes of a run of .ci/run on two cores were added up
// every 2.5 seconds, for the default configuration on 6.12: 620 MB while a kernel was built (two
// compilers of 190 MB, and this program), and 1070 MB while two guests ran, one for each lane. A cell
// has one lane. The margin is for the debug configuration, which was not measured, for the page cache,
// and for what happened between two looks.
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
