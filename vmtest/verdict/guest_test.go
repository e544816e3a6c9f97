// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"timens-vmtest/internal/wire"
)

// passes returns the records of a test of package p that passes.
func passes(name string) []wire.Record {
	id := wire.TestID{Package: "p", Name: name}
	return []wire.Record{{Type: wire.TypeStart, TestID: &id}, {Type: wire.TypeOutput, TestID: &id, Data: []byte(passLine(id))}, {Type: wire.TypeEnd, TestID: &id, End: &wire.End{}}}
}

// leaves returns them for a test that leaves a file.
func leaves(name string) []wire.Record {
	r := passes(name)
	return slices.Insert(r, 2, wire.Record{Type: wire.TypeLeft, TestID: r[0].TestID, Path: "image", Data: []byte("x"), Key: "key"})
}

// diesIn returns the only record of a test in which the guest dies.
func diesIn(name string) []wire.Record { return passes(name)[:1] }

// bootOf returns the evidence of a boot of a plan. If its last test has ended, it is done.
func bootOf(plan wire.Plan, shard, from int, carried wire.Carried, records ...[]wire.Record) BootEvidence {
	hello := *greenScript()[0].Hello
	hello.From, hello.Shard, hello.Carried = from, shard, carried.Digest()
	s := append(script{{Type: wire.TypeHello, Hello: &hello}}, slices.Concat(records...)...)
	if s[len(s)-1].Type == wire.TypeEnd {
		count := len(records)
		s = append(s, wire.Record{Type: wire.TypeDone, Count: &count, Key: "key"})
	}
	b := greenRun().Lanes[0].Boots[0]
	b.Plan, b.Records = &plan, s.bytes()
	b.Boot.From, b.Boot.Shard, b.Boot.Carried = from, shard, hello.Carried
	return b
}

// planOfTests returns a plan of tests of package p, written "Name" or "Name<Before".
func planOfTests(names ...string) wire.Plan {
	plan := wire.Plan{Schema: wire.Schema, ID: "plan"}
	for _, name := range names {
		name, after, _ := strings.Cut(name, "<")
		plan.Tests = append(plan.Tests, wire.Test{TestID: wire.TestID{Package: "p", Name: name}, After: after})
	}
	return plan
}

// A guest that died is followed by one that begins behind the test, also if the one before died,
// too. Only the guest for the later tests gets the files.
func TestJudgeManyBoots(t *testing.T) {
	plan := planOfTests("TestA", "TestB", "TestC", "TestD", "TestE", "TestF<TestB")
	e := greenRun()
	e.Lanes[0].Boots = []BootEvidence{
		bootOf(plan, 0, 0, nil, diesIn("TestA")),
		bootOf(plan, 0, 1, nil, leaves("TestB"), diesIn("TestC")),
		bootOf(plan, 0, 3, nil, passes("TestD"), passes("TestE")),
		bootOf(plan, 0, 5, wire.Carried{"p/TestB/image": []byte("x")}, passes("TestF")),
	}
	r := Judge(e)
	var got []string
	for _, one := range r.Lanes[0].Tests {
		got = append(got, one.Status.String())
	}
	if want := []string{"crash", "pass", "crash", "pass", "pass", "pass"}; !slices.Equal(got, want) || r.Verdict != Failed || len(r.Findings) != 4 {
		t.Errorf("got %v %v %v, want %v, and two findings for each that died", r.Verdict, got, r.Findings, want)
	}
}

// Each later test that ran must have had files; one that did not run is not blamed for that.
func TestJudgeManyLater(t *testing.T) {
	plan := planOfTests("TestA", "TestB", "TestC<TestA", "TestD<TestB")
	e := greenRun()
	e.Lanes[0].Boots = []BootEvidence{
		bootOf(plan, 0, 0, nil, leaves("TestA"), passes("TestB")),
		bootOf(plan, 0, 2, wire.Carried{"p/TestA/image": []byte("x")}, passes("TestC"), passes("TestD")),
	}
	if r := Judge(e); r.Verdict != Failed || len(r.Findings) != 1 || r.Findings[0].Text != "p.TestD ran, but p.TestB had left nothing for it" {
		t.Errorf("got %v %v", r.Verdict, r.Findings)
	}
	e.Lanes[0].Boots = []BootEvidence{bootOf(plan, 0, 0, nil, passes("TestA"), passes("TestB"))}
	if r := Judge(e); r.Verdict != Unjudged || len(r.Findings) != 3 || r.Findings[0].Text != "no later guest was booted for p.TestC" || strings.Contains(fmt.Sprint(r.Findings), " ran, ") {
		t.Errorf("without a later guest: got %v %v", r.Verdict, r.Findings)
	}
}

// shardsOf returns a run of one lane with a plan for each shard, and their boots.
func shardsOf(plans []wire.Plan, boots ...[]BootEvidence) Evidence {
	whole := wire.Plan{Schema: wire.Schema, ID: "plan"}
	l := LaneEvidence{Lane: "real"}
	var shards wire.Shards
	for i, plan := range plans {
		var names []string
		for _, one := range plan.Tests {
			names = append(names, one.String())
			whole.Tests = append(whole.Tests, one)
		}
		shards = append(shards, names)
		l.Shards = append(l.Shards, ShardEvidence{i + 1, boots[i]})
	}
	slices.SortStableFunc(whole.Tests, func(a, b wire.Test) int { return strings.Compare(a.After, b.After) })
	whole.Shards = map[string]wire.Shards{"real": shards}
	l.Plan = &whole
	e := greenRun()
	e.Lanes = []LaneEvidence{l}
	for i := range l.Shards {
		for j := range l.Shards[i].Boots {
			if b := &l.Shards[i].Boots[j]; b.Plan != nil {
				part := whole.Shard("real", i+1)
				b.Plan = &part
			}
		}
	}
	return e
}

// The later tests of each shard are looked at. A guest that was cut off is not blamed for the one
// after it, and keeps what its earlier boots have shown.
func TestJudgeLaterOfShards(t *testing.T) {
	one, two := planOfTests("TestA", "TestC<TestA"), planOfTests("TestB", "TestD<TestB")
	given := wire.Carried{"p/TestA/image": []byte("x")}
	first := []BootEvidence{bootOf(one, 1, 0, nil, leaves("TestA")), bootOf(one, 1, 1, given, passes("TestC"))}
	second := []BootEvidence{bootOf(two, 2, 0, nil, passes("TestB")), bootOf(two, 2, 1, nil, passes("TestD"))}
	if r := Judge(shardsOf([]wire.Plan{one, two}, first, second)); r.Verdict != Failed || len(r.Findings) != 1 || r.Findings[0].Text != "p.TestD ran, but p.TestB had left nothing for it" {
		t.Errorf("got %v %v", r.Verdict, r.Findings)
	}
	cut := first[1]
	cut.Exit = nil
	r := Judge(shardsOf([]wire.Plan{one}, []BootEvidence{first[0], cut}))
	if r.Verdict != Unjudged || len(r.Findings) != 2 || r.Findings[0].Text != "there is no exit.json: the run was cut off" || len(r.Lanes[0].Tests) != 2 || r.Lanes[0].Tests[0].Status != Pass {
		t.Errorf("cut off: got %v %v, tests %+v", r.Verdict, r.Findings, r.Lanes[0].Tests)
	}
}

// Guests run side by side: the longest counts, and those that need a quiet host come on top. What
// the first guest says of its boot is the lane's.
func TestDuration(t *testing.T) {
	quiet := planOfTests("TestQ")
	quiet.Tests[0].Quiet = "real"
	busy := planOfTests("TestA")
	for name, tc := range map[string]struct {
		guests []guest
		took   []float64
		want   float64
	}{
		"not split":            {[]guest{{0, busy, nil}}, []float64{0.5}, 0.5},
		"not split, and quiet": {[]guest{{0, quiet, nil}}, []float64{0.5}, 0.5},
		"side by side":         {[]guest{{1, busy, nil}, {2, busy, nil}, {3, busy, nil}}, []float64{2, 7, 3}, 7},
		"the first is quiet":   {[]guest{{1, quiet, nil}, {2, busy, nil}}, []float64{2, 7}, 9},
		"all are quiet":        {[]guest{{1, quiet, nil}, {2, quiet, nil}}, []float64{0.25, 0.5}, 0.75},
		"none":                 {nil, nil, 0},
	} {
		var each []LaneResult
		for _, s := range tc.took {
			each = append(each, LaneResult{DurationS: s, WaitedS: s / 4})
		}
		r := LaneResult{Lane: "real"}
		if r.durations(tc.guests, each); r.DurationS != tc.want || r.WaitedS != tc.want/4 {
			t.Errorf("%s: %v s, of which it waited %v s; want %v, and a quarter of it", name, r.DurationS, r.WaitedS, tc.want)
		}
	}
	e := splitRun()
	e.Lanes[0].Shards[1].Boots[0].Exit.BootS = 9
	if got := Judge(e).Lanes[0].BootS; got != 1 {
		t.Errorf("the lane took %v s to boot, want the 1 s of its first guest", got)
	}
}

// The only shard of a lane that was cut off leaves its tests missing, and not away.
func TestJudgeOnlyShardCutOff(t *testing.T) {
	plan := planOfTests("TestA", "TestB")
	b := bootOf(plan, 1, 0, nil, passes("TestA"), passes("TestB"))
	b.Exit = nil
	if r := Judge(shardsOf([]wire.Plan{plan}, []BootEvidence{b})); r.Verdict != Unjudged || len(r.Lanes[0].Tests) != 2 || r.Lanes[0].Tests[1].Status != Missing {
		t.Errorf("got %v %v, tests %+v", r.Verdict, r.Findings, r.Lanes[0].Tests)
	}
}

// The dump of a guest that hung tells of the test that was running, and of no other.
func TestJudgeStuckTest(t *testing.T) {
	e, s := greenRun(), greenScript()
	b := &e.Lanes[0].Boots[0]
	b.Records = s[:6].bytes()
	b.Console = []byte(greenConsole + "task:cat             state:D stack:0 pid:1\n f+0x1/0x2\n </TASK>\n")
	b.Exit.Reason, b.Exit.DumpAt = wire.TestTimeout, int64(len(greenConsole))
	tests := Judge(e).Lanes[0].Tests
	if got := tests[1].Telling; tests[0].Telling != nil || len(got) == 0 || got[0] != "the task cat cannot be woken in f" {
		t.Errorf("got %q and %q", tests[0].Telling, got)
	}
}

func TestPlace(t *testing.T) {
	for want, p := range map[string]place{"console.log": {0, 1}, "boot2/console.log": {0, 2}, "shard2/console.log": {2, 1}, "shard2/boot3/console.log": {2, 3}} {
		if got := p.console(); got != want {
			t.Errorf("%+v: got %s, want %s", p, got, want)
		}
	}
}
