// SPDX-License-Identifier: BSD-3-Clause

package nightly

import (
	"context"
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
	"timens-vmtest/internal/host"
	"timens-vmtest/vmtest/culprit"
	"timens-vmtest/vmtest/history"
	"timens-vmtest/vmtest/report"
	"timens-vmtest/vmtest/verdict"
	"timens-vmtest/vmtest/worker"
)

// Folders of the folder of the job.
const (
	nightsDir = "nights" // a folder for each night, which has a folder for each cell
	inputsDir = "inputs" // patches and configurations, each once, by their digests
	searchDir = "search" // git trees of searches that are not at their end
)

// goesOn is how long a night that was cut off can go on. A later one is another night.
const goesOn = 20 * time.Hour

// Job is the nightly job. Out, Cells, Runner, Report and Now have to be set, and for cells that
// run elsewhere Program, CellFlags and MergeFlags.
type Job struct {
	Out     string // the folder of the history, of all evidence and of the page
	Cells   []Cell
	Runner  Runner
	Report  host.Reporter
	Now     func() time.Time
	Budget  time.Duration // of all cells; zero: none
	Search  time.Duration // of the search for what broke tests, behind the cells; zero: nothing is searched for
	Tries   int           // how often a test that newly fails runs again on each of two kernels
	Keep    int           // nights whose folders are kept; zero: all
	Notify  string        // a command for the shell that gets the mail on its standard input; empty: none
	Project string        // the checkout of this project
	Command []string      // what the user typed

	Jobs int                 // how many cells run at the same time on this machine; zero: one
	Free func() (int, error) // MB of memory that this machine has for cells; nil: enough

	Program    string   // what runs a cell elsewhere, in the checkout of this project
	CellFlags  []string // the flags that make these cells
	MergeFlags []string // the flags of what comes behind the cells
}

// night is a night under way.
type night struct {
	Job
	*history.Log
	name    string
	began   time.Time
	foreign bool // a cell is there that the list does not name
}

// Night runs one night, or goes on with one that was cut off. It returns the verdict of all
// its cells. A planned cell that did not run makes it Unjudged. An error means that the
// history could not be written; what it has is kept.
func (j Job) Night(ctx context.Context) (verdict.Verdict, error) {
	n, done, err := j.open()
	if err != nil {
		return verdict.Unjudged, err
	}
	defer done()
	if err := n.begin(); err != nil {
		return verdict.Unjudged, err
	}
	why, full, err := n.work(ctx)
	if err == nil && ctx.Err() == nil && !full {
		var absent []string
		if absent, _, err = n.collect(); len(absent) > 0 && why == "" {
			why = fmt.Sprintf("%s did not run", plural(len(absent), "cell"))
		}
	}
	return n.finish(ctx, why, full, err)
}

// finish ends a night whose cells have run. err is what went wrong before.
func (n *night) finish(ctx context.Context, why string, full bool, err error) (verdict.Verdict, error) {
	if err == nil && ctx.Err() == nil && !full {
		err = n.search(ctx)
	}
	if err == nil && ctx.Err() == nil {
		err = n.end(ctx, why)
	}
	if ctx.Err() != nil {
		return verdict.Unjudged, fmt.Errorf("interrupted; the same command goes on with the night %s within %v of its begin", n.name, goesOn)
	}
	return n.verdict(), err
}

// open takes the lock of the folder and opens its history. The caller calls done.
func (j Job) open() (n *night, done func(), err error) {
	unlock, err := lock(j.Out)
	if err != nil {
		return nil, nil, err
	}
	log, err := history.Open(j.Out)
	if err != nil {
		unlock()
		return nil, nil, err
	}
	return &night{Job: j, Log: log}, func() {
		log.Close() // every line is on the disk
		unlock()
	}, nil
}

// lock makes sure that only one process works in a folder. The kernel gives the lock back
// when the process ends, however it ends.
func lock(out string) (unlock func(), err error) {
	if err := os.MkdirAll(out, 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(out, ".lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("another night is under way in %s; wait for its end, or pass another -out folder", out)
		}
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return func() { f.Close() }, nil
}

// begin begins a night, or goes on with the last.
func (n *night) begin() error {
	now := n.Now()
	var last *history.Night
	if i := len(n.Nights) - 1; i >= 0 {
		last = &n.Nights[i]
	}
	if last != nil && last.End == nil {
		began, err := time.Parse(time.RFC3339, last.Plan.Began)
		if err == nil && now.Sub(began) < goesOn {
			n.name, n.began = last.Name, began
			if err := errors.Join(n.mended(), n.list()); err != nil {
				return err
			}
			n.Report.Step("night %s goes on: %d of %d cells have run", n.name, n.known(), len(last.Plan.Cells))
			return nil
		}
		missing := len(last.Plan.Cells) - len(last.Cells)
		why := fmt.Sprintf("it was cut off, and %d cells did not run", missing)
		n.Report.Step("night %s: %s", last.Name, why)
		if err := n.Append(history.Line{Night: last.Name, End: &history.End{Ended: now.Format(time.RFC3339), Why: why, CutOff: true}}); err != nil {
			return err
		}
	}
	p, err := plan(n.History, n.Cells, n.Budget, now)
	if err != nil {
		return blame.Usagef("%w", err)
	}
	p.Command = n.Command
	n.name, n.began = n.newName(now), now
	for _, name := range p.LeftOut {
		n.Report.Step("left out, the budget of %v has no room: %s", n.Budget, name)
	}
	if err := n.Append(history.Line{Night: n.name, Plan: &p}); err != nil {
		return err
	}
	for _, missed := range n.Missed(n.name) {
		n.Report.Step("no night began on %s", missed)
	}
	return errors.Join(n.mended(), n.list())
}

// newName returns a name that no night has.
func (n *night) newName(now time.Time) string {
	date := now.Format(time.DateOnly)
	name := date
	for i := 2; ; i++ {
		if _, ok := n.History.Night(name); !ok {
			return name
		}
		name = fmt.Sprintf("%s.%d", date, i)
	}
}

// mended notes what was taken off the end of the history.
func (n *night) mended() error {
	if n.Mended == "" {
		return nil
	}
	return n.note("%s", n.Mended)
}

// note says something, and keeps it in the history.
func (n *night) note(format string, args ...any) error {
	n.Report.Step(format, args...)
	return n.Append(history.Line{Night: n.name, Note: fmt.Sprintf(format, args...)})
}

// tonight is what is known of the night.
func (n *night) tonight() history.Night {
	night, _ := n.History.Night(n.name)
	return night
}

// folder is the folder of the night.
func (n *night) folder() Folder {
	return Folder{Dir: filepath.Join(n.Out, nightsDir, n.name), Runner: n.Runner, Now: n.Now}
}

// search looks for what broke all that fails and has no finding that is done. What the budget
// has no room for goes on the next night.
func (n *night) search(ctx context.Context) error {
	if n.Search == 0 {
		return nil
	}
	s := culprit.Search{
		Log: n.Log, Tonight: n.name, Report: n.Report, Kept: n.input, Project: n.Project,
		Evidence: filepath.Join(n.Out, nightsDir, n.name, searchDir), Scratch: filepath.Join(n.Out, searchDir),
		Now: n.Now, Until: n.Now().Add(n.Search), Tries: n.Tries,
	}
	cells := make(map[string]Cell)
	for _, c := range n.Job.Cells {
		cells[c.Name] = c
		s.Cells = append(s.Cells, culprit.Cell{Name: c.Name, Command: c.Command != nil})
	}
	s.Run = func(ctx context.Context, cell string, a culprit.Attempt, dir string) (history.Cell, error) {
		return n.run(ctx, cells[cell], a, dir)
	}
	err := s.Find(ctx)
	if errors.Is(err, culprit.ErrLater) {
		return n.note("%v", err)
	}
	return err
}

// run makes the folder of a run and runs the cell. A folder that a run left that was
// cut off is no evidence.
func (n *night) run(ctx context.Context, c Cell, a culprit.Attempt, dir string) (history.Cell, error) {
	if err := os.RemoveAll(dir); err != nil {
		return history.Cell{}, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return history.Cell{}, err
	}
	return n.Runner.Run(ctx, c, a, worker.Share{}, dir)
}

// Files of a run's folder that are inputs.
const (
	PatchesDir = "patches"          // the patches of the series
	ConfigFile = "requested.config" // the options that were asked for
)

// keepInputs copies the patches and the configuration of a run to where a later night finds
// them by their digests.
func (n *night) keepInputs(in history.Inputs, dir string) error {
	files := map[string]string{in.Config: ConfigFile}
	for _, p := range in.Patches {
		files[p.SHA256] = filepath.Join(PatchesDir, p.Name)
	}
	for digest, name := range files {
		from, to := filepath.Join(dir, name), n.input(digest)
		if _, err := os.Stat(to); err == nil || digest == "" {
			continue
		}
		text, err := os.ReadFile(from)
		if errors.Is(err, fs.ErrNotExist) { // a command has none
			continue
		}
		if err != nil {
			return err
		}
		if err := cache.WriteFile(to, text); err != nil {
			return err
		}
	}
	return nil
}

// input returns the path of a patch or a configuration that an earlier night has kept.
func (n *night) input(digest string) string { return filepath.Join(n.Out, inputsDir, digest) }

// end ends the night: it removes what is too old, writes the mail and sends it.
func (n *night) end(ctx context.Context, why string) error {
	if why != "" {
		n.Report.Step("the night ends early: %s", why)
	}
	pruned, err := n.prune()
	if err != nil {
		if err := n.note("old evidence could not be removed: %s", oneLine(err.Error())); err != nil {
			return err
		}
	}
	if pruned != "" {
		n.Report.Step("%s", pruned)
	}
	if err := n.Append(history.Line{Night: n.name, End: &history.End{Ended: n.Now().Format(time.RFC3339), Why: why, Pruned: pruned}}); err != nil {
		return err
	}
	if err := n.writeForPrograms(); err != nil {
		return err
	}
	return n.tell(ctx)
}

// writeForPrograms writes what other programs read of a night.
func (n *night) writeForPrograms() error {
	kcidb, err := KCIDB(n.History, n.name)
	if err != nil {
		return err
	}
	figures, err := benchmarks(n.tonight())
	if err != nil {
		return err
	}
	dir := filepath.Join(n.Out, nightsDir, n.name)
	return errors.Join(cache.WriteFile(filepath.Join(dir, KCIDBFile), kcidb), cache.WriteFile(filepath.Join(dir, report.BenchFile), figures))
}

// benchmarks returns the figures of all cells of a night in Go's benchmark format.
func benchmarks(night history.Night) ([]byte, error) {
	var all []report.Benchmark
	for _, c := range night.Cells {
		words := strings.Split(c.Name, "/")
		if c.Stage != history.StageTests || len(words) != 4 { // those of other cells are not measured
			continue
		}
		all = append(all, report.Benchmark{
			Name:    []report.Key{{Name: "base", Value: words[0]}, {Name: "series", Value: words[1]}, {Name: "config", Value: words[2]}, {Name: "lane", Value: words[3]}},
			Figures: c.Figures,
		})
	}
	return report.Benchmarks(all)
}

// verdict is what all cells come to together.
func (n *night) verdict() verdict.Verdict {
	night := n.tonight()
	v := verdict.Passed
	if n.foreign {
		v = verdict.Unjudged
	}
	for _, name := range slices.Concat(night.Plan.Cells, night.Plan.LeftOut) {
		c, _ := night.Cell(name)
		v = v.Worse(VerdictOf(c))
	}
	return v
}

// VerdictOf is the verdict of a cell, which is Unjudged if it is not there.
func VerdictOf(c history.Cell) verdict.Verdict {
	for v := verdict.Unjudged; v <= verdict.Unbuilt; v++ {
		if v.String() == c.Verdict {
			return v
		}
	}
	return verdict.Unjudged
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
