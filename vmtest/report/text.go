// SPDX-License-Identifier: BSD-3-Clause

package report

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"timens-vmtest/internal/wire"
	"timens-vmtest/vmtest/verdict"
)

// What fits a screen of 24 lines, about.
const (
	maxFindings   = 8
	maxOutput     = 10 // lines of the first test that failed
	maxSplatLines = 8
)

// Text prints a summary that fits a screen: what was run, what speaks against
// it, and the verdict as the last line.
func Text(w io.Writer, dir string, r verdict.Result) {
	fmt.Fprintf(w, "series %s on linux-%s", orUnknown(r.Run.Series), orUnknown(r.Run.Base))
	if n := len(r.Run.KernelWarning); n > 0 {
		fmt.Fprintf(w, ", %d compiler warnings (first: %s)", n, r.Run.KernelWarning[0])
	}
	fmt.Fprintln(w)
	for _, l := range r.Lanes {
		lane(w, l)
	}
	findings := acrossLanes(r.Findings)
	for i, f := range findings {
		if i == maxFindings {
			fmt.Fprintf(w, "  ... and %d more in %s\n", len(findings)-i, filepath.Join(dir, JSONFile))
			break
		}
		fmt.Fprintf(w, "  %s: %s\n", blame(f), strings.ReplaceAll(printable(f.Text), "\n", "\n    "))
	}
	firstSplat(w, r)
	firstOutput(w, dir, r)
	if r.Coverage != nil {
		coverageSummary(w, dir, r.Coverage)
	}
	fmt.Fprintf(w, "evidence %s\n", dir)
	if r.Verdict != verdict.Passed && len(r.Run.Command) > 0 {
		fmt.Fprintf(w, "again    %s\n", shellQuote(r.Run.Command))
	}
	fmt.Fprintf(w, "verdict  %s (%s, %.1f s)\n", r.Verdict, counts(r), r.DurationS())
}

// shellQuote makes a command that a shell reads back as args.
func shellQuote(args []string) string {
	quoted := make([]string, len(args))
	for i, arg := range args {
		quoted[i] = arg
		if arg == "" || strings.ContainsFunc(arg, needsQuote) {
			quoted[i] = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}

func needsQuote(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_./,:=+@%", r)
}

// acrossLanes are the findings with those that lanes share as one.
func acrossLanes(all []verdict.Finding) []verdict.Finding {
	var merged []verdict.Finding
	for _, f := range all {
		i := slices.IndexFunc(merged, func(m verdict.Finding) bool { return m.Verdict == f.Verdict && m.Text == f.Text })
		if i < 0 {
			merged = append(merged, f)
		} else {
			merged[i].Lane += " and " + f.Lane
		}
	}
	return merged
}

func orUnknown(s string) string {
	if s == "" {
		return "(unknown)"
	}
	return s
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

func lane(w io.Writer, l verdict.LaneResult) {
	allowed := 0
	for _, s := range l.Splats {
		if s.Allowed != "" {
			allowed++
		}
	}
	fmt.Fprintf(w, "lane %s, booted in %.1f s, ran %.1f s, %d splats", laneSummary(l), l.BootS, l.DurationS, len(l.Splats)-allowed)
	if allowed > 0 {
		fmt.Fprintf(w, " and %d allowed", allowed)
	}
	if l.Boots > 1 {
		fmt.Fprintf(w, ", %d boots", l.Boots)
	}
	fmt.Fprintln(w)
}

func firstSplat(w io.Writer, r verdict.Result) {
	for _, l := range r.Lanes {
		for _, s := range l.Splats {
			if s.Allowed != "" {
				continue
			}
			for i, line := range s.More {
				if i == maxSplatLines {
					break
				}
				fmt.Fprintf(w, "    | %s\n", printable(line))
			}
			return
		}
	}
}

func firstOutput(w io.Writer, dir string, r verdict.Result) {
	for _, l := range r.Lanes {
		for _, t := range l.Tests {
			if t.AsExpected() || t.Output == "" {
				continue
			}
			fmt.Fprintf(w, "  output of %s (all of it is in %s):\n", t.TestID, filepath.Join(dir, l.Lane, wire.RecordsFile))
			for _, line := range excerpt(t.Output) {
				fmt.Fprintf(w, "    | %s\n", printable(line))
			}
			return
		}
	}
}

// excerpt is what tells most of an output: the beginning of a Go panic, else
// the end.
func excerpt(output string) []string {
	lines := strings.Split(strings.TrimRight(output, "\n"), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") || strings.HasPrefix(line, "SIGQUIT: ") {
			return lines[i:min(len(lines), i+maxOutput)]
		}
	}
	return lines[max(0, len(lines)-maxOutput):]
}

// counts is "21 pass, 2 fail": every status that occurs, those that were
// expected apart from those that were not.
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

// Combined prints the verdict of several runs, one line each.
func Combined(w io.Writer, runs verdict.Runs) {
	for _, r := range runs.Results {
		fmt.Fprintf(w, "%-9s %s (%s)\n", r.Verdict, r.Run.Series, counts(r))
	}
	fmt.Fprintf(w, "verdict  %s\n", runs.Verdict())
}

// Folders prints the verdict of each of several folders, one line each.
func Folders(w io.Writer, names []string, judged []verdict.Verdict) {
	for i, name := range names {
		fmt.Fprintf(w, "%-9s %s\n", judged[i], name)
	}
	fmt.Fprintf(w, "verdict  %s\n", verdict.Overall(judged))
}
