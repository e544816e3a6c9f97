// SPDX-License-Identifier: BSD-3-Clause

package history

import (
	"maps"
	"math"
	"slices"

	"github.com/aclements/go-moremath/stats"
)

// A step of a figure is looked for with the test of Mann and Whitney (Wilcoxon's rank sum):
// the last stepAfter nights against the stepBefore nights before them. Two constants bound
// the false alarms. Noise of whatever distribution, if it does not drift, exceeds
// stepLevel in at most one of 10,000 nights: with 5 and 20 nights the exact test has
// the level 7.5e-5. A step that is smaller than stepSize is not worth a reader's time.
const (
	stepAfter  = 5
	stepBefore = 20
	stepLevel  = 1e-4
	stepSize   = 0.05
)

// fewestBefore is how many nights are needed before the last stepAfter nights. With fewer,
// not even values of which none overlaps reach stepLevel.
const fewestBefore = 16

// Step is a figure that made a step and did not go back.
type Step struct {
	Cell   string
	Figure string  // one of Cell.Figures
	Night  string  // the first night with the new values
	Found  string  // the night that found it, stepAfter-1 nights later or more
	Before float64 // median of the nights before
	After  float64 // median of the nights from Night to Found
	P      float64 // of the test: how likely noise does this
}

// Percent returns by how much the figure grew, in percent. It is negative if the figure shrank.
func (s Step) Percent() float64 { return 100 * (s.After/s.Before - 1) }

// News says that a reader is to be told of the step in a night.
func (s Step) News(night string) bool { return s.Found == night }

// Point is the value of a figure in one night.
type Point struct {
	Night string
	Value float64
}

// Figure returns a figure of a cell over the nights in which it was measured.
func (h History) Figure(cell, figure string) []Point {
	var all []Point
	for _, n := range h.Nights {
		c, _ := n.Cell(cell)
		if v, ok := c.Figures[figure]; ok && c.Stage == StageTests {
			all = append(all, Point{n.Name, v})
		}
	}
	return all
}

// Steps returns all steps that were found up to a night, those of one cell and figure in
// their order.
func (h History) Steps(night string) []Step {
	h = h.Until(night)
	figures := make(map[subject]bool)
	for _, n := range h.Nights {
		for _, c := range n.Cells {
			for name := range c.Figures {
				figures[subject{c.Name, name}] = true
			}
		}
	}
	var all []Step
	for _, s := range slices.SortedFunc(maps.Keys(figures), func(a, b subject) int { return slices.Compare([]string{a.cell, a.test}, []string{b.cell, b.test}) }) {
		for _, step := range stepsOf(h.Figure(s.cell, s.test)) {
			step.Cell, step.Figure = s.cell, s.test
			all = append(all, step)
		}
	}
	return all
}

// stepsOf walks over the nights as they came. Behind a step it begins anew.
func stepsOf(points []Point) []Step {
	var all []Step
	from := 0
	for now := 1; now <= len(points); now++ {
		if s, at, ok := stepAt(points[max(from, now-stepAfter-stepBefore):now]); ok {
			all = append(all, s)
			from = max(from, now-stepAfter-stepBefore) + at
		}
	}
	return all
}

// stepAt looks for a step that the last of these nights shows. at is its index.
func stepAt(points []Point) (s Step, at int, ok bool) {
	if len(points) < fewestBefore+stepAfter {
		return Step{}, 0, false
	}
	values := make([]float64, len(points))
	for i, p := range points {
		values[i] = p.Value
	}
	split := len(values) - stepAfter
	p := differ(values[:split], values[split:])
	if p > stepLevel {
		return Step{}, 0, false
	}
	at = splitOf(values)
	s = Step{Night: points[at].Night, Found: points[len(points)-1].Night, Before: median(values[:at]), After: median(values[at:]), P: p}
	return s, at, math.Abs(s.After-s.Before) >= stepSize*math.Abs(s.Before) && s.Before != 0
}

// differ returns how likely noise tells two samples so far apart, in whatever direction. It
// asks the library for the two directions: its own two-sided test takes the distribution for
// symmetric, which it is not if values are equal. Of noise with few different values that
// found five times as many steps as the level allows.
func differ(a, b []float64) float64 {
	less, err := stats.MannWhitneyUTest(a, b, stats.LocationLess)
	if err != nil { // all values are equal
		return 1
	}
	more, err := stats.MannWhitneyUTest(b, a, stats.LocationLess)
	if err != nil {
		return 1
	}
	return min(1, 2*less.P, 2*more.P)
}

// splitOf returns where the values are best cut in two: where the squares of the distances
// to the two means are the least. At least two values are on each side.
func splitOf(values []float64) int {
	best, least := 0, math.Inf(1)
	for at := 2; at <= len(values)-2; at++ {
		if sum := squares(values[:at]) + squares(values[at:]); sum < least {
			best, least = at, sum
		}
	}
	return best
}

func squares(values []float64) float64 {
	mean, sum := stats.Mean(values), 0.0
	for _, v := range values {
		sum += (v - mean) * (v - mean)
	}
	return sum
}

func median(values []float64) float64 {
	return stats.Sample{Xs: slices.Clone(values)}.Quantile(0.5)
}
