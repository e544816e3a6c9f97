// SPDX-License-Identifier: BSD-3-Clause

package history

import (
	"cmp"
	"slices"
)

// Row is what became of one subject in some nights, the last of them first.
type Row struct {
	Test     string   // empty: the cells as a whole
	Cells    []string // in which the same became of it
	Outcomes []Outcome
	Changes  int // how often an outcome differs from the one before
}

// Rows returns the last n nights, up to the last of the history, of each subject that was not
// the same in all of them. Those that changed most often are the first. A night in which a cell
// did not run is a change of the cell, not of its tests.
func (h History) Rows(n int) []Row {
	nights := slices.Clone(h.Nights[max(0, len(h.Nights)-n):])
	slices.Reverse(nights)
	var all []Row
	for _, c := range (History{nights}).courses() {
		row := Row{Test: c.test, Cells: []string{c.cell}}
		last, seen := Unplanned, false
		for _, n := range c.nights {
			o := n.outcome
			row.Outcomes = append(row.Outcomes, o)
			says := o == Good || o == Bad || o == NoVerdict && (c.test == "" || n.ran)
			if says && seen && o != last {
				row.Changes++
			}
			if says {
				last, seen = o, true
			}
		}
		if row.Changes > 0 {
			all = append(all, row)
		}
	}
	return join(all)
}

// join makes one row of those in which the same became of a test.
func join(all []Row) []Row {
	var joined []Row
	at := make(map[string]int)
	for _, r := range all {
		key := r.Test
		for _, o := range r.Outcomes {
			key += string(rune('0' + o))
		}
		if i, ok := at[key]; ok && r.Test != "" {
			joined[i].Cells = append(joined[i].Cells, r.Cells...)
			continue
		}
		at[key], joined = len(joined), append(joined, r)
	}
	slices.SortStableFunc(joined, func(a, b Row) int { return cmp.Compare(b.Changes, a.Changes) })
	return joined
}
