// SPDX-License-Identifier: BSD-3-Clause

package page

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"timens-vmtest/vmtest/history"
	"timens-vmtest/vmtest/page/look"
)

// figures are the figures that the page draws, with what a reader calls them.
var figures = []struct{ name, word string }{
	{history.DurationS, "duration"}, {history.LatenessS, "greatest lateness"}, {history.BootS, "boot"}, {history.VmlinuxBytes, "size of vmlinux"},
}

// unit writes a value of a figure. The name of a figure ends in its unit.
func unit(figure string, value float64) string {
	switch {
	case strings.HasSuffix(figure, "_s"):
		return look.Seconds(value)
	case strings.HasSuffix(figure, "_bytes"):
		return fmt.Sprintf("%.1f MB", value/1e6)
	}
	return fmt.Sprintf("%.4g", value)
}

// charts returns a chart of each figure of each cell that was measured in at least two of the
// nights, those with a step first.
func (v view) charts() []look.Line {
	steps := make(map[[3]string]bool)
	for _, s := range v.Steps(v.night.Name) {
		steps[[3]string{s.Cell, s.Figure, s.Night}] = true
	}
	recent := history.History{Nights: v.recent}
	var stepped, steady []look.Line
	for _, figure := range figures {
		for _, name := range v.names() {
			points := recent.Figure(name, figure.name)
			if len(points) < 2 {
				continue
			}
			l := look.Line{}
			for i, p := range points {
				l.Values = append(l.Values, p.Value)
				if steps[[3]string{name, figure.name, p.Night}] {
					l.Steps = append(l.Steps, i)
				}
			}
			last := points[len(points)-1]
			l.Title = fmt.Sprintf("%s of %s: %s", figure.word, name, unit(figure.name, last.Value))
			l.Says = fmt.Sprintf("%s, from %s to %s in %d nights up to %s", l.Title, unit(figure.name, slices.Min(l.Values)), unit(figure.name, slices.Max(l.Values)), len(points), last.Night)
			for _, i := range l.Steps {
				l.Says += ", a step in the night " + points[i].Night
			}
			if l.Steps != nil {
				stepped = append(stepped, l)
			} else {
				steady = append(steady, l)
			}
		}
	}
	return append(stepped, steady...)
}

// coverage says how many of the lines that a series changes ran, and which no longer do.
type coverage struct {
	Cell                string
	Night               string
	Executed, Countable int
	Before              string   // what it was in the night before; empty: there is none
	Lost                []string // lines that ran then
	More                int      // of Lost
	Changed             bool     // the series has changed, so that lines cannot be compared
}

// Percent is rounded down.
func (c coverage) Percent() int { return 100 * c.Executed / max(1, c.Countable) }

// coverage returns the last coverage that was measured, of each cell that measured it.
func (v view) coverage() []coverage {
	var all []coverage
	for _, name := range v.names() {
		var now *coverage
		var cell history.Cell
		for _, n := range slices.Backward(v.recent) {
			c, ok := n.Cell(name)
			if !ok || c.Coverage == nil {
				continue
			}
			if now == nil {
				now, cell = &coverage{Cell: name, Night: n.Name, Executed: c.Coverage.Executed, Countable: c.Coverage.Countable}, c
				continue
			}
			now.Before = fmt.Sprintf("%d of %d in the night %s", c.Coverage.Executed, c.Coverage.Countable, n.Name)
			if now.Changed = !slices.Equal(c.Inputs.Patches, cell.Inputs.Patches) || c.Inputs.Base != cell.Inputs.Base; !now.Changed {
				now.Lost = slices.DeleteFunc(slices.Clone(cell.Coverage.Missing), func(line string) bool { return slices.Contains(c.Coverage.Missing, line) })
			}
			break
		}
		if now != nil {
			now.Lost, now.More = look.Head(now.Lost, v.most(40))
			all = append(all, *now)
		}
	}
	return all
}

// splat is all splats of one kind.
type splat struct {
	Text        string
	First, Last string // nights
	Nights      int
	Cells       []string
	Allowed     string
	Lines       []string // of the last one
	More        int
	Link        string
}

// splats returns the splats of all nights by their fingerprints, the last seen first.
func (v view) splats(most int) []splat {
	of := make(map[string]*splat)
	for _, n := range v.recent {
		for _, c := range n.Cells {
			for _, s := range c.Splats {
				one := of[s.Fingerprint]
				if one == nil {
					one = &splat{First: n.Name}
					of[s.Fingerprint] = one
				}
				if one.Last != n.Name {
					one.Nights++
				}
				one.Text, one.Last, one.Allowed, one.Link = s.Text, n.Name, s.Allowed, v.link(c.Folder)
				one.Lines, one.More = look.Head(s.Lines, most)
				if !slices.Contains(one.Cells, c.Name) {
					one.Cells = append(one.Cells, c.Name)
				}
			}
		}
	}
	var all []splat
	for _, fingerprint := range slices.Sorted(maps.Keys(of)) {
		all = append(all, *of[fingerprint])
	}
	slices.SortStableFunc(all, func(a, b splat) int { return strings.Compare(b.Last, a.Last) })
	return all
}
