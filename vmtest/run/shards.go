// SPDX-License-Identifier: BSD-3-Clause

package run

import (
	"cmp"
	"slices"

	"timens-vmtest/internal/wire"
)

// AutoShards is the value of Request.Shards for as many guests as the machine has room for.
const AutoShards = -1

// How long it takes to start any test, and to boot a later guest, in seconds.
const (
	startS = 0.05
	bootS  = 1.5
)

// shard splits the plan of each lane over several guests, if the request wants that.
func (r *runner) shard(p *prepared, lanes []string) error {
	most := r.Shards
	if most == AutoShards {
		n, why, err := r.Guest.Beside(r.UsableCores(), lanes)
		if err != nil {
			return err
		}
		most = n
		r.Report.Step("at most %d guests of each lane side by side: there are %s", n, why)
	}
	p.crowded = r.Guest.Crowded(most, r.UsableCores(), lanes)
	all := make(map[string]wire.Shards)
	for _, lane := range lanes {
		seconds, err := r.seconds(lane)
		if err != nil {
			r.Report.Step("how long the tests took cannot be read: %v", err)
		}
		if s := split(p.archive.Plan.In(lane), lane, most, p.crowded, seconds); s != nil {
			all[lane] = s
		}
	}
	if len(all) == 0 {
		return nil
	}
	archive, err := p.archive.InShards(all)
	if err != nil {
		return err
	}
	p.archive = archive
	return nil
}

// group is some tests that one guest has to run.
type group struct {
	tests   []wire.Test
	seconds float64 // all of them together
	quiet   bool    // no other guest of the lane may take CPUs from it
}

// split splits the plan of a lane over at most so many guests that run side by side, and if they
// crowd the machine, one more for the tests that no other guest may run beside. It returns nil if
// one guest is enough. seconds is how long tests take, by package.Name. The longest group goes
// first, to the guest that has the least to do. Equal arguments give equal shards.
func split(plan wire.Plan, lane string, most int, crowded bool, seconds map[string]float64) wire.Shards {
	groups := groupsOf(plan, lane, crowded, seconds)
	var quiet []wire.Test
	for _, g := range groups {
		if g.quiet {
			quiet = append(quiet, g.tests...)
		}
	}
	groups = slices.DeleteFunc(groups, func(g group) bool { return g.quiet })
	n := min(most, len(groups))
	if n < 2 {
		return nil // nothing runs beside the quiet tests then
	}
	slices.SortStableFunc(groups, func(a, b group) int { return cmp.Compare(b.seconds, a.seconds) })
	all, load := make([][]wire.Test, n), make([]float64, n)
	for _, g := range groups {
		least := 0
		for i := range load {
			if load[i] < load[least] {
				least = i
			}
		}
		all[least] = append(all[least], g.tests...)
		load[least] += g.seconds
	}
	if quiet != nil {
		all = append(all, quiet)
	}
	var shards wire.Shards
	for _, tests := range all {
		shards = append(shards, inOrderOf(plan, tests))
	}
	return shards
}

// inOrderOf returns the names of some tests, in the order of the plan.
func inOrderOf(plan wire.Plan, tests []wire.Test) []string {
	var names []string
	for _, t := range plan.Tests {
		if slices.Contains(tests, t) {
			names = append(names, t.String())
		}
	}
	return names
}

// groupsOf returns the tests of a plan in groups that cannot be split. Most tests are a group of
// their own. All tests for a later guest, with those that leave files for them, are one: so one
// shard alone boots a later guest.
func groupsOf(plan wire.Plan, lane string, crowded bool, seconds map[string]float64) []group {
	usual := median(plan, seconds)
	needed := make(map[wire.TestID]bool)
	for _, t := range plan.Tests {
		if t.After != "" {
			needed[t.Before()] = true
		}
	}
	var all []group
	together := -1 // index of the group with the tests for a later guest
	for _, t := range plan.Tests {
		s, known := seconds[t.String()]
		if !known {
			s = usual
		}
		one := group{[]wire.Test{t}, s + startS, crowded && t.Quiet == lane}
		switch {
		case t.After == "" && !needed[t.TestID]:
			all = append(all, one)
		case together < 0:
			together = len(all)
			one.seconds += bootS
			all = append(all, one)
		default:
			g := &all[together]
			g.tests, g.seconds, g.quiet = append(g.tests, t), g.seconds+one.seconds, g.quiet || one.quiet
		}
	}
	return all
}

// median returns the median of the known times of a plan's tests in seconds, or a second if none
// is known.
func median(plan wire.Plan, seconds map[string]float64) float64 {
	var all []float64
	for _, t := range plan.Tests {
		if s, ok := seconds[t.String()]; ok {
			all = append(all, s)
		}
	}
	if len(all) == 0 {
		return 1
	}
	slices.Sort(all)
	return all[len(all)/2]
}
