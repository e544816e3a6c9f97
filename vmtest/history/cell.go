// SPDX-License-Identifier: BSD-3-Clause

package history

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"timens-vmtest/vmtest/page/look"
	"timens-vmtest/vmtest/verdict"
)

// Of returns the cell that a judged run of one lane comes to. Its name, folder, inputs,
// costs and the size of its kernel are to be set by the caller. A run whose guest was not the
// standard one never passes a night: it is unjudged.
func Of(r verdict.Result) Cell {
	c := Cell{Verdict: r.Verdict.String(), Stage: stageOf(r), Release: r.Run.Release, Command: r.Run.Command, Began: r.Run.Began, Figures: make(map[string]float64)}
	if len(r.Findings) > 0 {
		c.Trouble = firstLine(r.Findings[0].Text)
	}
	if len(r.Run.NotStandard) > 0 && r.Verdict == verdict.Passed {
		c.Verdict = verdict.Unjudged.String()
		c.Trouble = firstLine("the guest was not the standard one: " + strings.Join(r.Run.NotStandard, " "))
	}
	for _, f := range r.Findings {
		if f.Test == "" {
			c.Faults = append(c.Faults, firstLine(f.Text))
		}
	}
	if r.Run.VmlinuxBytes > 0 {
		c.Figures[VmlinuxBytes] = float64(r.Run.VmlinuxBytes)
	}
	for _, l := range r.Lanes {
		c.addLane(l)
	}
	if r.Coverage != nil {
		c.Coverage = &Coverage{Executed: r.Coverage.Executed, Countable: r.Coverage.Countable}
		for _, m := range r.Coverage.Missing {
			c.Coverage.Missing = append(c.Coverage.Missing, fmt.Sprintf("%s:%d", m.Path, m.N))
		}
	}
	return c
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return look.Harmless(line)
}

// harmless returns lines that a guest printed as a terminal may show them.
func harmless(lines []string) []string {
	all := slices.Clone(lines)
	for i, line := range all {
		all[i] = look.Harmless(line)
	}
	return all
}

// stageOf returns how far a run came.
func stageOf(r verdict.Result) string {
	switch {
	case r.Verdict == verdict.Unbuilt:
		return StageBuild
	case len(r.Lanes) == 0:
		return StageNone
	case !slices.ContainsFunc(r.Lanes, func(l verdict.LaneResult) bool { return l.BootS > 0 }):
		return StageBoot
	}
	return StageTests
}

func (c *Cell) addLane(l verdict.LaneResult) {
	if l.BootS > 0 {
		c.Figures[BootS], c.Figures[DurationS] = l.BootS, l.DurationS
	}
	for _, t := range l.Tests {
		one := Test{Name: t.TestID.String(), Status: t.Status.String(), DurationS: t.DurationS, LatenessS: t.LatenessS}
		if t.Expected != verdict.Pass {
			one.Expected = t.Expected.String()
		}
		if !t.AsExpected() {
			one.Telling = harmless(t.Telling)
		}
		if t.LatenessS != nil {
			c.Figures[LatenessS] = max(c.Figures[LatenessS], *t.LatenessS)
		}
		c.Tests = append(c.Tests, one)
	}
	for _, s := range l.Splats {
		c.Splats = append(c.Splats, Splat{Fingerprint: look.Harmless(Fingerprint(s.Text, s.More)), Text: look.Harmless(s.Text), Test: s.Test, Lines: harmless(s.More), Allowed: s.Allowed})
	}
}

// telling is how many frames of a call trace are in a fingerprint.
const tellingFrames = 5

var (
	// frame is a function of a call trace: "? " says that it may be a left-over.
	frame = regexp.MustCompile(`^\s*(\? )?(?:RIP: [0-9a-f]+:)?([A-Za-z_][\w.]*)\+0x[0-9a-f]+/0x[0-9a-f]+`)
	// place is what differs between two splats of one kind.
	place = regexp.MustCompile(`\b(?:0x)?[0-9a-f]*[0-9][0-9a-f]*\b|\+0x[0-9a-f]+/0x[0-9a-f]+`)
)

// reporting are the functions that report splats, and those that every trace ends in.
// They tell nothing.
var reporting = []string{"dump_stack", "show_stack", "print_", "kasan_", "__kasan_", "ubsan_", "__ubsan_", "__warn", "warn_", "report_bug", "handle_bug", "exc_", "asm_exc_",
	"panic", "die", "lockdep_", "do_syscall_", "entry_SYSCALL", "entry_INT80", "ret_from_fork"}

// Fingerprint returns a line that is equal for splats of one kind: the line that gave the
// splat away, without its numbers, and the first five functions of the call trace that do
// more than report the splat.
func Fingerprint(text string, lines []string) string {
	parts := []string{strings.Join(strings.Fields(place.ReplaceAllString(text, "N")), " ")}
	for _, line := range lines {
		m := frame.FindStringSubmatch(line)
		if m == nil || m[1] != "" || slices.ContainsFunc(reporting, func(r string) bool { return strings.HasPrefix(m[2], r) }) {
			continue
		}
		name, _, _ := strings.Cut(m[2], ".") // what the compiler adds: "f.isra.0"
		if len(parts) > 1 && parts[len(parts)-1] == name {
			continue // a function's own frame behind its RIP
		}
		if parts = append(parts, name); len(parts) == 1+tellingFrames {
			break
		}
	}
	return strings.Join(parts, " < ")
}
