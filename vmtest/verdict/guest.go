// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"timens-vmtest/internal/wire"
)

// guest is one of the guests of a lane that run side by side: a shard, or the only guest of a
// lane that is not split. Its boots come one after another.
type guest struct {
	shard int       // from 1; 0 if the lane is not split
	plan  wire.Plan // of this guest
	boots []BootEvidence
}

// guests returns the guests of a lane with a plan. Whatever there is of shards that were not
// planned, or that were planned wrongly, is a finding.
func (l LaneEvidence) guests(plan wire.Plan, f *findings) []guest {
	if !l.split() {
		return []guest{{0, plan, l.Boots}}
	}
	if err := plan.CheckShards(l.Lane); err != nil {
		f.add(Unjudged, "%v", err)
		return nil
	}
	if len(l.Boots) > 0 {
		f.add(Unjudged, "it is split over several guests, but its own folder has a boot, too")
	}
	planned := len(plan.Shards[l.Lane])
	var all []guest
	for n := 1; n <= planned; n++ {
		all = append(all, guest{n, plan.Shard(l.Lane, n), l.BootsOf(n)})
	}
	for _, s := range l.Shards {
		if s.N > planned {
			f.add(Unjudged, "there is a folder %s, but the plan has %d shards", wire.ShardDir(s.N), planned)
		}
	}
	return all
}

// at returns the name of a boot of the guest for a finding, such as "real, shard 2, boot 3".
func (g guest) at(lane string, boot int) string {
	if g.shard > 0 {
		lane = fmt.Sprintf("%s, shard %d", lane, g.shard)
	}
	if boot > 1 {
		lane = fmt.Sprintf("%s, boot %d", lane, boot)
	}
	return lane
}

// judge judges the boots of the guest, one after another. from is the test of the guest's plan
// with which another boot would begin, or -1 if no test is left. complete is false if a folder
// lacks what the judge needs to continue.
func (g guest) judge(lane string, allow []Allowance, r *LaneResult, f *findings) (b boots, from int, complete bool) {
	b = boots{shard: g.shard, plan: g.plan, allow: allow, tests: make(map[wire.TestID]TestResult), left: make(wire.Carried)}
	if len(g.boots) == 0 {
		f.lane = g.at(lane, 1)
		f.add(Unjudged, "it was never booted")
		return b, 0, false
	}
	for n, one := range g.boots {
		f.lane = g.at(lane, n+1)
		next, complete := b.judge(one, n+1, from, r, f)
		if !complete {
			return b, from, false
		}
		from = next
	}
	return b, from, true
}

// durations sets how many seconds the guests of a lane took together, and how many of them they
// waited. each has their results. They run side by side, but for those that need a quiet host.
func (r *LaneResult) durations(guests []guest, each []LaneResult) {
	var longest, alone LaneResult
	for i, g := range guests {
		switch {
		case g.plan.QuietIn(r.Lane):
			alone.DurationS += each[i].DurationS
			alone.WaitedS += each[i].WaitedS
		case each[i].DurationS > longest.DurationS:
			longest = each[i]
		}
	}
	r.DurationS, r.WaitedS = longest.DurationS+alone.DurationS, longest.WaitedS+alone.WaitedS
}

// judgeGuests judges the guests of a lane. It returns the tests that they started, and a
// function that checks the tests for later guests. A shard that lacks evidence takes nothing
// from the others: its tests are missing. ok is false if there is nothing to continue with.
func judgeGuests(e LaneEvidence, plan wire.Plan, allow []Allowance, r *LaneResult, f *findings) (tests map[wire.TestID]TestResult, carried func(), ok bool) {
	tests = make(map[wire.TestID]TestResult)
	var later []func()
	guests := e.guests(plan, f)
	each := make([]LaneResult, len(guests))
	for i, g := range guests {
		b, from, complete := g.judge(e.Lane, allow, &each[i], f)
		ok = complete || g.shard > 0
		maps.Copy(tests, b.tests)
		r.Splats = append(r.Splats, each[i].Splats...)
		if r.Accel == "" {
			r.Accel, r.BootS = each[i].Accel, each[i].BootS
		}
		if complete {
			later = append(later, func() { b.judgeCarried(from, f) })
		}
	}
	r.durations(guests, each)
	return tests, func() {
		for _, check := range later {
			check()
		}
	}, ok
}

// boots collects what the boots of one guest have shown so far.
type boots struct {
	shard int
	plan  wire.Plan
	allow []Allowance
	tests map[wire.TestID]TestResult // the tests that were started
	left  wire.Carried               // the files that they left for a later guest
}

// judge judges one boot, which must begin with test number from. next is the test with
// which another boot must begin, or -1 if no test is left. complete is false if the folder
// lacks what the judge needs to continue.
func (b boots) judge(e BootEvidence, n, from int, r *LaneResult, f *findings) (next int, complete bool) {
	switch {
	case e.Boot == nil || e.Plan == nil:
		f.add(Unjudged, "it was never booted")
		return 0, false
	case e.Exit == nil:
		f.add(Unjudged, "there is no %s: the run was cut off", wire.ExitFile)
		return 0, false
	case e.Boot.Shard != b.shard:
		f.add(Unjudged, "it is shard %d of its lane, not shard %d", e.Boot.Shard, b.shard)
		return 0, false
	case !slices.Equal(e.Plan.Tests, b.plan.Tests) && e.Plan.ID == b.plan.ID:
		f.add(Unjudged, "it has other tests than the plan %s", b.plan.ID)
		return 0, false
	case from < 0:
		f.add(Unjudged, "there is one boot more, but no test was left for it")
		return 0, false
	case e.Plan.ID != b.plan.ID || e.Boot.From != from:
		f.add(Unjudged, "it continues with test %d of plan %s, not with %d of %s", e.Boot.From, e.Plan.ID, from, b.plan.ID)
		return 0, false
	}
	if n == 1 {
		r.Accel, r.BootS = e.Boot.Accel, e.Exit.BootS
	}
	r.DurationS += e.Exit.DurationS
	r.WaitedS += e.Exit.WaitedS
	b.judgeGiven(*e.Boot, f)
	s := readStream(e.Records, b.plan, *e.Boot, f)
	here := place{b.shard, n}
	tolerated := judgeConsole(e, here, s, b.allow, r, f)
	judgeEnd(*e.Exit, here.console(), lastLine(e.QEMULog), s, f)
	judgeTaint(s, tolerated, f)
	judgeClock(s, e.Boot.Lane, f)
	maps.Copy(b.left, s.left)
	next = -1
	if later := b.plan.Later(); s.done && from < later {
		next = later
	}
	for i, t := range b.plan.Tests[from:] {
		if records := s.tests[t.TestID]; records != nil && records.started {
			result := judgeTest(t.Name, records, *e.Exit)
			if s.broken {
				result.Status, result.Note = Missing, "its records may be forged"
			}
			if s.running != nil && *s.running == t.TestID {
				result.Telling = append(stuckTasks(e.Console, e.Decoded, e.Exit.DumpAt), result.Telling...)
				next = from + i + 1
			}
			b.tests[t.TestID] = result
		}
	}
	return next, true
}

// place says which boot of a lane is meant.
type place struct{ shard, boot int }

// console returns the path of the boot's console log, relative to the folder of its lane.
func (p place) console() string {
	return filepath.Join(wire.ShardDir(p.shard), wire.BootDir(p.boot), wire.ConsoleFile)
}
