// SPDX-License-Identifier: BSD-3-Clause

package look

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// The size of a chart, in its own units.
const (
	lineWidth, lineHeight = 240, 48
	dotsWidth, dotsHeight = 640, 200
	margin                = 4
)

// Line is a small chart of one figure over some nights.
type Line struct {
	Title  string // what a reader sees above it
	Says   string // what a screen reader says of it: the same facts in words
	Values []float64
	Steps  []int // the values at which the figure made a step
}

// Points returns the points of the line.
func (l Line) Points() string {
	var all []string
	for i := range l.Values {
		x, y := l.at(i)
		all = append(all, fmt.Sprintf("%d,%d", x, y))
	}
	return strings.Join(all, " ")
}

// Place is a point of a chart.
type Place struct{ X, Y int }

// Last returns the place of the last value.
func (l Line) Last() Place {
	x, y := l.at(len(l.Values) - 1)
	return Place{x, y}
}

// At returns the places of the steps.
func (l Line) At() []Place {
	var all []Place
	for _, i := range l.Steps {
		x, y := l.at(i)
		all = append(all, Place{x, y})
	}
	return all
}

// at returns the place of a value. The axis goes from the least value to the greatest. It is at
// least a fifth of the greatest one long: noise of a percent is not to look like a mountain.
func (l Line) at(i int) (x, y int) {
	least, most := slices.Min(l.Values), slices.Max(l.Values)
	if room := math.Abs(most)/5 - (most - least); room > 0 {
		least, most = least-room/2, most+room/2
	}
	part := 0.5
	if most > least {
		part = (l.Values[i] - least) / (most - least)
	}
	x = margin + i*(lineWidth-2*margin)/max(1, len(l.Values)-1)
	return x, lineHeight - margin - int(math.Round(part*(lineHeight-2*margin)))
}

// Dots is a chart of values of which most are small: each has a dot, the greatest on the left,
// on an axis of which each step is ten times the one before.
type Dots struct {
	Says string // what a screen reader says of it
	all  []Dot
	low  int // powers of ten: the ends of the axis
	high int
}

// Dot is one value.
type Dot struct {
	Name  string
	Value float64 // in seconds
	Bad   bool
	Place
}

// NewDots returns a chart of these values, the greatest first. Values that are not above zero
// are drawn at the low end of the axis.
func NewDots(says string, all []Dot) Dots {
	d := Dots{Says: says, all: slices.Clone(all), low: -6, high: -5}
	slices.SortStableFunc(d.all, func(a, b Dot) int { return cmp.Compare(b.Value, a.Value) })
	if len(d.all) > 0 && d.all[0].Value > 0 {
		d.high = min(mostPower, max(d.high, int(math.Ceil(math.Log10(d.all[0].Value)-1e-9))))
	}
	for i := range d.all {
		part := float64(i) / float64(max(1, len(d.all)-1))
		d.all[i].Place = Place{axis + int(part*(dotsWidth-axis-margin)), d.y(d.all[i].Value)}
	}
	return d
}

const (
	axis      = 60 // room on the left for the labels
	mostPower = 6  // of ten: no test takes a million seconds, whatever a guest says
)

func (d Dots) y(value float64) int {
	power := float64(d.low)
	if value > 0 {
		power = min(float64(d.high), max(power, math.Log10(value)))
	}
	part := (power - float64(d.low)) / float64(d.high-d.low)
	return dotsHeight - 2*margin - int(math.Round(part*(dotsHeight-4*margin)))
}

// All returns the dots, the bad ones last so that no other dot covers them.
func (d Dots) All() []Dot {
	all := slices.Clone(d.all)
	slices.SortStableFunc(all, func(a, b Dot) int {
		switch {
		case a.Bad == b.Bad:
			return 0
		case a.Bad:
			return 1
		}
		return -1
	})
	return all
}

// Label is a line of the axis.
type Label struct {
	Text string
	Y    int
}

// Labels returns the lines of the axis.
func (d Dots) Labels() []Label {
	var all []Label
	for power := d.low; power <= d.high; power++ {
		v := math.Pow10(power)
		all = append(all, Label{strings.Replace(strings.Replace(Seconds(v), ".00", "", 1), ".0", "", 1), d.y(v)})
	}
	return all
}

// Text is what a pointer over the dot shows.
func (d Dot) Text() string { return d.Name + ": " + Seconds(d.Value) }
