// SPDX-License-Identifier: BSD-3-Clause

// Package culprit looks for what broke the tests that newly fail in the nightly job. It runs them
// again on the kernels of the last good and of the first bad night, and then on kernels that are
// made of parts of both, until it can name an input: a patch, a commit of the base, the
// configuration, a commit of this project, the toolchain or QEMU. It decides nothing itself: the
// caller runs each attempt and has it judged.
package culprit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"timens-vmtest/internal/host"
	"timens-vmtest/vmtest/history"
)

// ErrLater says that the budget of the search is over. It goes on the next night.
var ErrLater = errors.New("the budget of the search is over; it goes on the next night")

// Search is the search of one night. All members but Project have to be set.
type Search struct {
	Log     *history.Log // of the job; it gets what was found
	Tonight string       // the name of the night
	Cells   []Cell       // those that can run

	// Run runs a cell with what the attempt puts in the place of tonight's inputs. It leaves
	// the evidence in the folder dir.
	Run func(ctx context.Context, cell string, a Attempt, dir string) (history.Cell, error)

	Kept     func(digest string) string // path of a patch or a configuration that an earlier night has kept
	Evidence string                     // the folder for the evidence of all runs
	Scratch  string                     // the folder for git trees of searches that are not at their end
	Report   host.Reporter
	Now      func() time.Time
	Until    time.Time // when the budget is over
	Tries    int       // how often a test that newly fails runs again on each of two kernels
	Project  string    // the checkout of this project; "": its commits are not searched
}

// Cell is a cell of the night.
type Cell struct {
	Name    string
	Command bool // it runs a command, and no tests
}

// Attempt puts older inputs in the place of those that a cell has tonight. The zero value is
// the cell as it is tonight.
type Attempt struct {
	Tests   []string // package.Test of those that run; nil: all
	Package string   // Debian's package and version, such as "linux-source-6.12 6.12.117-1"
	Commit  string   // of the git tree that is the base
	Tree    string   // a checkout of that tree, which is tested as it stands
	Patches []Patch  // those of the series, if Replace is true
	Replace bool     // Patches take the place of those of the series
	Config  string   // path of the requested configuration
	Project string   // a checkout of this project, whose tests run
}

// Patch is a patch that an earlier night has kept.
type Patch struct {
	Name string // of the file, when it was in a series
	Path string
}

// hunt is the search for what broke the subjects of one cell that began to fail in one night.
type hunt struct {
	*Search
	cell      Cell
	bad, good history.Cell        // of the first bad and of the last good night; good is zero if there is none
	states    []history.State     // the subjects
	found     []history.Finding   // one for each of them
	runs      int                 // so far
	seen      [][]history.Outcome // of all subjects in each run that looked for a culprit
}

// Find looks for what broke all that fails and has no finding that is done. It returns ErrLater
// if the budget has no room for the rest, which goes on the next night.
func (s *Search) Find(ctx context.Context) error {
	for _, h := range s.hunts() {
		if err := h.track(ctx); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
	}
	return nil
}

// hunts returns what is to be searched for, those first that began first.
func (s *Search) hunts() []*hunt {
	var all []*hunt
	for _, state := range s.Log.States(s.Tonight) {
		if state.Outcome != history.Bad || state.Finding != nil && state.Finding.Done || state.Kind == history.Unstable && state.Finding == nil {
			continue
		}
		at := slices.IndexFunc(s.Cells, func(c Cell) bool { return c.Name == state.Cell })
		if at < 0 {
			continue
		}
		f := history.Finding{Cell: state.Cell, Test: state.Test, FirstBad: state.Since, LastGood: state.LastGood}
		if state.Finding != nil {
			f = *state.Finding
		}
		i := slices.IndexFunc(all, func(h *hunt) bool {
			return h.cell.Name == state.Cell && h.states[0].Since == state.Since && h.states[0].LastGood == state.LastGood
		})
		if i < 0 {
			h := &hunt{Search: s, cell: s.Cells[at]}
			first, _ := s.Log.Night(state.Since)
			h.bad, _ = first.Cell(state.Cell)
			if last, ok := s.Log.Night(state.LastGood); ok {
				h.good, _ = last.Cell(state.Cell)
			}
			all, i = append(all, h), len(all)
		}
		all[i].states, all[i].found = append(all[i].states, state), append(all[i].found, f)
	}
	slices.SortStableFunc(all, func(a, b *hunt) int { return strings.Compare(a.states[0].Since, b.states[0].Since) })
	return all
}

// track searches, and adds what it found to the history, also if it has to go on later.
func (h *hunt) track(ctx context.Context) error {
	err := h.find(ctx)
	if ctx.Err() != nil {
		return nil
	}
	later := errors.Is(err, ErrLater)
	for i := range h.found {
		f := &h.found[i]
		switch {
		case f.Done:
		case later:
			f.Why = ErrLater.Error()
		case err != nil:
			f.Why, f.Done = "the search ended: "+strings.Join(strings.Fields(err.Error()), " "), true
		}
		if err := h.Log.Append(history.Line{Night: h.Tonight, Finding: f}); err != nil {
			return err
		}
		h.say(*f)
	}
	if later {
		return ErrLater
	}
	return nil // a search that cannot go on is no reason against the night
}

// say shows what was found.
func (h *hunt) say(f history.Finding) {
	what := f.Culprit
	if what == "" {
		what = "no culprit: " + f.Why
	}
	h.Report.Step("%s: %s", strings.TrimSpace(f.Cell+" "+f.Test), what)
}

// find tries the tests again on both kernels, and then looks for the culprit of the first that
// holds. The others that did the same as it in every run of that search are broken by the same.
// Then it goes on with the first that is left.
func (h *hunt) find(ctx context.Context) error {
	if !h.trusted(h.good.Inputs) || !h.trusted(h.bad.Inputs) {
		return errors.New("the patches of that night were the work of others, and tonight the cell has a series of this checkout: they are not built in its place")
	}
	if err := h.again(ctx); err != nil {
		return err
	}
	changed := changes(h.good.Inputs, h.bad.Inputs)
	for i := range h.found {
		f := &h.found[i]
		f.Command = h.command(f.Test)
		switch {
		case f.Flaky():
			f.Done, f.Why = true, "flaky: it does not fail each time"
		case f.LastGood == "":
			f.Done, f.Why = true, "it was never as expected here"
		default:
			f.Changed = changed
		}
	}
	for lead := range h.found {
		if h.found[lead].Done {
			continue
		}
		h.seen = nil
		if err := h.lead(ctx, &h.found[lead]); err != nil {
			return err
		}
		h.share(lead)
	}
	return nil
}

// lead looks for the culprit of one subject.
func (h *hunt) lead(ctx context.Context, f *history.Finding) error {
	if known, ok := h.explained(*f); ok {
		f.Culprit, f.Evidence, f.Introduced = known.Culprit, "as in "+known.Cell+": "+known.Evidence, known.Introduced
	} else if err := h.blame(ctx, f); err != nil {
		return err
	}
	f.Done = true
	return nil
}

// share gives the culprit of one subject to those that did the same in all runs that led to it.
func (h *hunt) share(lead int) {
	l := h.found[lead]
	for i := range h.found {
		f := &h.found[i]
		if f.Done || f.There != l.There || slices.ContainsFunc(h.seen, func(all []history.Outcome) bool { return all[i] != all[lead] }) {
			continue
		}
		f.Culprit, f.Introduced, f.Why, f.Done = l.Culprit, l.Introduced, l.Why, true
		if l.Evidence != "" {
			f.Evidence = "it does the same as " + strings.TrimSpace(l.Test+" "+l.Cell) + ": " + l.Evidence
		}
	}
}

// explained looks for another cell in which the same test began to fail in the same night, with
// the same changes, and whose culprit is known.
func (h *hunt) explained(f history.Finding) (history.Finding, bool) {
	for _, n := range slices.Backward(h.Log.Nights) {
		for _, other := range n.Findings {
			if other.Culprit != "" && other.Cell != f.Cell && other.FirstBad == f.FirstBad && other.LastGood == f.LastGood &&
				other.Test == f.Test && slices.Equal(other.Changed, f.Changed) && other.There.Failed == f.There.Failed {
				return other, true
			}
		}
	}
	return history.Finding{}, false
}

// tests returns the tests of all subjects; nil if one of them is the cell as a whole.
func (h *hunt) tests() []string {
	var all []string
	for _, f := range h.found {
		if f.Test == "" {
			return nil
		}
		all = append(all, f.Test)
	}
	return all
}

// tries returns how often something runs again. A kernel that does not build does so each
// time, and a command may take an hour.
func (h *hunt) tries() int {
	if h.bad.Stage == history.StageBuild || h.cell.Command {
		return 1
	}
	return h.Tries
}

// again runs the tests again, on the kernel on which they first failed and on the last one
// on which they did not. Tries of a night before are not repeated.
func (h *hunt) again(ctx context.Context) error {
	count := func(in history.Inputs, tries func(*history.Finding) *history.Tries) error {
		for tries(&h.found[0]).N < h.tries() {
			c, err := h.attempt(ctx, h.with(in, h.bad.Inputs))
			if err != nil {
				return err
			}
			for i := range h.found {
				t := tries(&h.found[i])
				switch c.Outcome(h.found[i].Test) {
				case history.Bad:
					t.Failed++
				case history.Good:
				default:
					return fmt.Errorf("the test ran again and had no verdict: %s", c.Trouble)
				}
				t.N++
			}
		}
		return nil
	}
	if err := count(h.bad.Inputs, func(f *history.Finding) *history.Tries { return &f.Here }); err != nil {
		return err
	}
	if h.good.Name == "" || h.cell.Command || sameKernel(h.good.Inputs, h.bad.Inputs) || !h.remakes() {
		return nil // there is no other kernel
	}
	return count(h.good.Inputs, func(f *history.Finding) *history.Tries { return &f.There })
}

// remakes says that the kernel of the last good night can be made again: its base is the one of
// the first bad night, or is known by a commit or a package.
func (h *hunt) remakes() bool {
	good := h.good.Inputs
	return !slices.Contains(parts(good, h.bad.Inputs), theBase) || good.Commit != "" || good.Package != ""
}

// attempt runs the tests, unless the budget is over. Its evidence is beside the cells.
func (h *hunt) attempt(ctx context.Context, a Attempt) (history.Cell, error) {
	if h.Now().After(h.Until) {
		return history.Cell{}, ErrLater
	}
	h.runs++
	dir := filepath.Join(h.Evidence, h.cell.Name, h.states[0].Since, fmt.Sprint(h.runs))
	c, err := h.Run(ctx, h.cell.Name, a, dir)
	if err != nil {
		return c, fmt.Errorf("run %s again: %w", h.cell.Name, err)
	}
	var all []history.Outcome
	for _, f := range h.found {
		all = append(all, c.Outcome(f.Test))
	}
	h.seen = append(h.seen, all)
	return c, nil
}

// with returns the attempt on a kernel of these inputs. now are those of the first bad night:
// what is as it was then is not named, so that tonight's is taken, which is there.
func (h *hunt) with(in, now history.Inputs) Attempt {
	a := Attempt{Tests: h.tests()}
	night, _ := h.Log.Night(h.Tonight)
	tonight, _ := night.Cell(h.cell.Name)
	if in.Package != tonight.Inputs.Package {
		a.Package = in.Package
	}
	if in.Commit != tonight.Inputs.Commit {
		a.Commit = in.Commit
	}
	if !slices.Equal(in.Patches, tonight.Inputs.Patches) && !h.cell.Command {
		a.Replace = true
		for _, p := range in.Patches {
			a.Patches = append(a.Patches, Patch{p.Name, h.Kept(p.SHA256)})
		}
	}
	if in.Config != tonight.Inputs.Config {
		a.Config = h.Kept(in.Config)
	}
	return a
}

// trusted says that the patches of an earlier night may be built as those of tonight are: in a work
// folder of this checkout's own series, and without a sandbox where there is none.
func (h *hunt) trusted(in history.Inputs) bool {
	night, _ := h.Log.Night(h.Tonight)
	tonight, _ := night.Cell(h.cell.Name)
	return !in.Foreign || tonight.Inputs.Foreign
}

// command returns what reproduces a failure.
func (h *hunt) command(test string) []string {
	if test == "" || h.cell.Command || h.bad.Command == nil {
		return h.bad.Command
	}
	return WithRun(h.bad.Command, "^"+strings.ReplaceAll(test, ".", `\.`)+"$")
}

// WithRun returns a command of vmtest with this -run in place of another. A flag that is
// given twice is refused.
func WithRun(command []string, expression string) []string {
	var all []string
	for i := 0; i < len(command); i++ {
		name, _, hasValue := strings.Cut(strings.TrimPrefix(command[i], "-"), "=")
		switch {
		case name != "-run" && name != "run" || !strings.HasPrefix(command[i], "-"):
			all = append(all, command[i])
		case !hasValue:
			i++ // its value
		}
	}
	return append(all, "-run", expression)
}

// scratch returns the folder for the git tree of the search for one subject.
func (h *hunt) scratch(what string) (string, error) {
	name := strings.NewReplacer("/", "_").Replace(h.cell.Name + "-" + h.states[0].Since + "-" + what)
	return filepath.Join(h.Scratch, name), os.MkdirAll(h.Scratch, 0o755)
}
