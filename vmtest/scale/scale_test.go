// SPDX-License-Identifier: BSD-3-Clause

package scale

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// near says that two times are equal but for rounding.
func near(a, b float64) bool { return math.Abs(a-b) < 1e-3 }

// Transfers share the link: each gets its part while others are under way, and all of it when it
// is alone.
func TestLinkIsShared(t *testing.T) {
	c := &clock{}
	l := &link{clock: c, rate: 10}
	ends := make(map[string]float64)
	send := func(name string, mb float64) { l.send(mb, func() { ends[name] = c.now }) }
	send("ten", 10)
	send("twenty", 20)
	c.after(5, func() { send("late", 10) })
	c.run()
	// Until 2 s both get 5 MB/s; then twenty has 10 MB left, which take 1 s.
	for name, want := range map[string]float64{"ten": 2, "twenty": 3, "late": 6} {
		if !near(ends[name], want) {
			t.Errorf("%s arrived at %v s, want %v s", name, ends[name], want)
		}
	}
	if !near(l.busy, 4) || l.carried != 40 {
		t.Errorf("the link was busy for %v s and carried %v MB, want 4 s and 40 MB", l.busy, l.carried)
	}
}

// A lock goes to those who wait in their order.
func TestLockIsFair(t *testing.T) {
	c := &clock{}
	var l lock
	var order []int
	for i := range 3 {
		l.take(func() {
			order = append(order, i)
			c.after(1, l.give)
		})
	}
	c.run()
	if !slices.Equal(order, []int{0, 1, 2}) || c.now != 3 || l.held {
		t.Errorf("the order is %v until %v s, held %v", order, c.now, l.held)
	}
}

// one is a night of one kernel in both lanes.
var one = night{Series: 1, Bases: 1, Configs: 1, Patches: 1}

// lanesOf are the costs of a night whose tests take these seconds.
func lanesOf(virtual, real float64) map[string][]float64 {
	return map[string][]float64{"virtual": {virtual}, "real": {real}}
}

// What a night takes can be computed by hand.
func TestSimulate(t *testing.T) {
	build := Costs{Tests: lanesOf(20, 10), Whole: []float64{100}, Part: []float64{5}, Include: 2, StoreMB: 50, FetchMB: 100, PackageMB: 30, ResultMB: 10}
	warm := build
	warm.PackageMB, warm.ResultMB = 0, 0
	for name, tc := range map[string]struct {
		costs   Costs
		night   night
		fleet   fleet
		seconds float64
		builds  int
		fetched int
		waiting float64
	}{
		// Three series, and so six cells of 10 s without a build, on four workers.
		"two rounds": {Costs{Tests: lanesOf(10, 10)}, night{Series: 3, Bases: 1, Configs: 1, Patches: 1}, fleet{Machines: 1, Workers: 4}, 20, 3, 0, 0},
		// Two workers, jobs of 20, 10 and so on: 20+10 beside 10+20.
		"two workers": {Costs{Tests: lanesOf(20, 10)}, night{Series: 2, Bases: 1, Configs: 1, Patches: 1}, fleet{Machines: 1, Workers: 2}, 30, 2, 0, 0},
		// One machine builds once: the cell that does not build waits for 100 s.
		"one machine": {warm, one, fleet{Machines: 1, Workers: 2}, 120, 1, 0, 100},
		// Two machines build the same kernel at once.
		"two machines": {warm, one, fleet{Machines: 2, Workers: 1}, 120, 2, 0, 0},
		// The second machine waits for the first one: 100 s, and 5 s until the kernel is in the store. It
		// fetches it in 10 s, and its tests take 10 s. The first one tests for 20 s from 105 s on.
		"a lock between machines": {warm, one, fleet{Machines: 2, Workers: 1, Rate: 10, Store: true, Wait: true}, 125, 1, 1, 105},
		// Without that lock both build, both put it into the store at once, at half the rate, and nobody
		// fetches.
		"no lock between machines": {warm, one, fleet{Machines: 2, Workers: 1, Rate: 10, Store: true}, 130, 2, 0, 0},
		// Four machines fetch sources of 30 MB over 10 MB/s: 12 s, and not 3 s. All results arrive at once:
		// 4 s more. Each machine runs one lane: two lanes of two kernels.
		"a link that is full": {build, night{Series: 2, Bases: 1, Configs: 1, Patches: 1, Order: together}, fleet{Machines: 4, Workers: 1, Rate: 10}, 12 + 100 + 20 + 2, 4, 0, 0},
		// A series of four patches on one worker: a header, one file, a header, one file.
		"a chain": {warm, night{Series: 1, Bases: 1, Configs: 1, Patches: 4, Order: chained}, fleet{Machines: 2, Workers: 2}, 100 + 5 + 100 + 5 + 4*30, 4, 0, 0},
		// The controller starts one cell in 3 s: the last of four begins at 12 s.
		"a slow controller": {Costs{Tests: lanesOf(10, 10)}, night{Series: 2, Bases: 1, Configs: 1, Patches: 1}, fleet{Machines: 1, Workers: 4, Dispatch: 3}, 22, 2, 0, 0},
		// A and B build the kernels 1 and 2, put both into the store until 102 s, and test until 122 s. A
		// builds the kernel 3 until 222 s, and tests it until 243 s. B fetches the kernel 1 in 2 s, has the
		// kernel 2, and comes to the kernel 3 at 144 s, which is in the store at 223 s: it builds it again.
		"the store": {warm, night{Series: 3, Bases: 1, Configs: 1, Patches: 1, Order: apart}, fleet{Machines: 2, Workers: 1, Rate: 50, Store: true}, 144 + 100 + 10, 4, 1, 0},
		// Or it waits for 79 s.
		"the store and a lock": {warm, night{Series: 3, Bases: 1, Configs: 1, Patches: 1, Order: apart}, fleet{Machines: 2, Workers: 1, Rate: 50, Store: true, Wait: true}, 243, 3, 2, 79},
	} {
		r := simulate(tc.costs, tc.night, tc.fleet)
		if !near(r.Seconds, tc.seconds) || r.Builds != tc.builds || r.Fetched != tc.fetched || !near(r.Spent[waiting], tc.waiting) {
			t.Errorf("%s: %v s, %d builds, %d fetched, %v s of waiting; want %v s, %d, %d, %v s", name, r.Seconds, r.Builds, r.Fetched, r.Spent[waiting], tc.seconds, tc.builds, tc.fetched, tc.waiting)
		}
	}
}

// In one folder a build waits for the one before it, and compiles what lies between the two.
func TestFolderOfSeries(t *testing.T) {
	s := &simulation{costs: Costs{Include: 2}}
	for _, tc := range []struct {
		from, to int
		want     bool
	}{{0, 1, true}, {0, 2, true}, {1, 2, false}, {2, 3, true}, {2, 4, true}, {3, 2, true}, {4, 3, false}, {3, 3, false}} {
		if got := s.touchesInclude(tc.from, tc.to); got != tc.want {
			t.Errorf("from %d to %d: everything is compiled again: %v, want %v", tc.from, tc.to, got, tc.want)
		}
	}
	c := Costs{Tests: lanesOf(1, 1), Whole: []float64{100}, Part: []float64{5}, Include: 2}
	// Two patches of one series on four workers: the second kernel waits for 100 s, takes 5 s.
	r := simulate(c, night{Series: 1, Bases: 1, Configs: 1, Patches: 2}, fleet{Machines: 1, Workers: 4})
	if !near(r.Seconds, 106) || !near(r.Spent[building], 105) || !near(r.Spent[waiting], 100+100+105) {
		t.Errorf("%v s, %v s of building, %v s of waiting", r.Seconds, r.Spent[building], r.Spent[waiting])
	}
}

// Whatever the night and the fleet: all time of all workers is accounted for, every kernel is there,
// no night is shorter than its work allows, and the same night is simulated alike.
func TestAccounts(t *testing.T) {
	costs, err := Recorded()
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []night{{2, 1, 1, 3, together}, {3, 2, 2, 4, apart}, {3, 2, 2, 4, chained}, {3, 2, 2, 4, spread}, {1, 1, 1, 1, apart}} {
		for _, f := range []fleet{{1, 1, 110, false, false, 0.05}, {3, 5, 110, true, false, 0.05}, {3, 5, 1, true, true, 5}, {100, 5, 0, true, true, 0}} {
			name := fmt.Sprintf("%+v on %+v", n, f)
			r := simulate(costs, n, f)
			if again := simulate(costs, n, f); !reflect.DeepEqual(r, again) {
				t.Errorf("%s: twice the same night is %+v and %+v", name, r, again)
			}
			sum := r.Idle
			for stage, spent := range r.Spent {
				if spent < 0 {
					t.Errorf("%s: %v s of stage %d", name, spent, stage)
				}
				sum += spent
			}
			workers := float64(f.Machines * f.Workers)
			if r.Idle < -1e-6 || math.Abs(sum-r.Seconds*workers) > 1e-3 {
				t.Errorf("%s: %v s of %v s are accounted for, %v s are idle", name, sum, r.Seconds*workers, r.Idle)
			}
			if r.Kernels != n.Series*n.Bases*n.Configs*n.Patches || r.Builds < r.Kernels || !f.Store && r.Fetched > 0 || f.Wait && f.Store && r.Builds != r.Kernels {
				t.Errorf("%s: %d kernels, %d builds, %d fetched", name, r.Kernels, r.Builds, r.Fetched)
			}
			tested := 0.0
			for i, task := 0, n.tasks(); i < len(task); i++ {
				for _, c := range task[i] {
					tested += in(costs.Tests[c.lane], c.number)
				}
			}
			if !near(r.Spent[tests], tested) || r.Seconds < tested/workers || f.Rate > 0 && r.LinkBusy < r.CarriedMB/f.Rate-1e-3 {
				t.Errorf("%s: %v s of tests, want %v s; %v s in all, and the link was busy for %v s with %v MB", name, r.Spent[tests], tested, r.Seconds, r.LinkBusy, r.CarriedMB)
			}
		}
	}
}

// Every cell of a night is handed out once, in each order.
func TestTasks(t *testing.T) {
	for o, first := range map[order]string{together: "virtual 1, real 1", apart: "virtual 1, virtual 2", spread: "virtual 1, virtual 1", chained: "virtual 1, real 1"} {
		n := night{Series: 2, Bases: 3, Configs: 2, Patches: 4, Order: o}
		seen := make(map[cell]bool)
		var names []string
		tasks := n.tasks()
		for _, task := range tasks {
			for _, c := range task {
				names = append(names, fmt.Sprint(c.lane, " ", c.kernel.patch))
				c.number = 0
				seen[c] = true
			}
		}
		if len(names) != 96 || len(seen) != 96 || strings.Join(names[:2], ", ") != first {
			t.Errorf("order %v: %d cells, %d of them different, %v", o, len(names), len(seen), names[:2])
		}
		if want := map[order]int{together: 96, apart: 96, spread: 96, chained: 12}[o]; len(tasks) != want {
			t.Errorf("order %v: %d tasks, want %d", o, len(tasks), want)
		}
	}
}

// The recorded costs are whole: a stage without a duration would take no time.
func TestRecorded(t *testing.T) {
	c, err := Recorded()
	if err != nil {
		t.Fatal(err)
	}
	all := [][]float64{c.Start, c.Guest, c.Source, c.Whole, c.Part, c.List, c.Judging, {c.PackageMB, c.StoreMB, c.FetchMB, c.ResultMB, float64(c.Include)}}
	for _, lane := range lanes {
		all = append(all, c.Tests[lane])
	}
	for i, some := range all {
		if len(some) == 0 || slices.Min(some) <= 0 {
			t.Errorf("the durations of stage %d are %v", i, some)
		}
	}
	if c.Machine == "" || len(c.Tests) != len(lanes) {
		t.Errorf("recorded on %q, the lanes are %v", c.Machine, c.Tests)
	}
}
