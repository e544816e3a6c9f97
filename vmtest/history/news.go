// SPDX-License-Identifier: BSD-3-Clause

package history

import (
	"fmt"
	"slices"
)

// News returns the states that are news, those together that one text can tell: the same test
// in several cells, with the same culprit.
func News(all []State) [][]State {
	key := func(s State) string {
		f := Finding{}
		if s.Finding != nil {
			f = *s.Finding
		}
		if s.Test == "" {
			return s.Cell
		}
		return fmt.Sprint(s.Test, s.Kind, s.Since, s.LastGood, f.Culprit, f.Here, f.There)
	}
	at := make(map[string]int)
	var groups [][]State
	for _, s := range all {
		if !s.News {
			continue
		}
		i, ok := at[key(s)]
		if !ok {
			i = len(groups)
			at[key(s)], groups = i, append(groups, nil)
		}
		groups[i] = append(groups[i], s)
	}
	return groups
}

// WhyNot says why a cell of the night has no verdict. It returns "" if nobody knows.
func (n Night) WhyNot(cell string) string {
	c, _ := n.Cell(cell)
	switch {
	case slices.Contains(n.Plan.LeftOut, cell):
		return "the budget had no room for it"
	case c.Trouble != "":
		return c.Trouble
	case n.End != nil:
		return n.End.Why
	}
	return ""
}

// Why returns the lines that say why a test, or without one the cell as a whole, is not as
// expected.
func (c Cell) Why(test string) []string {
	if test == "" {
		if len(c.Faults) > 0 {
			return c.Faults[:min(3, len(c.Faults))]
		}
		return []string{c.Trouble}
	}
	t, _ := c.Test(test)
	expected := t.Expected
	if expected == "" {
		expected = "pass"
	}
	return append([]string{t.Status + ", expected " + expected}, t.Telling...)
}
