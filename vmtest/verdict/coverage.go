// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"fmt"
	"slices"
	"strconv"

	"timens-vmtest/internal/reasons"
)

// Files of a run's folder about the changed lines that ran. A run without Run.Coverage has
// neither.
const (
	CoverageFile = "coverage.json" // Coverage
	FloorFile    = "floor"         // copy of the series' file coverage, as it was
)

// Coverage says of each line that a series changes whether a test ran it.
type Coverage struct {
	Tests []string      `json:"tests"` // the tests that were measured
	Files []CoveredFile `json:"files"`
}

// Reasons why an added line cannot be counted: it has no code, or its file is not built in
// this configuration. There are others.
const (
	BlankLine   = "blank"
	CommentLine = "comment"
	NotBuilt    = "not built in this configuration"
)

// CoveredFile is one file of the diff from the base to the whole series.
type CoveredFile struct {
	Path  string        `json:"path"`
	Lines []CoveredLine `json:"lines"` // hunk by hunk, with their context
}

// CoveredLine is a line of the diff.
type CoveredLine struct {
	Op   string `json:"op"` // "+", "-" or " "
	N    int    `json:"n"`  // line of the file as it is after the series; 0 for "-"
	Text string `json:"text"`

	// An added line has either the reason why it cannot be counted, or how often it ran and
	// in which of Coverage.Tests.
	Uncounted string `json:"uncounted,omitempty"`
	Count     uint64 `json:"count,omitempty"`
	Partly    bool   `json:"partly,omitempty"` // some of its code never ran
	Tests     []int  `json:"tests,omitempty"`
}

// Countable reports whether it is known if the line ran.
func (l CoveredLine) Countable() bool { return l.Op == "+" && l.Uncounted == "" }

// Executed reports whether a test ran the line.
func (l CoveredLine) Executed() bool { return l.Countable() && l.Count > 0 }

// CoverageResult is judged coverage.
type CoverageResult struct {
	Executed, Countable int
	Floor               Floor
	Missing             []MissingLine  // countable and not executed
	Uncounted           map[string]int // added lines that cannot be counted, by the reason
	Files               []CoveredFile
	Tests               []string
}

// MissingLine is a changed line that no test ran.
type MissingLine struct {
	Path string `json:"path"`
	N    int    `json:"line"`
	Text string `json:"text"`
}

// Percent returns how many percent of the countable lines ran, rounded down. If there are
// none it returns 0, because nothing is proven.
func (c CoverageResult) Percent() int {
	if c.Countable == 0 {
		return 0
	}
	return 100 * c.Executed / c.Countable
}

// Floor is the part of the countable lines that must run.
type Floor struct {
	Percent int    `json:"percent"`
	Reason  string `json:"reason,omitempty"`
}

// DefaultFloor is the floor of a series without a file coverage.
const DefaultFloor = 90

// floorKind describes the file coverage of a series.
var floorKind = reasons.Kind{Name: "coverage", Form: "PERCENT # reason", Mark: "#", Noun: "a floor of %s %%"}

// ParseFloor reads a series' file coverage: one line "PERCENT # reason", as package reasons
// describes it. If there is no file, the floor is DefaultFloor.
func ParseFloor(text []byte) (Floor, error) {
	entries, err := floorKind.Parse(text)
	if err != nil {
		return Floor{}, err
	}
	floor := Floor{Percent: DefaultFloor}
	for n, e := range entries {
		percent, err := strconv.Atoi(e.What)
		switch {
		case err != nil || percent < 0 || percent > 100:
			return Floor{}, e.Malformed()
		case n > 0:
			return Floor{}, e.Errorf("there is a floor already")
		}
		floor = Floor{percent, e.Reason}
	}
	if text != nil && len(entries) == 0 {
		return Floor{}, fmt.Errorf("coverage: the file has no floor; remove it to use the default of %d %%", DefaultFloor)
	}
	return floor, nil
}

// judgeCoverage counts the lines and compares them with the floor.
func judgeCoverage(e Evidence, f *findings) *CoverageResult {
	floor, err := ParseFloor(e.Floor)
	switch {
	case err != nil:
		f.add(Unjudged, "%v", err)
		return nil
	case e.Coverage == nil:
		f.add(Unjudged, "there is no %s, but the run should have measured coverage", CoverageFile)
		return nil
	}
	r := &CoverageResult{Floor: floor, Uncounted: make(map[string]int), Files: e.Coverage.Files, Tests: e.Coverage.Tests}
	for _, file := range e.Coverage.Files {
		for _, l := range file.Lines {
			switch {
			case l.Executed() && !slices.ContainsFunc(l.Tests, func(n int) bool { return n >= 0 && n < len(r.Tests) }):
				f.add(Unjudged, "%s: %s:%d ran, but in no test", CoverageFile, file.Path, l.N)
			case l.Executed():
				r.Executed++
				r.Countable++
			case l.Countable():
				r.Countable++
				r.Missing = append(r.Missing, MissingLine{file.Path, l.N, l.Text})
			case l.Op == "+":
				r.Uncounted[l.Uncounted]++
			}
		}
	}
	switch {
	case r.codeless():
	case r.Countable == 0 && floor.Percent > 0:
		f.add(Failed, "coverage: the series changes no line that can be counted, but the floor is %d %%", floor.Percent)
	case r.Percent() < floor.Percent:
		f.add(Failed, "coverage: %s, but the floor is %d %%", r.Summary(), floor.Percent)
	}
	return r
}

// codeless reports whether the series adds only comments and blank lines, or nothing.
func (c CoverageResult) codeless() bool {
	for reason := range c.Uncounted {
		if reason != BlankLine && reason != CommentLine {
			return false
		}
	}
	return c.Countable == 0
}

// Summary returns a text such as "41 of 43 changed lines executed (95 %)".
func (c CoverageResult) Summary() string {
	if c.codeless() {
		return "no line of code is added"
	}
	return fmt.Sprintf("%d of %d changed lines executed (%d %%)", c.Executed, c.Countable, c.Percent())
}
