// SPDX-License-Identifier: BSD-3-Clause

package history

import (
	"slices"
	"time"
)

// Window is how many nights back a change counts: two changes within so many nights make a
// test unstable. A test that fails once in three nights passes 15 nights in a row with a
// probability of 0.2 percent.
const Window = 15

// Kind is what a subject (a test of a cell, or the cell as a whole) is in a night. The zero
// value is the bad case.
type Kind int

// The kinds.
const (
	DidNotRun    Kind = iota // it is planned, and there is no verdict
	NewFailure               // it fails, and this is the first night of that
	FailingSince             // it fails, as it did the night before
	Unstable                 // two changes, or two nights without a verdict, within Window; or reruns differ
	Fixed                    // it is as expected, and failed before
	NewTest                  // it is as expected, and there was none before
	Gone                     // it is planned no more
	Steady                   // it is as expected, as it was before
)

var kindNames = [...]string{DidNotRun: "did not run", NewFailure: "new failure", FailingSince: "failing since", Unstable: "unstable",
	Fixed: "fixed", NewTest: "new", Gone: "gone", Steady: "steady"}

func (k Kind) String() string { return kindNames[k] }

// MarshalText is String.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// State is what a subject is in a night.
type State struct {
	Cell     string
	Test     string // package.Test; empty: the cell as a whole, so whether its kernel was built, was booted and printed no splat
	Kind     Kind
	Outcome  Outcome // of this night
	Since    string  // the first night of it: of the failure, of the fix, without a verdict, without the test; empty for Steady
	LastGood string  // the last night before Since in which it was as expected; empty: there is none
	News     bool    // a reader is to be told tonight
	Finding  *Finding
}

// Outcome is what became of a subject in one night. The zero value is the bad case.
type Outcome int

// The outcomes.
const (
	NoVerdict Outcome = iota // it is planned, and there is no verdict
	Bad                      // it is not as expected
	Good                     // it is as expected
	Resting                  // its turn is another night
	Unplanned                // there is no such subject
)

// Outcome returns what became of a test, or without one of the cell as a whole.
func (c Cell) Outcome(test string) Outcome {
	switch {
	case test != "" && c.Stage != StageTests:
		return NoVerdict
	case test != "":
		return c.testOutcome(test)
	case c.Stage == StageNone:
		return NoVerdict
	case c.Stage != StageTests, len(c.Faults) > 0 && c.Verdict == "fail":
		return Bad
	case c.Verdict != "pass" && c.Verdict != "fail":
		return NoVerdict
	}
	return Good
}

func (c Cell) testOutcome(name string) Outcome {
	t, ok := c.Test(name)
	return t.outcome(ok)
}

// outcome is what became of a test of a cell whose tests ran. planned is false if the cell has
// no such test.
func (t Test) outcome(planned bool) Outcome {
	switch {
	case !planned:
		return Unplanned
	case t.Status == "missing":
		return NoVerdict
	case t.AsExpected():
		return Good
	}
	return Bad
}

// AsExpected says that the test did what it was to do.
func (t Test) AsExpected() bool {
	return t.Status == t.Expected || t.Expected == "" && t.Status == "pass"
}

// States returns what every subject of the history is in a night, the cells in the order in
// which they first ran, each as a whole before its tests. A night that is not in the history
// has no states.
func (h History) States(night string) []State {
	h = h.Until(night)
	if len(h.Nights) == 0 {
		return nil
	}
	x := h.indexed()
	var all []State
	for _, c := range h.courses() {
		if state, ok := x.state(c); ok {
			all = append(all, state)
		}
	}
	return quiet(all)
}

// indexed is a history in which findings are quickly found.
type indexed struct {
	History
	findings map[failure]Finding
}

// failure is a failure of a subject that began in the night firstBad.
type failure struct {
	subject
	firstBad string
}

func (h History) indexed() indexed {
	x := indexed{h, make(map[failure]Finding)}
	for _, n := range h.Nights {
		for _, f := range n.Findings {
			x.findings[failure{subject{f.Cell, f.Test}, f.FirstBad}] = f // the last is the newest
		}
	}
	return x
}

// seen is what a walk over the nights of one subject knows.
type seen struct {
	last     Outcome // Good, Bad, or NoVerdict before there was one
	since    int     // index of the first night of last
	lastGood int     // index; -1: there was none
	recent   []event // that make a subject unstable, the oldest first
	kind     Kind    // of the last night with a verdict
	finding  *Finding
	built    bool // the failure is that the kernel does not build, which is no matter of luck
}

// event is a change, or a night without a verdict, that speaks for an unstable subject.
type event struct {
	night   int
	change  bool // else there was no verdict
	holding bool // the failure that it begins or ends held in all reruns
}

// state walks over all nights. It returns false for a subject that is not to be shown:
// one that never had a turn, or is gone for longer than Window.
func (x indexed) state(c *course) (State, bool) {
	w := seen{last: NoVerdict, lastGood: -1}
	state := State{Cell: c.cell, Test: c.test}
	shown, began := false, 0
	for i, night := range c.nights {
		o, before := night.outcome, state
		switch {
		case o == Unplanned && !shown, o == Resting && !shown:
			continue
		case o == Resting:
			state.News, state.Kind = false, state.Kind.later()
			continue
		case o == Unplanned:
			if state = x.stretch(before, w, Gone, i); state.News {
				began = i
			}
			if i-began >= Window {
				shown, state = false, State{Cell: c.cell, Test: c.test}
				w = seen{last: NoVerdict, lastGood: -1}
			}
		case o == NoVerdict:
			if night.ran {
				w.recent = append(w.recent, event{night: i})
			}
			state = x.stretch(before, w, DidNotRun, i)
			shown = true
		default:
			state = w.verdict(x, c, i, !shown)
			shown = true
		}
		state.Outcome = o
	}
	return state, shown
}

// stretch is the state of a night in a row of nights of one kind.
func (x indexed) stretch(before State, w seen, k Kind, i int) State {
	s := State{Cell: before.Cell, Test: before.Test, Kind: k, Since: x.Nights[i].Name, News: true}
	if w.lastGood >= 0 {
		s.LastGood = x.Nights[w.lastGood].Name
	}
	if before.Kind == k && before.Since != "" {
		s.Since, s.News = before.Since, false
	}
	return s
}

// verdict adds a night in which the subject was good or bad.
func (w *seen) verdict(x indexed, c *course, i int, first bool) State {
	o := c.nights[i].outcome
	changed := w.last != NoVerdict && w.last != o
	if changed {
		w.recent = append(w.recent, event{night: i, change: true, holding: w.last == Bad && w.holds()})
	}
	if w.last != o {
		w.since, w.finding, w.built = i, nil, false
	}
	w.last = o
	if c.nights[i].unbuilt {
		w.built = true
	}
	if o == Good {
		defer func() { w.lastGood = i }()
	} else {
		w.find(x, c.subject)
	}
	state := State{Cell: c.cell, Test: c.test, Since: x.Nights[w.since].Name, Finding: w.finding}
	if w.lastGood >= 0 {
		state.LastGood = x.Nights[w.lastGood].Name
	}
	switch {
	case w.unstable(i):
		state.Kind, state.News = Unstable, w.kind != Unstable || first
	case o == Bad && w.since == i:
		state.Kind, state.News = NewFailure, true
	case o == Bad:
		state.Kind = FailingSince
	case changed:
		state.Kind, state.News = Fixed, true
	case first && c.isNew(i):
		state.Kind, state.News = NewTest, true
	default:
		state.Kind, state.Since = Steady, ""
	}
	w.kind = state.Kind
	return state
}

// find looks for what is known of the failure that began in the night w.since, and marks
// the change that began it.
func (w *seen) find(x indexed, s subject) {
	if f, ok := x.findings[failure{s, x.Nights[w.since].Name}]; ok {
		w.finding = &f
	}
	for i := range w.recent {
		if e := &w.recent[i]; e.change && e.night == w.since {
			e.holding = w.holds()
		}
	}
}

func (w *seen) holds() bool { return w.built || w.finding != nil && w.finding.Holds() }

// unstable says whether the events of the nights up to i make the subject unstable. The
// begin and the end of a failure that held in all reruns are a regression and its fix.
func (w *seen) unstable(i int) bool {
	w.recent = slices.DeleteFunc(w.recent, func(e event) bool { return e.night <= i-Window })
	changes, silent := 0, 0
	for _, e := range w.recent {
		switch {
		case !e.change:
			silent++
		case !e.holding:
			changes++
		}
	}
	return changes >= 2 || silent >= 2 || w.last == Bad && w.finding != nil && w.finding.Flaky()
}

// isNew says that the subject has its first night in i and others of its kind were there
// before: in the first night of a history all is new, and so is all of a new cell.
func (c *course) isNew(i int) bool {
	if c.test == "" {
		return i > 0 && !slices.ContainsFunc(c.nights[:i], func(n became) bool { return n.outcome == Resting })
	}
	return c.of.tested >= 0 && c.of.tested < i
}

// later is the kind of a night in which the subject rests.
func (k Kind) later() Kind {
	switch k {
	case NewFailure:
		return FailingSince
	case Fixed, NewTest:
		return Steady
	}
	return k
}

// quiet takes the news off the tests of a cell that says the same as a whole.
func quiet(all []State) []State {
	whole := make(map[string]Kind)
	for _, s := range all {
		if s.Test == "" {
			whole[s.Cell] = s.Kind
		}
	}
	for i, s := range all {
		k := whole[s.Cell]
		if s.Test != "" && s.Kind == k && (k == DidNotRun || k == Gone) {
			all[i].News = false
		}
		if s.Test != "" && s.Kind == DidNotRun && (k == NewFailure || k == FailingSince) {
			all[i].News = false // the kernel did not come to the tests
		}
	}
	return all
}

// Missed returns the dates between a night and the one before it on which no night began.
func (h History) Missed(night string) []string {
	i := h.index(night)
	if i < 1 {
		return nil
	}
	from, err := dateOf(h.Nights[i-1].Name)
	to, toErr := dateOf(night)
	if err != nil || toErr != nil {
		return nil
	}
	var all []string
	for d := from.AddDate(0, 0, 1); d.Before(to); d = d.AddDate(0, 0, 1) {
		all = append(all, d.Format(time.DateOnly))
	}
	return all
}

// dateOf returns the date in the name of a night.
func dateOf(night string) (time.Time, error) {
	return time.Parse(time.DateOnly, night[:min(len(time.DateOnly), len(night))])
}
