// SPDX-License-Identifier: BSD-3-Clause

package report

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"timens-vmtest/internal/shell"
	"timens-vmtest/vmtest/page/look"
	"timens-vmtest/vmtest/verdict"
)

// maxNotRun is how many missing tests of a lane have a line each. If more are missing, they
// share one line.
const maxNotRun = 3

// maxFindings is how many findings are shown on a screen.
const maxFindings = 12

// finding is a finding that several lanes may share. Its Lane names all of them.
type finding struct {
	verdict.Finding
	lanes []string
}

// findings prints the findings of a run: limit at most, or all if limit is 0.
func findings(w io.Writer, dir string, r verdict.Result, limit int) {
	all := merge(notRun(r))
	for i, next := range nexts(dir, all, r) {
		f := all[i]
		if limit > 0 && i == limit {
			fmt.Fprintf(w, "  ... and %d more in %s\n", len(all)-i, filepath.Join(dir, TextFile))
			return
		}
		fmt.Fprintf(w, "  %s: %s\n", blame(f.Finding), strings.ReplaceAll(look.Harmless(f.Text), "\n", "\n    "))
		for _, line := range f.telling(r) {
			fmt.Fprintf(w, "      %s\n", line)
		}
		for _, path := range f.traces(r) {
			fmt.Fprintf(w, "      trace: %s\n", filepath.Join(dir, path))
		}
		if next != "" {
			fmt.Fprintf(w, "      next: %s\n", next)
		}
	}
}

// nexts returns for each finding what next returns, but no command twice.
func nexts(dir string, all []finding, r verdict.Result) []string {
	said := map[string]bool{"": true}
	each := make([]string, len(all))
	for i, f := range all {
		if next := f.next(dir, r); !said[next] {
			said[next], each[i] = true, next
		}
	}
	return each
}

// next returns the command with which a user gets to the cause of a finding in the folder dir: a
// shell at the test, and gdb if the kernel or the guest is to blame. It returns "" if there is
// nothing to boot.
func (f finding) next(dir string, r verdict.Result) string {
	words := []string{"vmtest"}
	if len(r.Run.Command) > 0 {
		words = r.Run.Command[:1:1]
	}
	switch {
	case f.Test != "":
		i := slices.IndexFunc(r.Lanes, func(l verdict.LaneResult) bool { return l.Lane == f.lanes[0] })
		if i < 0 || find(r.Lanes[i], f.Test).Status == verdict.Missing {
			return ""
		}
		return shell.Quote(append(words, "debug", dir, f.Test)...)
	case f.During != "":
		words = append(words, "debug", dir, f.During)
		if !f.isHarm(r) {
			words = append(words, "-gdb")
		}
		return shell.Quote(words...)
	case f.Before != "":
		return shell.Quote(append(words, "debug", dir, f.Before, "-gdb")...)
	}
	return ""
}

// isHarm reports whether a finding is about what a test has done to the guest. Then neither the
// kernel nor the guest is to blame.
func (f finding) isHarm(r verdict.Result) bool {
	return slices.ContainsFunc(r.Lanes, func(l verdict.LaneResult) bool {
		return slices.ContainsFunc(find(l, f.During).Harm, func(harm string) bool { return f.Text == f.During+" "+harm })
	})
}

// telling returns the lines that say why the test of a finding did not pass. If lanes
// differ, each line names its lane.
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
			if line = look.Harmless(line); !agreed {
				line = f.lanes[i] + ": " + line
			}
			all = append(all, line)
		}
	}
	return all
}

// traces returns the paths of the files with what was recorded of the test of a finding, one for
// each lane.
func (f finding) traces(r verdict.Result) []string {
	var all []string
	for _, l := range r.Lanes {
		if path := tracePath(l, find(l, f.Test)); path != "" && slices.Contains(f.lanes, l.Lane) {
			all = append(all, path)
		}
	}
	return all
}

// find returns the result of a test in a lane.
func find(l verdict.LaneResult, test string) verdict.TestResult {
	for _, t := range l.Tests {
		if t.TestID.String() == test {
			return t
		}
	}
	return verdict.TestResult{}
}

// notRun returns the findings of a run. If many tests of a lane were not run, for example
// after Ctrl-C, it replaces their findings by one.
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

// merge joins equal findings of several lanes.
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

// acrossLanes returns the findings, with equal ones of several lanes joined.
func acrossLanes(all []verdict.Finding) []verdict.Finding {
	var merged []verdict.Finding
	for _, f := range merge(all) {
		merged = append(merged, f.Finding)
	}
	return merged
}

// blame returns the first word of a finding, which says whose fault it is.
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
