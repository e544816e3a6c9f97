// SPDX-License-Identifier: BSD-3-Clause

package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"timens-vmtest/internal/shell"
	"timens-vmtest/internal/wire"
	"timens-vmtest/vmtest/page/look"
	"timens-vmtest/vmtest/several"
	"timens-vmtest/vmtest/verdict"
)

// extent limits how much a text shows.
type extent struct {
	findings int // 0: all
	splats   int // how many kinds are shown with their call trace
	trace    int // how many lines of each call trace
}

// The screen gets what fits there. The file gets nearly everything.
var (
	onScreen = extent{findings: maxFindings, splats: 2, trace: 30}
	inFile   = extent{splats: 10, trace: 120}
)

// maxOutput is how many lines are shown of the only test that failed.
const maxOutput = 10

// Text prints a summary for a screen: what was run, the findings, and the verdict in the
// last line.
func Text(w io.Writer, dir string, r verdict.Result) { text(w, dir, r, onScreen) }

func text(w io.Writer, dir string, r verdict.Result, show extent) {
	fmt.Fprint(w, title(r.Run))
	if n := len(r.Run.KernelWarning); n > 0 {
		fmt.Fprintf(w, ", %d compiler warnings (first: %s)", n, r.Run.KernelWarning[0])
	}
	fmt.Fprintln(w)
	for _, line := range r.Run.LeftOut {
		fmt.Fprintf(w, "config   %s\n", look.Harmless(line))
	}
	for _, l := range r.Lanes {
		lane(w, l)
	}
	for _, line := range orderLines(r) {
		fmt.Fprintf(w, "order    %s\n", look.Harmless(line))
	}
	sinceOlder(w, r)
	findings(w, dir, r, show.findings)
	splats(w, dir, r, show)
	failedOutput(w, dir, r)
	if r.Coverage != nil {
		coverageSummary(w, dir, r.Coverage)
	}
	fmt.Fprintf(w, "evidence %s\n", dir)
	if r.Verdict != verdict.Passed && len(r.Run.Command) > 0 {
		fmt.Fprintf(w, "again    %s\n", shell.Quote(r.Run.Command...))
	}
	fmt.Fprintf(w, "verdict  %s%s (%s, %.1f s)\n", r.Verdict, notStandard(r.Run), counts(r), r.DurationS())
}

// sinceOlder prints the tests that are known to fail on older kernels and pass here, and those that
// older kernels are known to skip.
func sinceOlder(w io.Writer, r verdict.Result) {
	if names := namesOf(r, isMended); names != nil {
		fmt.Fprintf(w, "mended here: %s of older kernels: %s\n", plural(len(names), "known gap"), strings.Join(names, ", "))
	}
	if names := namesOf(r, isNew); names != nil {
		fmt.Fprintf(w, "new here: %s of what older kernels lack: %s\n", plural(len(names), "test"), strings.Join(names, ", "))
	}
}

func isMended(t verdict.TestResult) bool { return t.Mended }
func isNew(t verdict.TestResult) bool    { return t.New }

// namesOf returns the names of some tests. A test that ran in several lanes, or as a 32-bit program
// as well, is there once.
func namesOf(r verdict.Result, some func(verdict.TestResult) bool) []string {
	var names []string
	for _, l := range r.Lanes {
		for _, t := range l.Tests {
			name := wire.TestID{Package: strings.TrimSuffix(t.Package, wire.I386), Name: t.Name}.String()
			if some(t) && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// title returns the first line of every text: what was run.
func title(r verdict.Run) string {
	line := "series " + tested(r) + " on linux-" + orUnknown(r.Base)
	if t := r.Tree; t != nil {
		line += " (" + t.Path
		if t.Commit != "" {
			line += fmt.Sprintf(", commit %.12s", t.Commit)
		}
		if t.NotCommitted != "" {
			line += " + " + t.NotCommitted
		}
		if t.Built != "" {
			line += ", built in " + t.Built
		}
		line += ")"
	}
	if len(r.Make) > 0 {
		line += ", make " + shell.Quote(r.Make...)
	}
	return line + notStandard(r)
}

// notStandard returns the flags with which the guest was another than the standard one.
func notStandard(r verdict.Run) string {
	if len(r.NotStandard) == 0 {
		return ""
	}
	return ", not standard: " + strings.Join(r.NotStandard, " ")
}

// tested returns the name of the series, and the patches on top of it.
func tested(r verdict.Run) string {
	return strings.Join(append([]string{named(r.Series, r.Variant)}, r.Extra...), " + ")
}

// named returns the name by which a user asks for a series: NAME/RELEASE if it has variants.
func named(series, variant string) string {
	if variant == "" {
		return orUnknown(series)
	}
	return orUnknown(series) + "/" + variant
}

func orUnknown(s string) string {
	if s == "" {
		return "(unknown)"
	}
	return s
}

func lane(w io.Writer, l verdict.LaneResult) {
	allowed := 0
	for _, s := range l.Splats {
		if s.Allowed != "" {
			allowed++
		}
	}
	fmt.Fprintf(w, "lane %s, booted in %.1f s, ran %.1f s", laneSummary(l), l.BootS, l.DurationS)
	if l.Starved() {
		fmt.Fprintf(w, " (%.1f s of it without a CPU of the host)", l.WaitedS)
	}
	fmt.Fprintf(w, ", %d splats", len(l.Splats)-allowed)
	if allowed > 0 {
		fmt.Fprintf(w, " and %d allowed", allowed)
	}
	if l.Shards > 0 {
		fmt.Fprintf(w, ", %d shards", l.Shards)
	}
	if l.Boots > max(1, l.Shards) {
		fmt.Fprintf(w, ", %d boots", l.Boots)
	}
	fmt.Fprintln(w)
}

// counts returns a text such as "21 pass, 2 fail". It has each status that occurs, and
// counts expected and unexpected ones separately.
func counts(r verdict.Result) string {
	type kind struct {
		status     verdict.Status
		asExpected bool
	}
	n := make(map[kind]int)
	for _, l := range r.Lanes {
		for _, t := range l.Tests {
			n[kind{t.Status, t.AsExpected()}]++
		}
	}
	var parts []string
	for s := verdict.Missing; s <= verdict.Timeout; s++ {
		expected, note := n[kind{s, true}], " as expected"
		if s == verdict.Pass {
			note = ""
		}
		if expected > 0 {
			parts = append(parts, fmt.Sprintf("%d %s%s", expected, s, note))
		}
		if unexpected := n[kind{s, false}]; unexpected > 0 {
			note = ""
			if s == verdict.Pass {
				note = " unexpectedly"
			}
			parts = append(parts, fmt.Sprintf("%d %s%s", unexpected, s, note))
		}
	}
	if parts == nil {
		return "no tests"
	}
	return strings.Join(parts, ", ")
}

// Combined prints the verdict of each of several runs in a line, and then that of all. It
// names the bases if there are several.
func Combined(w io.Writer, runs several.Runs) {
	for _, r := range runs.Results {
		what := tested(r.Run)
		if slices.ContainsFunc(runs.Results, func(other verdict.Result) bool { return other.Run.Base != r.Run.Base }) {
			what += " on linux-" + orUnknown(r.Run.Base)
		}
		fmt.Fprintf(w, "%-9s %s%s (%s)\n", r.Verdict, what, notStandard(r.Run), counts(r))
	}
	fmt.Fprintf(w, "verdict  %s\n", runs.Verdict())
}

// Folders prints the verdict of each of several folders in a line, and then that of all.
func Folders(w io.Writer, names []string, judged []verdict.Verdict) {
	for i, name := range names {
		fmt.Fprintf(w, "%-9s %s\n", judged[i], name)
	}
	fmt.Fprintf(w, "verdict  %s\n", several.Overall(judged))
}
