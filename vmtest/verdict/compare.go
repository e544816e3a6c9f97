// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"timens-vmtest/internal/wire"
)

// Class says how a series changes the result of a test. The zero value is the bad case.
type Class int

// The classes.
const (
	Unclear      Class = iota // it did not run on the base
	Regressed                 // it passes without the series; with it, it does not pass or is not reached
	Fixed                     // it passes only with the series, and is not a test of the series
	Proven                    // it passes only with the series, and is a test of the series: new behaviour
	Same                      // it passes or is skipped on both: it proves nothing about the series
	BrokenBefore              // it passes on neither
)

var classNames = [...]string{
	Unclear: "unclear", Regressed: "regressed", Fixed: "fixed", Proven: "new behaviour proven",
	Same: "proves nothing", BrokenBefore: "broken before",
}

func (c Class) String() string { return classNames[c] }

// MarshalText returns the same text as String.
func (c Class) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// Classify returns how a series changes the result of a test. base and series are the
// statuses without and with the series. ofSeries reports whether it is a test of what the
// series adds. If a test is missing with the series, the kernel killed the guest before
// that test. (If the host did, the run is Unjudged, and is not compared.)
func Classify(base, series Status, ofSeries bool) Class {
	switch {
	case base == Missing:
		return Unclear
	case base == Pass && series == Pass, base == Skip && series == Skip:
		return Same
	case base == Pass:
		return Regressed
	case series == Pass && base == Skip:
		return Same // it did not test the base
	case series == Pass && ofSeries:
		return Proven
	case series == Pass:
		return Fixed
	}
	return BrokenBefore
}

// Comparison is a judged pair of runs of one plan.
type Comparison struct {
	Verdict  Verdict
	Findings []Finding // the first is the headline
	Base     Result
	Series   Result
	Tests    []ComparedTest // lane by lane, in the plan's order
}

// ComparedTest is one test on both kernels.
type ComparedTest struct {
	wire.TestID
	Lane         string
	Base, Series Status
	OfSeries     bool // it is a test of what the series adds
	Announced    bool // the series' expect file says that it will not pass
	Class        Class
}

// Count returns the number of tests of a class.
func (c Comparison) Count(class Class) int {
	n := 0
	for _, t := range c.Tests {
		if t.Class == class {
			n++
		}
	}
	return n
}

// Idle returns the tests of the series that prove nothing about it.
func (c Comparison) Idle() []ComparedTest {
	var idle []ComparedTest
	for _, t := range c.Tests {
		if t.OfSeries && t.Class == Same {
			idle = append(idle, t)
		}
	}
	return idle
}

// Compare judges the runs of one plan on a base and on the base with a series. A regression
// fails, unless the series' own expect file announces it.
//
// A test belongs to the series if it is in the package of the plan's design, or if the
// expect files say that it fails on the base and passes with the series.
//
// A fault of the base is never a fault of the series. If both runs have the fault, the
// series is Unjudged.
func Compare(base, series Evidence) Comparison {
	c := Comparison{Base: Judge(base), Series: Judge(series), Verdict: Passed}
	var f findings
	switch {
	case c.Base.Verdict == Unbuilt || c.Base.Verdict == Unjudged:
		f.add(Unjudged, "the base itself: %s", c.Base.Findings[0].Text)
	case c.Series.Verdict == Unbuilt || c.Series.Verdict == Unjudged:
		f.all = append(f.all, c.Series.Findings[0])
	case len(c.Base.Lanes) != len(c.Series.Lanes):
		f.add(Unjudged, "the base ran in %d lanes and the series in %d", len(c.Base.Lanes), len(c.Series.Lanes))
	default:
		for i := range c.Base.Lanes {
			c.compareLane(base, series, i, &f)
		}
		c.compareFindings(&f)
	}
	for _, found := range f.all {
		c.Verdict = c.Verdict.Worse(found.Verdict)
	}
	c.Findings = headlineFirst(f.all, c.Verdict)
	return c
}

// compareFindings adds the first finding that only the run with the series has. If both
// runs have all findings, the base keeps the series from being judged.
func (c *Comparison) compareFindings(f *findings) {
	var shared *Finding
	for _, found := range c.Series.Findings {
		same := func(of Finding) bool {
			return placeless(of.Lane) == placeless(found.Lane) && placeless(of.Text) == placeless(found.Text)
		}
		if !slices.ContainsFunc(c.Base.Findings, same) {
			f.add(found.Verdict, "with the series: %s", found.Text)
			return
		}
		if shared == nil {
			shared = &found
		}
	}
	if shared != nil {
		f.add(Unjudged, "the base itself: %s", shared.Text)
	}
}

var (
	placeRE = regexp.MustCompile(`\b(CPU: |PID: |console\.log:)\d+`)
	shardRE = regexp.MustCompile(`\bshard\d+/|, shard \d+\b`) // two runs may split a lane in two ways
)

// placeless returns a finding's text, or its lane, without the numbers that differ between boots.
func placeless(text string) string {
	return placeRE.ReplaceAllString(shardRE.ReplaceAllString(text, ""), "${1}N")
}

func (c *Comparison) compareLane(base, series Evidence, i int, f *findings) {
	a, b := c.Base.Lanes[i], c.Series.Lanes[i]
	planA, planB := planOf(base, i), planOf(series, i)
	f.lane = b.Lane
	defer func() { f.lane = "" }()
	// The IDs of the plans may differ, because each has the selftests of its own tree.
	if !slices.Equal(planA.Tests, planB.Tests) || a.Lane != b.Lane || len(a.Tests) != len(b.Tests) {
		f.add(Unjudged, "the base ran plan %s in lane %s, the series plan %s in lane %s, with other tests: they cannot be compared", planA.ID, a.Lane, planB.ID, b.Lane)
		return
	}
	// No error is possible: Judge has parsed the text already.
	without, _ := ParseExpect(base.Expect)
	without = c.Base.Run.expects(without)
	for n := range b.Tests {
		t := ComparedTest{
			TestID: b.Tests[n].TestID, Lane: b.Lane, Base: a.Tests[n].Status, Series: b.Tests[n].Status,
			OfSeries:  strings.TrimSuffix(b.Tests[n].Package, wire.I386) == planB.Design || Expected(without, b.Tests[n].TestID) == Fail && b.Tests[n].Expected == Pass,
			Announced: b.Tests[n].Expected != Pass,
		}
		t.Class = Classify(t.Base, t.Series, t.OfSeries)
		c.Tests = append(c.Tests, t)
		switch {
		case t.Series == Missing: // the findings of its run say why
		case t.Class == Unclear:
			f.add(Unjudged, "%s: %s without the series, %s with it", t.TestID, t.Base, t.Series)
		case t.Class == Regressed && !t.Announced:
			f.add(Failed, "%s regressed: %s without the series, %s with it", t.TestID, t.Base, t.Series)
		}
	}
}

// planOf returns the plan of a lane, or an empty plan if the lane was never booted.
func planOf(e Evidence, lane int) wire.Plan {
	if lane < len(e.Lanes) {
		if p := e.Lanes[lane].Planned(); p != nil {
			return *p
		}
	}
	return wire.Plan{}
}

// Summary returns a text such as "77 tests: 25 new behaviour proven, 52 proves nothing".
func (c Comparison) Summary() string {
	s := fmt.Sprintf("%d tests", len(c.Tests))
	sep := ": "
	for _, class := range []Class{Regressed, Unclear, Fixed, Proven, Same, BrokenBefore} {
		if n := c.Count(class); n > 0 {
			s += fmt.Sprintf("%s%d %s", sep, n, class)
			sep = ", "
		}
	}
	return s
}
