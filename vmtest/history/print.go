// SPDX-License-Identifier: BSD-3-Clause

package history

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// Subjects returns the names of all tests and cells of the history, each once.
func (h History) Subjects() []string {
	var all []string
	for _, c := range h.courses() {
		name := c.test
		if name == "" {
			name = c.cell
		}
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

// PrintSubject prints the nights of a test, in each cell that has it, or of a cell as a whole,
// the last night first. It returns false if there is no such test and no such cell. A test may
// be named without its package.
func PrintSubject(w io.Writer, h History, name string) bool {
	found := false
	x := h.indexed()
	for _, c := range h.courses() {
		_, bare, _ := strings.Cut(c.test, ".")
		if c.test == name || bare == name || c.test == "" && c.cell == name {
			found = true
			x.printCourse(w, c)
		}
	}
	return found
}

func (x indexed) printCourse(w io.Writer, s *course) {
	fmt.Fprintln(w, strings.TrimSpace(s.test+" "+s.cell))
	if state, ok := x.state(s); ok {
		fmt.Fprintf(w, "  %s\n", state)
	}
	table := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for i, n := range slices.Backward(x.Nights) {
		o := s.nights[i].outcome
		if o == Unplanned {
			continue
		}
		c, _ := n.Cell(s.cell)
		t, _ := c.Test(s.test)
		fmt.Fprintf(table, "  %s\t%s\t%s\t%s\n", n.Name, o, measured(c, t, s.test), strings.Join(x.news(i, s.subject, o, c, t), "; "))
	}
	table.Flush()
}

// measured are the figures of a night in a line.
func measured(c Cell, t Test, test string) string {
	switch {
	case test == "" && c.Stage == StageTests:
		return fmt.Sprintf("%.0f s", c.CostS)
	case t.LatenessS != nil:
		return fmt.Sprintf("%.3f s, late %.6f s", t.DurationS, *t.LatenessS)
	case t.Name != "":
		return fmt.Sprintf("%.3f s", t.DurationS)
	}
	return ""
}

// news says why a night is not as the one before.
func (x indexed) news(i int, s subject, o Outcome, c Cell, t Test) []string {
	var all []string
	if o == Bad && s.test != "" {
		all = append(all, append([]string{t.Status}, t.Telling...)...)
	} else if c.Trouble != "" && o != Good {
		all = append(all, c.Trouble)
	}
	if f, ok := x.findings[failure{s, x.Nights[i].Name}]; ok {
		all = append(all, f.String())
	}
	return all
}

// String is a word for an outcome.
func (o Outcome) String() string {
	return [...]string{NoVerdict: "did not run", Bad: "FAIL", Good: "ok", Resting: "rests", Unplanned: "-"}[o]
}

// String says what the subject is, and since when.
func (s State) String() string {
	text := s.Kind.String()
	if s.Since != "" && s.Kind != FailingSince {
		text += " since"
	}
	if s.Since != "" {
		text += " " + s.Since
	}
	if s.LastGood != "" && s.Kind != Steady {
		text += ", last as expected on " + s.LastGood
	}
	if s.Finding != nil {
		text += "; " + s.Finding.String()
	}
	return text
}

// String says what is known in one line.
func (f Finding) String() string {
	text := fmt.Sprintf("tried again: %d of %d fail", f.Here.Failed, f.Here.N)
	if f.There.N > 0 {
		text += fmt.Sprintf(", %d of %d on the kernel of %s", f.There.Failed, f.There.N, f.LastGood)
	}
	switch {
	case f.Culprit != "":
		text += "; culprit: " + f.Culprit
	case f.Why != "":
		text += "; " + f.Why
	}
	return text
}

// PrintNight prints what the last night of a history says: a line for each piece of news, and
// how many cells came to what.
func PrintNight(w io.Writer, h History) {
	if len(h.Nights) == 0 {
		return
	}
	n := h.Nights[len(h.Nights)-1]
	counts := make(map[string]int)
	for _, name := range slices.Concat(n.Plan.Cells, n.Plan.LeftOut) {
		c, ok := n.Cell(name)
		if !ok || c.Stage == StageNone {
			c.Verdict = "did not run"
		}
		counts[c.Verdict]++
	}
	var line []string
	for _, verdict := range []string{"pass", "fail", "build", "unjudged", "did not run"} {
		if counts[verdict] > 0 {
			line = append(line, fmt.Sprintf("%d %s", counts[verdict], verdict))
		}
	}
	fmt.Fprintf(w, "night %s: %s (cells)\n", n.Name, strings.Join(line, ", "))
	for _, s := range h.States(n.Name) {
		if s.News {
			fmt.Fprintf(w, "  %s: %s\n", strings.TrimSpace(s.Cell+" "+s.Test), s)
		}
	}
	for _, s := range h.Steps(n.Name) {
		if s.News(n.Name) {
			fmt.Fprintf(w, "  %s %s: %.4g since %s, before %.4g (%+.1f %%)\n", s.Cell, s.Figure, s.After, s.Night, s.Before, s.Percent())
		}
	}
	for _, date := range h.Missed(n.Name) {
		fmt.Fprintf(w, "  no night began on %s\n", date)
	}
}
