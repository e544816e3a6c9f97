// SPDX-License-Identifier: BSD-3-Clause

package run

import (
	"fmt"
	"reflect"
	"testing"

	"timens-vmtest/internal/wire"
	"timens-vmtest/vmtest/vm"
)

// plannedAs returns a plan of tests p.TestX that take so many seconds. "<" before a name makes the
// test one for a later guest, behind the first test, and "=" makes it quiet.
func plannedAs(tests ...string) (wire.Plan, map[string]float64) {
	var p wire.Plan
	seconds := make(map[string]float64)
	for _, text := range tests {
		var name string
		var s float64
		_, _ = fmt.Sscan(text, &name, &s)
		var one wire.Test
		switch name[0] {
		case '<':
			name, one.After = name[1:], "TestA"
		case '=':
			name, one.Quiet = name[1:], wire.Real
		}
		one.TestID = wire.TestID{Package: "p", Name: "Test" + name}
		p.Tests = append(p.Tests, one)
		if s > 0 {
			seconds[one.String()] = s
		}
	}
	return p, seconds
}

func TestSplit(t *testing.T) {
	type shards = [][]string
	for name, tc := range map[string]struct {
		most  int
		tests []string
		want  shards
	}{
		"one guest":                        {1, []string{"A 1", "B 1"}, nil},
		"nothing is known":                 {2, []string{"A 0", "B 0", "C 0", "D 0"}, shards{{"A", "C"}, {"B", "D"}}},
		"the longest first":                {2, []string{"A 1", "B 2", "C 3", "D 7"}, shards{{"D"}, {"A", "B", "C"}}},
		"the order of the plan":            {2, []string{"A 1", "B 5", "C 2", "D 4"}, shards{{"A", "B"}, {"C", "D"}}},
		"one that is new takes the median": {2, []string{"A 9", "B 0", "C 1", "D 1", "E 1"}, shards{{"A"}, {"B", "C", "D", "E"}}},
		"fewer tests than guests":          {8, []string{"A 1", "B 1"}, shards{{"A"}, {"B"}}},
		"a single test":                    {8, []string{"A 1"}, nil},
		"later guests in one shard":        {3, []string{"A 1", "B 1", "C 1", "<D 1", "<E 1"}, shards{{"A", "D", "E"}, {"B"}, {"C"}}},
		"the boot of a later guest":        {2, []string{"A 1", "B 1", "C 1", "E 1", "<D 1"}, shards{{"A", "D"}, {"B", "C", "E"}}},
		"quiet ones come last":             {2, []string{"A 1", "=B 9", "C 1", "D 1"}, shards{{"A", "D"}, {"C"}, {"B"}}},
		"nothing beside the quiet one":     {2, []string{"A 1", "=B 9"}, nil},
		"a later guest of a quiet one":     {2, []string{"=A 1", "B 1", "C 1", "<D 1"}, shards{{"B"}, {"C"}, {"A", "D"}}},
	} {
		plan, seconds := plannedAs(tc.tests...)
		var want wire.Shards
		for _, s := range tc.want {
			var names []string
			for _, n := range s {
				names = append(names, "p.Test"+n)
			}
			want = append(want, names)
		}
		got := split(plan, wire.Real, tc.most, true, seconds)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
		if again := split(plan, wire.Real, tc.most, true, seconds); !reflect.DeepEqual(again, got) {
			t.Errorf("%s: got %v, and %v the second time", name, got, again)
		}
		plan.Shards = map[string]wire.Shards{wire.Real: got}
		if err := plan.CheckShards(wire.Real); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	plan, seconds := plannedAs("A 1", "=B 9", "C 1", "D 1")
	if got := split(plan, wire.Virtual, 2, true, seconds); len(got) != 2 {
		t.Errorf("in the lane virtual, which nothing disturbs: got %v", got)
	}
	want := wire.Shards{{"p.TestB"}, {"p.TestA", "p.TestC", "p.TestD"}}
	if got := split(plan, wire.Real, 2, false, seconds); !reflect.DeepEqual(got, want) {
		t.Errorf("a CPU for each CPU of a guest: got %v, want %v", got, want)
	}
}

// Quiet tests wait for the other guests of their lane only if the guests take CPUs from each other.
func TestQuietShards(t *testing.T) {
	for crowded, want := range map[bool]string{true: "[1 3] [2]", false: "[1 2 3] []"} {
		plan, _ := plannedAs("A 1", "=B 1", "C 1")
		plan.Shards = map[string]wire.Shards{wire.Real: {{"p.TestA"}, {"p.TestB"}, {"p.TestC"}}}
		beside, quiet := lane{guest: vm.Guest{Lane: wire.Real}, plan: plan, prepared: prepared{crowded: crowded}}.shards()
		numbers := func(lanes []*lane) []int {
			all := make([]int, len(lanes))
			for i, l := range lanes {
				all[i] = l.guest.Shard
			}
			return all
		}
		if got := fmt.Sprint(numbers(beside), numbers(quiet)); got != want {
			t.Errorf("crowded %v: got %s, want %s", crowded, got, want)
		}
	}
}
