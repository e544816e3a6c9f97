// SPDX-License-Identifier: BSD-3-Clause

package nightly

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"

	"timens-vmtest/internal/blame"
	"timens-vmtest/vmtest/cells"
	"timens-vmtest/vmtest/history"
	"timens-vmtest/vmtest/verdict"
)

// Begin begins a night whose cells run elsewhere, or goes on with one. It returns the lines of the
// cells that have no verdict yet.
func (j Job) Begin() ([]cells.Line, error) {
	n, done, err := j.open()
	if err != nil {
		return nil, err
	}
	defer done()
	if err := n.begin(); err != nil {
		return nil, err
	}
	list, err := cells.Load(n.folder().Dir)
	if err != nil {
		return nil, err
	}
	left, err := n.folder().Left(list)
	if err != nil {
		return nil, err
	}
	if len(left) == 0 {
		n.Report.Step("all %d cells of the night %s have run; \"vmtest merge\" judges them", len(list), n.name)
	}
	return left, nil
}

// Lines returns the lines of the cells of a night that would begin now, if there were no history.
// No night begins.
func (j Job) Lines() ([]cells.Line, error) {
	p, err := plan(history.History{}, j.Cells, j.Budget, j.Now())
	if err != nil {
		return nil, blame.Usagef("%w", err)
	}
	var all []cells.Line
	for _, name := range p.Cells {
		at := slices.IndexFunc(j.Cells, func(c Cell) bool { return c.Name == name })
		all = append(all, j.Line(history.History{}, j.Cells[at]))
	}
	return all, nil
}

// list writes the list of the cells of the night. Of a night that goes on, the lines of the cells
// that have run stay: the others may be made of something else by now.
func (n *night) list() error {
	dir := n.folder()
	old, err := cells.Load(dir.Dir)
	if err != nil {
		return err
	}
	left, err := dir.Left(old)
	if err != nil {
		return err
	}
	var all []cells.Line
	for _, name := range n.tonight().Plan.Cells {
		is := func(l cells.Line) bool { return l.ID == name }
		at, listed := slices.IndexFunc(n.Job.Cells, func(c Cell) bool { return c.Name == name }), slices.IndexFunc(old, is)
		switch {
		case listed >= 0 && (at < 0 || !slices.ContainsFunc(left, is)):
			all = append(all, old[listed])
		case at >= 0:
			all = append(all, n.line(n.Job.Cells[at]))
		default: // an older vmtest began the night, with flags that named it
			all = append(all, n.line(Cell{Name: name}))
		}
	}
	if reflect.DeepEqual(all, old) {
		return nil
	}
	return cells.Save(dir.Dir, all)
}

// known returns how many of the planned cells have run: on this machine, or elsewhere.
func (n *night) known() int {
	night, count := n.tonight(), 0
	for _, name := range night.Plan.Cells {
		_, judged := night.Cell(name)
		if _, ran := n.folder().ran(name); judged || ran {
			count++
		}
	}
	return count
}

// Merge judges the cells of the night whose folder is dir, wherever they ran, and adds to the
// history what it does not have. If all cells are there, the night ends as one that this machine
// has run.
func (j Job) Merge(ctx context.Context, dir string) (verdict.Verdict, error) {
	n, done, err := j.open()
	if err != nil {
		return verdict.Unjudged, err
	}
	defer done()
	if err := n.resume(dir); err != nil {
		return verdict.Unjudged, err
	}
	absent, added, err := n.collect()
	ended := n.tonight().End != nil
	switch {
	case err != nil:
		return verdict.Unjudged, err
	case len(absent) > 0:
		n.Report.Step("%s of the night %s left nothing: %s", plural(len(absent), "cell"), n.name, strings.Join(absent, ", "))
		if !ended {
			n.Report.Step("the night goes on: the command that made the list, typed again within %v of the night's begin, lists what is left", goesOn)
		}
		return n.verdict(), n.page()
	case ended && !added:
		n.Report.Step("the night %s has ended already, and nothing is new", n.name)
		return n.verdict(), nil
	}
	return n.finish(ctx, "", false, nil)
}

// resume finds the night of a folder, which has to be the last one of the history.
func (n *night) resume(dir string) error {
	list, err := cells.Load(dir)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return blame.Usagef("%s has no list of cells; give the folder of a night, such as %s", dir, filepath.Join(n.Out, nightsDir, "2026-11-27"))
	}
	n.name = list[0].Night
	want := n.folder().Dir
	here, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if there, err := os.Stat(want); err != nil || !os.SameFile(here, there) {
		return blame.Usagef("%s is the folder of the night %s of another history: that of %s would be %s", dir, n.name, n.Out, want)
	}
	if len(n.Nights) == 0 || n.Nights[len(n.Nights)-1].Name != n.name {
		return blame.Usagef("the night %s is not the last one of %s, so nothing can be added to it; leave out -out to judge its cells alone", n.name, n.Out)
	}
	return n.mended()
}

// collect judges all that is in the folder of the night, and adds to the history what it does not
// have. It returns the names of the cells that have left nothing, of which the history knows
// nothing either, and whether it added something.
func (n *night) collect() (absent []string, added bool, err error) {
	if len(n.tonight().Plan.Cells) == 0 { // the budget has no room for any
		return nil, false, nil
	}
	found, err := n.folder().Examine()
	if err != nil {
		return nil, false, err
	}
	for _, c := range found.Cells {
		full, one, err := n.keep(c, nil)
		if full {
			err = errors.Join(err, syscall.ENOSPC)
		}
		if err != nil {
			return nil, added, err
		}
		added = added || one
	}
	n.foreign = n.foreign || len(found.Foreign) > 0
	for _, what := range append(found.Foreign, found.Mixed...) {
		if !slices.Contains(n.tonight().Notes, what) {
			if err := n.note("%s", what); err != nil {
				return nil, added, err
			}
		}
	}
	for _, id := range found.Absent {
		if _, ok := n.tonight().Cell(id); !ok {
			absent = append(absent, id)
		}
	}
	return absent, added, nil
}
