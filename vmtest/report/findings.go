// SPDX-License-Identifier: BSD-3-Clause

package report

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"timens-vmtest/vmtest/verdict"
)

// maxNotRun is how many tests that were not run are named one by one.
const maxNotRun = 3

// maxFindings is how many findings a screen gets.
const maxFindings = 12

// finding is what several lanes may have found; its Lane names all of them.
type finding struct {
	verdict.Finding
	lanes []string
}

// findings prints what speaks against the run: limit findings at most, or all if limit is 0.
func findings(w io.Writer, dir string, r verdict.Result, limit int) {
	all := merge(notRun(r))
	for i, f := range all {
		if limit > 0 && i == limit {
			fmt.Fprintf(w, "  ... and %d more in %s\n", len(all)-i, filepath.Join(dir, TextFile))
			return
		}
		fmt.Fprintf(w, "  %s: %s\n", blame(f.Finding), strings.ReplaceAll(printable(f.Text), "\n", "\n    "))
		for _, line := range f.telling(r) {
			fmt.Fprintf(w, "      %s\n", line)
		}
	}
}

// telling are the lines that tell why the test of a finding did not pass. Where lanes
// do not agree, each line names its lane.
func (f finding) telling(r verdict.Result) []string {
	var said [][]string
	for _, lane := range f.lanes {
		i := slices.IndexFunc(r.Lanes, func(l verdict.LaneResult) bool { return f.Test != "" && l.Lane == lane })
		if i < 0 {
			return nil
		}
		said = append(said, find(r.Lanes[i], f.Test).Telling)
	}
	agreed := !slices.ContainsFunc(said, func(lines []string) bool { return !slices.Equal(lines, said[0]) })
	var all []string
	for i, lines := range said {
		if agreed && i > 0 {
			break
		}
		for _, line := range lines {
			if line = printable(line); !agreed {
				line = f.lanes[i] + ": " + line
			}
			all = append(all, line)
		}
	}
	return all
}

// find is the result of a test in a lane.
func find(l verdict.LaneResult, test string) verdict.TestResult {
	for _, t := range l.Tests {
		if t.TestID.String() == test {
			return t
		}
	}
	return verdict.TestResult{}
}

// notRun are the findings of a run. Where many tests of a lane were not run, such as
// after Ctrl-C, these are one.
func notRun(r verdict.Result) []verdict.Finding {
	missing := make(map[string]int) // by lane
	is := func(f verdict.Finding) bool {
		for _, l := range r.Lanes {
			if f.Test != "" && l.Lane == f.Lane {
				t := find(l, f.Test)
				return t.Status == verdict.Missing && t.Note == ""
			}
		}
		return false
	}
	for _, f := range r.Findings {
		if is(f) {
			missing[f.Lane]++
		}
	}
	var all []verdict.Finding
	said := make(map[string]bool)
	for _, f := range r.Findings {
		if n := missing[f.Lane]; n > maxNotRun && is(f) {
			if said[f.Lane] {
				continue
			}
			said[f.Lane] = true
			f.Text, f.Test = fmt.Sprintf("%d tests were not run, the first of them is %s", n, f.Test), ""
		}
		all = append(all, f)
	}
	return all
}

// merge makes one of the findings that lanes share.
func merge(all []verdict.Finding) []finding {
	var merged []finding
	for _, f := range all {
		i := slices.IndexFunc(merged, func(m finding) bool { return m.Verdict == f.Verdict && m.Text == f.Text })
		if i < 0 {
			merged = append(merged, finding{f, []string{f.Lane}})
		} else {
			merged[i].Lane += " and " + f.Lane
			merged[i].lanes = append(merged[i].lanes, f.Lane)
		}
	}
	return merged
}

// acrossLanes are the findings with those that lanes share as one.
func acrossLanes(all []verdict.Finding) []verdict.Finding {
	var merged []verdict.Finding
	for _, f := range merge(all) {
		merged = append(merged, f.Finding)
	}
	return merged
}

// blame says whose fault a finding is, as its first word.
func blame(f verdict.Finding) string {
	who := map[verdict.Verdict]string{
		verdict.Unbuilt:  "kernel",
		verdict.Unjudged: "harness",
		verdict.Failed:   "fail",
	}[f.Verdict]
	if f.Lane != "" {
		who += " (" + f.Lane + ")"
	}
	return who
}
