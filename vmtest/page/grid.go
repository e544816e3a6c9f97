// SPDX-License-Identifier: BSD-3-Clause

package page

import (
	"slices"
	"time"

	"timens-vmtest/vmtest/history"
	"timens-vmtest/vmtest/page/look"
)

// grid shows what became of tests in many nights, the last of them on the left.
type grid struct {
	Months []month
	Nights []night
	Rows   []gridRow
	More   int // rows that are left out
}

// month is a heading over its nights.
type month struct {
	Name   string
	Nights int
}

// night is the heading of a column.
type night struct{ Name, Day string }

type gridRow struct {
	Test  string // empty: a cell as a whole
	Cells []string
	Marks []gridMark
}

// gridMark is a class for the colour, a letter, and a word for a screen reader.
type gridMark struct{ Class, Letter, Word string }

var gridMarks = map[history.Outcome]gridMark{
	history.NoVerdict: {"M", "?", "no verdict"}, history.Bad: {"F", "F", "not as expected"}, history.Good: {"P", "·", "as expected"},
	history.Resting: {"R", "–", "rests"}, history.Unplanned: {"", "", ""},
}

// grid returns the tests and the cells that changed within the nights, or nil if none did.
func (v view) grid() *grid {
	if len(v.rows) == 0 {
		return nil
	}
	var g grid
	for _, n := range slices.Backward(v.recent) {
		name, day := n.Name[:min(len("2006-01"), len(n.Name))], n.Name
		if len(n.Name) >= len(time.DateOnly) {
			day = n.Name[len("2006-01-"):]
		}
		if i := len(g.Months) - 1; i >= 0 && g.Months[i].Name == name {
			g.Months[i].Nights++
		} else {
			g.Months = append(g.Months, month{name, 1})
		}
		g.Nights = append(g.Nights, night{n.Name, day})
	}
	shown, more := look.Head(v.rows, v.most(150))
	g.More = more
	for _, r := range shown {
		row := gridRow{Test: r.Test, Cells: r.Cells}
		for _, o := range r.Outcomes {
			row.Marks = append(row.Marks, gridMarks[o])
		}
		g.Rows = append(g.Rows, row)
	}
	return &g
}
