// SPDX-License-Identifier: BSD-3-Clause

package nightly

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/cache"
	"timens-vmtest/vmtest/cells"
	"timens-vmtest/vmtest/culprit"
	"timens-vmtest/vmtest/history"
	"timens-vmtest/vmtest/verdict"
	"timens-vmtest/vmtest/worker"
)

// Folder is the folder of a night. It has a folder for each cell that has run, on this machine or
// on others that share it. The folder of a cell appears by a rename: it is complete or not there.
type Folder struct {
	Dir    string // absolute
	Runner Runner
	Now    func() time.Time
	Share  worker.Share // what a cell gets of this machine
}

// Names in the folder of a night, beside those of cells.
const (
	runningDir    = ".running"   // cells that are running, and the locks of cells
	SlurmDir      = "slurm"      // what package slurm writes
	KubernetesDir = "kubernetes" // what package kubernetes writes
)

// RanFile is written last into the folder of a cell.
const RanFile = "cell.json"

// ran is what a cell leaves beside its evidence.
type ran struct {
	cells.Line
	Machine string         `json:"machine"` // name of the machine
	Began   string         `json:"began"`   // RFC 3339
	CostS   float64        `json:"cost_s"`  // host seconds
	CPUS    float64        `json:"cpu_s,omitempty"`
	Verdict string         `json:"verdict"`           // when it ran; a merge judges the evidence again
	Trouble string         `json:"trouble,omitempty"` // why it could not run, because of the machine
	Inputs  history.Inputs `json:"inputs"`
}

// errBusy is the error for a cell that another process is running.
var errBusy = errors.New("another process is running it")

// Run runs a cell, and returns what became of it. A cell that is there and has a verdict is not
// run again: there is true. An error means that the cell has left nothing.
func (f Folder) Run(ctx context.Context, c Cell, line cells.Line) (got history.Cell, there bool, err error) {
	if err := f.listed(line); err != nil {
		return got, false, err
	}
	unlock, err := f.lock(c.Name)
	if err != nil {
		return got, false, err
	}
	defer unlock()
	if got, done, err := f.done(c.Name); done || err != nil {
		return got, done, err
	}
	work := filepath.Join(f.Dir, runningDir, c.Name)
	// What a process left that was killed is no evidence.
	if err := errors.Join(os.RemoveAll(work), os.MkdirAll(work, 0o755)); err != nil {
		return got, false, err
	}
	if err := f.fill(ctx, c, line, work); err != nil {
		return got, false, errors.Join(err, os.RemoveAll(work))
	}
	if err := f.publish(c.Name, work); err != nil {
		return got, false, err
	}
	r, _ := f.ran(c.Name)
	got, err = f.judge(c.Name, r)
	return got, false, err
}

// listed refuses a cell that the list of the night does not have, or has made of something else.
// A night without a list has every cell: its folder may be another machine's.
func (f Folder) listed(line cells.Line) error {
	list, err := cells.Load(f.Dir)
	if err != nil || list == nil {
		return err
	}
	i := slices.IndexFunc(list, func(l cells.Line) bool { return l.ID == line.ID })
	if i < 0 {
		return blame.Usagef("%s is not in the list of %s: it is the folder of a night without this cell", line.ID, f.Dir)
	}
	if diff := cells.Differences(list[i].Keys, line.Keys); diff != nil {
		return blame.Usagef("%s would not be the cell that the list of %s has: %s; use the checkout and the flags that made the list, or make it anew by \"vmtest cells\"",
			line.ID, f.Dir, strings.Join(diff, "; "))
	}
	return nil
}

// lock makes sure that only one process runs a cell. The kernel gives the lock back when the
// process ends, however it ends.
func (f Folder) lock(id string) (unlock func(), err error) {
	path := filepath.Join(f.Dir, runningDir, id+".lock")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s: %w", id, errBusy)
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { file.Close() }, nil
}

// fill runs a cell in the folder work. A fault of the machine is kept there, too, except that of
// a full disk, which needs the room, and of an interruption.
func (f Folder) fill(ctx context.Context, c Cell, line cells.Line, work string) error {
	began := f.Now()
	got, err := f.Runner.Run(ctx, c, culprit.Attempt{}, f.Share, work)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	r := ran{Line: line, Began: began.Format(time.RFC3339), CostS: f.Now().Sub(began).Seconds(), CPUS: got.CPUS, Verdict: got.Verdict, Inputs: got.Inputs}
	r.Schema = cells.Schema
	if c.Command != nil {
		r.Inputs.Patches = c.Patches
	}
	if isFull(err) {
		return err
	}
	if err != nil {
		r.Verdict, r.Trouble = verdict.Unjudged.String(), oneLine(err.Error())
	}
	if r.Machine, err = os.Hostname(); err != nil {
		return err
	}
	if err := settle(work, c.Name); err != nil {
		return err
	}
	return cache.WriteJSON(filepath.Join(work, RanFile), r)
}

func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// settle puts the path that a cell's folder is going to have in the place of that in which the
// cell ran, in all reports: they name files and commands for their readers.
func settle(work, id string) error {
	from, to := []byte(filepath.Join(runningDir, id)), []byte(id)
	return filepath.WalkDir(work, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !slices.Contains([]string{".txt", ".html", ".json", ".xml"}, filepath.Ext(path)) {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(text, from) {
			return err
		}
		return os.WriteFile(path, bytes.ReplaceAll(text, from, to), 0o644)
	})
}

// publish moves a cell that has run to its own folder. One that is there has no verdict, and is
// kept beside those that run until the night is whole.
func (f Folder) publish(id, work string) error {
	dir := filepath.Join(f.Dir, id)
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	if _, err := os.Lstat(dir); err == nil {
		old := work + ".unjudged"
		if err := errors.Join(os.RemoveAll(old), os.Rename(dir, old)); err != nil {
			return err
		}
	}
	return os.Rename(work, dir)
}

// ran reads what a cell left that has run. It returns false if there is no such cell, or if it is
// not whole, as after a power cut.
func (f Folder) ran(id string) (ran, bool) {
	r, err := readRan(filepath.Join(f.Dir, id))
	return r, err == nil && r.ID == id
}

func readRan(dir string) (r ran, err error) {
	text, err := os.ReadFile(filepath.Join(dir, RanFile))
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("%s: %w", filepath.Join(dir, RanFile), err)
	}
	if err := cells.CheckSchema(r.Schema); err != nil {
		return r, fmt.Errorf("%s: %w", filepath.Join(dir, RanFile), err)
	}
	return r, nil
}

// judge has the evidence of a cell judged. Evidence that cannot be read is that of a cell without
// a verdict.
func (f Folder) judge(at string, r ran) (history.Cell, error) {
	c := history.Cell{Verdict: verdict.Unjudged.String(), Trouble: r.Trouble}
	if r.Trouble == "" {
		var err error
		if c, err = f.Runner.Judge(filepath.Join(f.Dir, at)); isFull(err) {
			return c, err
		} else if err != nil {
			c = history.Cell{Verdict: verdict.Unjudged.String(), Trouble: oneLine(err.Error())}
		}
	}
	c.Name, c.CostS, c.CPUS, c.Inputs = r.ID, r.CostS, r.CPUS, r.Inputs
	if c.Began == "" {
		c.Began = r.Began
	}
	return c, nil
}

// done returns what became of a cell that has run, and whether it has a verdict: it had one when it
// ran, and its evidence still has.
func (f Folder) done(id string) (history.Cell, bool, error) {
	r, ok := f.ran(id)
	if !ok || r.Verdict == verdict.Unjudged.String() {
		return history.Cell{}, false, nil
	}
	c, err := f.judge(id, r)
	return c, c.Verdict != verdict.Unjudged.String(), err
}

// Left returns the lines of the cells that have no verdict in the folder.
func (f Folder) Left(list []cells.Line) ([]cells.Line, error) {
	var left []cells.Line
	for _, l := range list {
		_, done, err := f.done(l.ID)
		if err != nil {
			return nil, err
		}
		if !done {
			left = append(left, l)
		}
	}
	return left, nil
}
