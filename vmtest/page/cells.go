// SPDX-License-Identifier: BSD-3-Clause

package page

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"timens-vmtest/internal/wire"
	"timens-vmtest/vmtest/history"
	"timens-vmtest/vmtest/page/look"
)

// What can become of a cell in a night.
var (
	passed    = mark{"good", "✓", "pass"}
	failed    = mark{"bad", "✗", "FAIL"}
	unbuilt   = mark{"bad", "▲", "does not build"}
	unjudged  = mark{"warn", "?", "no verdict"}
	didNotRun = mark{"warn", "○", "did not run"}
	rests     = mark{"soft", "–", "rests"}
)

// became returns what became of a cell in the night.
func (v view) became(name string) mark { return becameIn(v.night, name) }

func becameIn(n history.Night, name string) mark {
	c, ran := n.Cell(name)
	switch {
	case slices.Contains(n.Plan.Resting, name) && !ran:
		return rests
	case !ran || c.Stage == history.StageNone:
		return didNotRun
	case c.Verdict == "pass":
		return passed
	case c.Verdict == "fail":
		return failed
	case c.Verdict == "build":
		return unbuilt
	}
	return unjudged
}

// parts are what the name of a cell is made of: base/series/configuration/lane.
type parts struct{ base, series, config, lane string }

// partsOf takes the name of a cell apart. A cell that runs a command has no parts.
func partsOf(name string) (p parts, ok bool) {
	words := strings.Split(name, "/")
	n := len(words)
	if n < 4 || words[n-1] != wire.Real && words[n-1] != wire.Virtual {
		return parts{}, false
	}
	return parts{strings.Join(words[:n-3], "/"), words[n-3], words[n-2], words[n-1]}, true
}

func (p parts) String() string {
	return strings.Join([]string{p.base, p.series, p.config, p.lane}, "/")
}

// names returns the names of all cells of the night, those that rest and those that the budget
// left out as well.
func (v view) names() []string {
	all := slices.Concat(v.night.Plan.Cells, v.night.Plan.LeftOut, v.night.Plan.Resting)
	for _, c := range v.night.Cells {
		all = append(all, c.Name)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// matrix has a row for each series and configuration, and a column for each base and lane.
type matrix struct {
	Columns []string
	Rows    []matrixRow
}

type matrixRow struct {
	Name  string
	Cells []matrixCell
}

// matrixCell is one cell. Its zero value is a cell that there is not.
type matrixCell struct {
	Mark  mark
	Name  string
	Tests string // such as "310 of 312"
	Link  string
}

// matrix returns the cells that run tests, or nil if there are none.
func (v view) matrix() *matrix {
	at := make(map[[2]string]string)
	var m matrix
	for _, name := range v.names() {
		p, ok := partsOf(name)
		if !ok {
			continue
		}
		row, column := p.series+" / "+p.config, p.base+" "+p.lane
		at[[2]string{row, column}] = name
		if !slices.Contains(m.Columns, column) {
			m.Columns = append(m.Columns, column)
		}
		if !slices.ContainsFunc(m.Rows, func(r matrixRow) bool { return r.Name == row }) {
			m.Rows = append(m.Rows, matrixRow{Name: row})
		}
	}
	if m.Rows == nil {
		return nil
	}
	slices.Sort(m.Columns)
	for i, row := range m.Rows {
		for _, column := range m.Columns {
			one := matrixCell{}
			if name := at[[2]string{row.Name, column}]; name != "" {
				c, _ := v.night.Cell(name)
				one = matrixCell{v.became(name), name, expected(c), v.link(c.Folder)}
			}
			m.Rows[i].Cells = append(m.Rows[i].Cells, one)
		}
	}
	return &m
}

// expected counts the tests that were as expected.
func expected(c history.Cell) string {
	n := 0
	for _, t := range c.Tests {
		if t.AsExpected() {
			n++
		}
	}
	if len(c.Tests) == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d", n, len(c.Tests))
}

// command is a cell that runs a command, as it was when it ran last.
type command struct {
	Name  string
	Night string // in which it last ran; empty: in none of those that the page shows
	Mark  mark
	Says  string
	Link  string
}

// mutantCells begins the names of the cells that look for mutants that no test notices.
const mutantCells = "mutants/"

// commands returns the cells that run commands, and those of them that are about mutants.
func (v view) commands() (all, mutants []command) {
	for _, name := range v.names() {
		if _, ok := partsOf(name); ok {
			continue
		}
		one := command{Name: name, Mark: v.became(name)}
		for _, n := range slices.Backward(v.recent) {
			c, ok := n.Cell(name)
			if !ok && !slices.Contains(n.Plan.Cells, name) {
				continue
			}
			one.Night, one.Mark, one.Says, one.Link = n.Name, becameIn(n, name), c.Trouble, v.link(c.Folder)
			break
		}
		if strings.HasPrefix(name, mutantCells) {
			mutants = append(mutants, one)
		} else {
			all = append(all, one)
		}
	}
	return all, mutants
}

// classes compares the tests of one cell with those of the same cell without the series.
type classes struct {
	Cell    string
	Both    int // that pass with the series and without it
	Fixed   int // that pass only with it
	Broken  []string
	More    int // of Broken
	Neither int // that pass in neither
}

// control is the series that is the unpatched kernel.
const control = "control"

// classes returns the comparisons that the night allows.
func (v view) classes() []classes {
	var all []classes
	for _, c := range v.night.Cells {
		p, ok := partsOf(c.Name)
		if !ok || p.series == control || c.Stage != history.StageTests {
			continue
		}
		name := c.Name
		p.series = control
		base, ok := v.night.Cell(p.String())
		if !ok || base.Stage != history.StageTests {
			continue
		}
		without := make(map[string]string)
		for _, t := range base.Tests {
			without[t.Name] = t.Status
		}
		one := classes{Cell: name}
		for _, t := range c.Tests {
			before, ok := without[t.Name]
			switch with := t.Status == "pass"; {
			case !ok || t.Status == "missing" || before == "missing":
			case with && before == "pass":
				one.Both++
			case with:
				one.Fixed++
			case before == "pass":
				one.Broken = append(one.Broken, t.Name)
			default:
				one.Neither++
			}
		}
		one.Broken, one.More = look.Head(one.Broken, v.most(20))
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b classes) int { return strings.Compare(a.Cell, b.Cell) })
	return all
}

// costs is what the cells of the night cost.
type costs struct {
	Cells      []cost
	More       int
	Sum, Usual string
}

type cost struct {
	Cell, Tonight, Usual string
	s                    float64
}

// costs returns the cells that ran, the dearest first, or nil if none did.
func (v view) costs() *costs {
	var all costs
	sum, usual := 0.0, 0.0
	for _, c := range v.night.Cells {
		var before []float64
		for _, n := range v.recent {
			if other, ok := n.Cell(c.Name); ok && other.Stage == history.StageTests {
				before = append(before, other.CostS)
			}
		}
		one := cost{Cell: c.Name, Tonight: span(c.CostS), s: c.CostS}
		sum += c.CostS
		if slices.Sort(before); len(before) > 0 {
			one.Usual = span(before[len(before)/2])
			usual += before[len(before)/2]
		}
		all.Cells = append(all.Cells, one)
	}
	if all.Cells == nil {
		return nil
	}
	slices.SortStableFunc(all.Cells, func(a, b cost) int { return cmp.Compare(b.s, a.s) })
	all.Cells, all.More = look.Head(all.Cells, v.most(120))
	all.Sum, all.Usual = span(sum), span(usual)
	return &all
}

// span writes host seconds, which need no digits behind the point.
func span(s float64) string {
	switch {
	case s < 120:
		return fmt.Sprintf("%.0f s", s)
	case s < 2*3600:
		return fmt.Sprintf("%.0f min", s/60)
	}
	return fmt.Sprintf("%.1f h", s/3600)
}
