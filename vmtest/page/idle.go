// SPDX-License-Identifier: BSD-3-Clause

package page

import (
	"maps"
	"slices"
)

// idleNights is for how many nights nothing needed an exception that the page shows.
const idleNights = 30

// idle is a line of an allow or expect file that may have become useless.
type idle struct {
	Line  string
	First string // the first of the nights
}

// idle returns the exceptions that the cells had in each of the last idleNights nights, tonight
// included, and that none of them needed.
func (v view) idle() []idle {
	had := make(map[string]int) // in how many nights
	needed := make(map[string]bool)
	last := v.recent[max(0, len(v.recent)-idleNights):]
	for _, n := range last {
		lines := make(map[string]bool)
		for _, c := range n.Cells {
			for line, now := range c.Exceptions {
				lines[line] = true
				needed[line] = needed[line] || now
			}
		}
		for line := range lines {
			had[line]++
		}
	}
	var all []idle
	for _, line := range slices.Sorted(maps.Keys(had)) {
		if had[line] == idleNights && !needed[line] {
			all = append(all, idle{line, last[0].Name})
		}
	}
	return all
}
