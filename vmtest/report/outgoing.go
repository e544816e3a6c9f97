// SPDX-License-Identifier: BSD-3-Clause

package report

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"timens-vmtest/internal/shell"
	"timens-vmtest/vmtest/page/look"
	"timens-vmtest/vmtest/several"
	"timens-vmtest/vmtest/verdict"
)

// outgoingWidth is the largest width of a line, because replies quote it.
const outgoingWidth = 72

// Outgoing returns the text about a series that is sent with it.
func Outgoing(s several.Submission) []byte {
	var o outgoing
	o.field("Presubmit", s.Verdict().String()+atFault(s.Matrix))
	if s.Local {
		o.field("", "the last patch has the changes that were not committed")
	}
	o.field("Base", fmt.Sprintf("linux-%s (%s)", s.Base, s.Origin))
	for i, tool := range s.Toolchain {
		o.field([]string{"Tools", ""}[min(i, 1)], tool)
	}
	o.matrix(s.Matrix)
	if s.Whole {
		for _, l := range s.Tests.Series.Lanes {
			o.field("Lane", laneSummary(l))
		}
		o.field("A/B", s.Tests.Summary())
		o.coverage(s)
	}
	for _, line := range s.ABI {
		o.field("ABI", line)
	}
	for i, c := range s.Commands {
		o.command([]string{"Commands", ""}[min(i, 1)], c)
	}
	return o.Bytes()
}

type outgoing struct{ bytes.Buffer }

// margin is the column where the text of a field begins.
const margin = 11

// field prints the name of a field and its text, folded.
func (o *outgoing) field(name, text string) {
	line := fmt.Sprintf("%-*s", margin-1, name)
	for word := range strings.FieldsSeq(look.Harmless(text)) {
		if len(line)+1+len(word) > outgoingWidth && strings.TrimSpace(line) != "" {
			fmt.Fprintln(o, strings.TrimRight(line, " "))
			line = strings.Repeat(" ", margin-1)
		}
		for len(line)+1+len(word) > outgoingWidth { // the word itself is longer than a line
			room := outgoingWidth - len(line) - 1
			fmt.Fprintln(o, line+" "+word[:room])
			line, word = strings.Repeat(" ", margin-1), word[room:]
		}
		line += " " + word
	}
	fmt.Fprintln(o, line)
}

// command prints a command so that a shell reads back the same words.
func (o *outgoing) command(name string, args []string) {
	line := fmt.Sprintf("%-*s", margin-1, name)
	for _, arg := range args {
		word := shell.Quote(arg)
		if len(line)+1+len(word)+2 > outgoingWidth {
			fmt.Fprintln(o, line+" \\")
			line = strings.Repeat(" ", margin-1)
		}
		line += " " + word
		for word == arg && len(line) > outgoingWidth { // the word continues in the first column; with spaces before it, it would be two words
			fmt.Fprintln(o, line[:outgoingWidth-1]+"\\")
			line = line[outgoingWidth-1:]
		}
	}
	fmt.Fprintln(o, line)
}

// matrix prints a table of steps and patches. If the patches do not fit in a line, it
// prints several tables.
func (o *outgoing) matrix(m several.Matrix) {
	const name, cell = 12, 5
	perLine := (outgoingWidth - margin - name) / cell
	for n, patches := range slices.Collect(slices.Chunk(m.Patches, perLine)) {
		head := ""
		for i := range patches {
			head += fmt.Sprintf("%*d", cell, n*perLine+i+1)
		}
		fmt.Fprintf(o, "%-*s%-*s%s\n", margin, []string{"Patches", ""}[min(n, 1)], name, "", head)
		for s, step := range m.Steps {
			fmt.Fprintf(o, "%-*s%-*s", margin, "", name, step)
			for _, p := range patches {
				fmt.Fprintf(o, "%*s", cell, p.Cells[s].Answer)
			}
			fmt.Fprintln(o)
		}
	}
}

func (o *outgoing) coverage(s several.Submission) {
	c := s.Coverage.Coverage
	switch {
	case s.Countless:
		o.field("Coverage", "not measured: no C file of the kernel is touched")
		return
	case c == nil:
		o.field("Coverage", "not measured: "+s.Coverage.Findings[0].Text)
		return
	}
	o.field("Coverage", fmt.Sprintf("%s, floor %d %%", c.Summary(), c.Floor.Percent))
	for _, m := range c.Missing {
		o.field("", fmt.Sprintf("not executed: %s:%d: %s", m.Path, m.N, strings.TrimSpace(m.Text)))
	}
	for _, f := range c.Files {
		if slices.ContainsFunc(f.Lines, func(l verdict.CoveredLine) bool { return l.Uncounted == verdict.NotBuilt }) {
			o.field("", "not compiled: "+f.Path+", "+verdict.NotBuilt)
		}
	}
}

// laneSummary returns a text such as "real (tcg): 266 of 266 tests as expected".
func laneSummary(l verdict.LaneResult) string {
	asExpected := 0
	for _, t := range l.Tests {
		if t.AsExpected() {
			asExpected++
		}
	}
	return fmt.Sprintf("%s (%s): %d of %d tests as expected", l.Lane, l.Accel, asExpected, len(l.Tests))
}
