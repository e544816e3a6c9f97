// SPDX-License-Identifier: BSD-3-Clause

package history

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// noises are distributions of which no figure may seem to make a step.
var noises = map[string]func(*rand.Rand) float64{
	"normal, 3 %":   func(r *rand.Rand) float64 { return 1 + 0.03*r.NormFloat64() },
	"uniform, 30 %": func(r *rand.Rand) float64 { return 1 + 0.3*r.Float64() },
	"heavy tails":   func(r *rand.Rand) float64 { return 1 + 0.05*math.Exp(2*r.NormFloat64()) },
	"two modes": func(r *rand.Rand) float64 {
		if r.IntN(3) == 0 {
			return 1.4 + 0.01*r.Float64()
		}
		return 1 + 0.01*r.Float64()
	},
	"steps of a clock": func(r *rand.Rand) float64 { return 1 + 0.1*float64(r.IntN(4)) },
}

func noisy(r *rand.Rand, n int, noise func(*rand.Rand) float64) []Point {
	all := make([]Point, n)
	for i := range all {
		all[i] = Point{nightName(i), noise(r)}
	}
	return all
}

// Of noise alone, at most one night in 10,000 says that there is a step. The bound of this
// test is what so many nights exceed with a probability below one in a million.
func TestFalseAlarms(t *testing.T) {
	const nights = 10_000
	for name, noise := range noises {
		r := rand.New(rand.NewPCG(1, 2))
		alarms := len(stepsOf(noisy(r, nights, noise)))
		if expected := nights * stepLevel; float64(alarms) > expected+5*math.Sqrt(expected) {
			t.Errorf("%s: %d alarms in %d nights, expected at most %.0f", name, alarms, nights, expected)
		} else {
			t.Logf("%s: %d alarms in %d nights", name, alarms, nights)
		}
	}
}

// Values that are equal make the distribution of the test lopsided. Here 5 of the 10 greatest
// of 25 values are in one sample, which happens in 252 of 53130 cases, and as often on the
// other side.
func TestDifferWithTies(t *testing.T) {
	low, high := slices.Repeat([]float64{1, 2, 3}, 5), slices.Repeat([]float64{9}, 5)
	want := 2 * 252.0 / 53130
	if p := differ(append(low, high...), high); math.Abs(p-want) > 1e-9 {
		t.Errorf("up: got %g, want %g", p, want)
	}
	for i := range low {
		low[i] *= -1
	}
	high = slices.Repeat([]float64{-9}, 5)
	if p := differ(append(low, high...), high); math.Abs(p-want) > 1e-9 {
		t.Errorf("down: got %g, want %g", p, want)
	}
	if p := differ(low[:0:0], nil); p != 1 {
		t.Errorf("of nothing: got %g", p)
	}
}

// A step of ten percent in noise of two is found within six nights, nearly always, and its
// night is right or off by one.
func TestStepIsFound(t *testing.T) {
	const tries, at = 300, 25
	found, exact := 0, 0
	for seed := range uint64(tries) {
		r := rand.New(rand.NewPCG(seed, 3))
		points := noisy(r, at+6, func(r *rand.Rand) float64 { return 10 * (1 + 0.02*r.NormFloat64()) })
		for i := at; i < len(points); i++ {
			points[i].Value *= 1.1
		}
		for _, s := range stepsOf(points) {
			switch s.Night {
			case nightName(at):
				exact++
				fallthrough
			case nightName(at - 1), nightName(at + 1):
				found++
			}
		}
	}
	t.Logf("found %d of %d, the night exact in %d", found, tries, exact)
	if found < tries*95/100 || exact < tries*85/100 {
		t.Errorf("found %d of %d, and the exact night of %d", found, tries, exact)
	}
}

func TestSteps(t *testing.T) {
	level := func(values ...float64) (all []Point) {
		for _, v := range values {
			for range 20 {
				all = append(all, Point{nightName(len(all)), v + 0.0001*float64(len(all)%3)})
			}
		}
		return all
	}
	for name, tc := range map[string]struct {
		points []Point
		want   string
	}{
		"no nights":           {nil, ""},
		"always the same":     {level(1, 1, 1), ""},
		"a step up and down":  {level(1, 1.1, 1), "+10 % in 20 found 24, -9 % in 40 found 44, "},
		"too small":           {level(1, 1.04), ""},
		"down to nothing":     {level(1, 0), "-100 % in 20 found 24, "},
		"up from nothing":     {slices.Repeat([]Point{{nightName(0), 0}}, 30), ""},
		"one bad night":       {slices.Replace(level(1, 1), 10, 11, Point{"x", 9}), ""},
		"four bad nights":     {slices.Replace(level(1, 1), 20, 24, Point{"", 9}, Point{"", 9}, Point{"", 9}, Point{"", 9}), ""},
		"too early to be one": {append(level(1)[:15], level(2)[:5]...), ""},
	} {
		index := make(map[string]int)
		for i := range 60 {
			index[nightName(i)] = i
		}
		got := ""
		for _, s := range stepsOf(tc.points) {
			got += fmt.Sprintf("%+.0f %% in %d found %d, ", s.Percent(), index[s.Night], index[s.Found])
		}
		if got != tc.want {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}

// Steps are those of cells, and only nights in which the tests ran have figures.
func TestStepsOfCells(t *testing.T) {
	var h History
	for i := range 30 {
		c := Cell{Name: "c", Stage: StageTests, Figures: map[string]float64{VmlinuxBytes: 1000}}
		if i >= 22 {
			c.Figures[VmlinuxBytes] = 1200
		}
		if i == 10 {
			c.Stage, c.Figures[VmlinuxBytes] = StageBoot, 5000
		}
		h.add(Line{Night: nightName(i), Cell: &c})
	}
	for night, want := range map[int]string{25: "[]", 26: "[{c vmlinux_bytes 2026-01-23 2026-01-27 1000 1200}]", 29: "[{c vmlinux_bytes 2026-01-23 2026-01-27 1000 1200}]"} {
		type plain struct {
			Cell, Figure, Night, Found string
			Before, After              float64
		}
		var got []plain
		for _, s := range h.Steps(nightName(night)) {
			got = append(got, plain{s.Cell, s.Figure, s.Night, s.Found, s.Before, s.After})
			if s.News(nightName(night)) != (night == 26) {
				t.Errorf("night %d: news is %v", night, s.News(nightName(night)))
			}
		}
		if fmt.Sprint(got) != want {
			t.Errorf("night %d: got %v, want %s", night, got, want)
		}
	}
}
