// SPDX-License-Identifier: BSD-3-Clause

package history

import "slices"

// subject is a test of a cell; without a test it is the cell as a whole.
type subject struct{ cell, test string }

// course is what became of a subject in each night of a history.
type course struct {
	subject
	nights []became
	of     *cellCourse
}

// became is what became of a subject in one night.
type became struct {
	outcome Outcome
	ran     bool // else the cell did not even run, so a missing verdict says nothing of the subject
	unbuilt bool // the kernel of the cell did not build
}

// cellCourse has the courses of a cell.
type cellCourse struct {
	whole  *course
	tests  []*course
	at     map[string]*course // tests by their names
	absent []became           // what becomes of a test that the cell does not have, by nights
	tested int                // the first night in which the cell has tests; -1: there is none
}

// courses returns the courses of all subjects that there ever were. The cells are in the order
// in which they first appear, each as a whole before its tests. It looks at each test of each
// night once: a history has a million of them.
func (h History) courses() []*course {
	var all []*cellCourse
	at := make(map[string]*cellCourse)
	for i, n := range h.Nights {
		fates := n.fates()
		for _, name := range n.names() {
			if at[name] == nil {
				c := newCellCourse(name, i)
				all, at[name] = append(all, c), c
			}
		}
		for _, c := range all {
			fate, ok := fates[c.whole.cell]
			if !ok {
				fate = became{outcome: Unplanned}
			}
			c.add(fate, fate)
		}
		for _, c := range n.Cells {
			at[c.Name].ran(i, c)
		}
	}
	var flat []*course
	for _, c := range all {
		flat = append(append(flat, c.whole), c.tests...)
	}
	return flat
}

// names returns the names of all cells of a night. Those that are planned come first.
func (n Night) names() []string {
	var all []string
	for _, list := range [][]string{n.Plan.Cells, n.Plan.LeftOut, n.Plan.Resting} {
		all = append(all, list...)
	}
	for _, c := range n.Cells {
		all = append(all, c.Name)
	}
	return all
}

// fates returns what became of the planned cells of a night if nothing else is known of them.
func (n Night) fates() map[string]became {
	fates := make(map[string]became)
	for _, list := range [][]string{n.Plan.Cells, n.Plan.LeftOut} {
		for _, name := range list {
			fates[name] = became{outcome: NoVerdict}
		}
	}
	for _, name := range n.Plan.Resting {
		fates[name] = became{outcome: Resting}
	}
	return fates
}

// newCellCourse returns the courses of a cell that first appears in the night i.
func newCellCourse(name string, i int) *cellCourse {
	c := &cellCourse{at: make(map[string]*course), tested: -1}
	c.whole = &course{subject: subject{cell: name}, of: c}
	for range i {
		c.add(became{outcome: Unplanned}, became{outcome: Unplanned})
	}
	return c
}

// add adds a night. test is what became of each test of the cell.
func (c *cellCourse) add(whole, test became) {
	c.whole.nights = append(c.whole.nights, whole)
	c.absent = append(c.absent, test)
	for _, t := range c.tests {
		t.nights = append(t.nights, test)
	}
}

// ran puts the results of the cell in the place of what add added for the night i.
func (c *cellCourse) ran(i int, result Cell) {
	c.whole.nights[i] = became{result.Outcome(""), result.Stage != StageNone, result.Stage == StageBuild}
	absent := became{outcome: NoVerdict}
	if result.Stage == StageTests {
		absent = became{outcome: Unplanned, ran: true}
	}
	c.absent[i] = absent
	for _, t := range c.tests {
		t.nights[i] = absent
	}
	if len(result.Tests) > 0 && c.tested < 0 {
		c.tested = i
	}
	for _, t := range result.Tests {
		one := c.at[t.Name]
		if one == nil {
			one = &course{subject: subject{result.Name, t.Name}, nights: slices.Clone(c.absent), of: c}
			c.tests, c.at[t.Name] = append(c.tests, one), one
		}
		if result.Stage == StageTests {
			one.nights[i].outcome = t.outcome(true)
		}
	}
}
