// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"timens-vmtest/internal/wire"
)

// shardScript returns the records of the shard that runs one of the two tests of the green run.
func shardScript(n int) script {
	green, count := greenScript(), 1
	green[0].Hello.Shard = n
	return append(append(green[:1:1], green[4*n-3:4*n+1]...), wire.Record{Type: wire.TypeDone, Count: &count, Key: "key"})
}

// splitRun returns evidence of a pass of two shards: TestA runs in the first and TestB in the
// second.
func splitRun() Evidence {
	e := greenRun()
	green := e.Lanes[0].Boots[0]
	plan := *green.Plan
	plan.Shards = map[string]wire.Shards{"real": {{"p.TestA"}, {"p.TestB"}}}
	l := LaneEvidence{Lane: "real", Plan: &plan}
	for n := 1; n <= 2; n++ {
		part, boot, exit := plan.Shard("real", n), *green.Boot, *green.Exit
		boot.Shard, exit.DurationS = n, float64(2+n)
		b := BootEvidence{Plan: &part, Boot: &boot, Exit: &exit, Console: []byte(greenConsole), Records: shardScript(n).bytes()}
		l.Shards = append(l.Shards, ShardEvidence{n, []BootEvidence{b}})
	}
	e.Lanes = []LaneEvidence{l}
	return e
}

func TestJudgeShards(t *testing.T) {
	r := Judge(splitRun())
	l := r.Lanes[0]
	if r.Verdict != Passed || len(r.Findings) != 0 || r.Counts()[Pass] != 2 {
		t.Fatalf("got %v %v, want a pass of two tests without findings", r.Verdict, r.Findings)
	}
	if l.Shards != 2 || l.Boots != 2 || l.DurationS != 4 || l.Accel != "tcg" || l.Tests[0].Shard != 1 || l.Tests[1].Shard != 2 {
		t.Errorf("got %+v, want TestA in the first shard and TestB in the second, which took 4 s", l)
	}
}

// The guest that runs when the others have ended adds its time to theirs.
func TestJudgeQuietShard(t *testing.T) {
	e := splitRun()
	e.Lanes[0].Plan.Tests[1].Quiet = "real"
	e.Lanes[0].Shards[1].Boots[0].Plan.Tests[0].Quiet = "real"
	if r := Judge(e); r.Verdict != Passed || r.Lanes[0].DurationS != 3+4 {
		t.Errorf("got %v %v in %v s, want a pass in 7 s", r.Verdict, r.Findings, r.Lanes[0].DurationS)
	}
}

// Each case is one way in which shards are not one lane of one run. None is green.
func TestJudgeBadShards(t *testing.T) {
	records := func(n int, change func(s script) script) func(*LaneEvidence) {
		return func(l *LaneEvidence) { l.Shards[n-1].Boots[0].Records = change(shardScript(n)).bytes() }
	}
	second := func(change func(b *BootEvidence)) func(*LaneEvidence) {
		return func(l *LaneEvidence) { change(&l.Shards[1].Boots[0]) }
	}
	hello := func(change func(h *wire.Hello)) func(*LaneEvidence) {
		return records(2, func(s script) script { change(s[0].Hello); return s })
	}
	both := func(first, then func(*LaneEvidence)) func(*LaneEvidence) {
		return func(l *LaneEvidence) { first(l); then(l) }
	}
	shards := func(names ...[]string) func(*LaneEvidence) {
		return func(l *LaneEvidence) { l.Plan.Shards = map[string]wire.Shards{"real": names} }
	}
	var said sayings
	cases := map[string]struct {
		change func(l *LaneEvidence)
		want   Verdict
		says   string
	}{
		"a test in no shard":         {shards([]string{"p.TestA"}), Unjudged, "the plan has p.TestB in no shard"},
		"a test in two":              {shards([]string{"p.TestA"}, []string{"p.TestA", "p.TestB"}), Unjudged, "the plan has p.TestA in shard 1 and in shard 2"},
		"a test that is not planned": {shards([]string{"p.TestA"}, []string{"p.TestB", "p.TestC"}), Unjudged, "p.TestC in shard 2, but lane real does not run it"},
		"a shard that is absent":     {func(l *LaneEvidence) { l.Shards = l.Shards[:1] }, Unjudged, "never booted"},
		"all are absent":             {func(l *LaneEvidence) { l.Shards = []ShardEvidence{} }, Unjudged, "never booted"},
		"an empty folder":            {second(func(b *BootEvidence) { *b = BootEvidence{} }), Unjudged, "never booted"},
		"one shard too many": {func(l *LaneEvidence) { l.Shards = append(l.Shards, ShardEvidence{3, l.Shards[1].Boots}) }, Unjudged,
			"there is a folder shard3, but the plan has 2 shards"},
		"a lane that is not split": {func(l *LaneEvidence) { l.Plan.Shards = nil }, Unjudged, "there is a folder shard1, but the plan has 0 shards"},
		"no plan of the lane":      {func(l *LaneEvidence) { l.Plan = nil }, Unjudged, "never booted"},
		"cut off":                  {second(func(b *BootEvidence) { b.Exit = nil }), Unjudged, "cut off"},
		"never came up":            {second(func(b *BootEvidence) { b.Records = nil }), Failed, "before the guest reported"},

		"the first once more":     {func(l *LaneEvidence) { l.Shards[1].Boots = l.Shards[0].Boots }, Unjudged, "it is shard 1 of its lane, not shard 2"},
		"the first, renamed":      {func(l *LaneEvidence) { l.Shards[1].Boots[0].Records = shardScript(1).bytes() }, Unjudged, "it is shard 1 of its lane, ours is shard 2"},
		"the guest runs both":     {records(2, func(s script) script { g := greenScript(); g[0].Hello.Shard = 2; return g }), Unjudged, "start of p.TestA, which was not planned"},
		"the guest runs the rest": {records(2, func(s script) script { g := shardScript(1); g[0].Hello.Shard = 2; return g }), Unjudged, "start of p.TestA, which was not planned"},
		"the guest is not split":  {hello(func(h *wire.Hello) { h.Shard = 0 }), Unjudged, "it is shard 0 of its lane, ours is shard 2"},
		"the plan has both tests": {second(func(b *BootEvidence) { b.Plan.Tests = []wire.Test{{TestID: testA}, {TestID: testB}} }), Unjudged, "it has other tests than the plan plan"},
		"nothing is run":          {records(2, func(s script) script { return append(s[:1:1], s[5]) }), Unjudged, "done counts 1 tests, 0 ended"},

		"another plan": {both(second(func(b *BootEvidence) { b.Plan.ID = "other" }), hello(func(h *wire.Hello) { h.PlanID = "other" })), Unjudged, `its plan is "other"`},
		"another kernel": {both(second(func(b *BootEvidence) { b.Boot.BuildID = "other" }), hello(func(h *wire.Hello) { h.BuildID = "other" })), Unjudged,
			`a boot of another run: its build ID is "other"`},
		"another .config": {both(second(func(b *BootEvidence) { b.Boot.ConfigSHA256 = "other" }), hello(func(h *wire.Hello) { h.ConfigSHA256 = "other" })), Unjudged,
			`a boot of another run: its SHA-256 of the .config is "other"`},
		"another file of the same build ID": {second(func(b *BootEvidence) { b.Boot.VmlinuxSHA256 = "other" }), Unjudged,
			`a boot of another run: its SHA-256 of vmlinux is "other"`},
		"another key": {both(second(func(b *BootEvidence) { b.Boot.Key = "other" }), records(2, func(s script) script { s[5].Key = "other"; return s })), Unjudged,
			`a boot of another run: its key is "other"`},
		"another run": {both(second(func(b *BootEvidence) { b.Boot.Key, b.Boot.BuildID, b.Boot.ConfigSHA256 = "other", "other", "other" }),
			hello(func(h *wire.Hello) { h.BuildID, h.ConfigSHA256 = "other", "other" })), Unjudged, `a boot of another run: its key is "other"`},
		"no plan of a shard": {second(func(b *BootEvidence) { b.Plan = nil }), Unjudged, "never booted"},
		"an empty folder and another kernel": {func(l *LaneEvidence) {
			foreign, boot := l.Shards[1].Boots[0], *l.Shards[1].Boots[0].Boot
			boot.BuildID = "other"
			foreign.Boot = &boot
			l.Shards[1].Boots = []BootEvidence{{}, foreign}
		}, Unjudged, `a boot of another run: its build ID is "other"`},
		"another lane": {both(second(func(b *BootEvidence) { b.Boot.Lane = "virtual" }), hello(func(h *wire.Hello) { h.Lane = "virtual" })), Unjudged,
			`a boot of another run: its lane is "virtual"`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			e := splitRun()
			tc.change(&e.Lanes[0])
			r := Judge(e)
			said.add(name, r.Verdict, r.Findings)
			if r.Verdict != tc.want || !slices.ContainsFunc(r.Findings, func(f Finding) bool { return strings.Contains(f.Text, tc.says) }) {
				t.Errorf("got %v %v, want %v and %q", r.Verdict, r.Findings, tc.want, tc.says)
			}
		})
	}
	said.compare(t, len(cases))
}

// A guest that dies costs its test, and nothing of another shard. Its place is named.
func TestJudgeShardDies(t *testing.T) {
	e := splitRun()
	b := &e.Lanes[0].Shards[0].Boots[0]
	b.Records = shardScript(1)[:2].bytes()
	b.Console = []byte(strings.Replace(greenConsole, "[    1.5", "[    1.2] Kernel panic - not syncing: x\n[    1.5", 1))
	r := Judge(e)
	l := r.Lanes[0]
	if r.Verdict != Failed || l.Tests[0].Status != Crash || l.Tests[1].Status != Pass {
		t.Fatalf("got %v with %v and %v, want a crash and a pass", r.Verdict, l.Tests[0].Status, l.Tests[1].Status)
	}
	if len(l.Splats) != 1 || l.Splats[0].Shard != 1 {
		t.Errorf("got the splats %+v, want one of shard 1", l.Splats)
	}
	if !slices.ContainsFunc(r.Findings, func(f Finding) bool {
		return f.Lane == "real, shard 1" && strings.Contains(f.Text, "(shard1/console.log:3)")
	}) {
		t.Errorf("no finding names the shard and its log: %v", r.Findings)
	}
}

// A shard that was cut off leaves the verdict open, and the other shard is still judged.
func TestJudgeShardCutOff(t *testing.T) {
	for i, want := range [][]Status{{Missing, Pass}, {Pass, Missing}} {
		e := splitRun()
		e.Lanes[0].Shards[i].Boots[0].Exit = nil
		r := Judge(e)
		if l := r.Lanes[0]; r.Verdict != Unjudged || len(l.Tests) != 2 || l.Tests[0].Status != want[0] || l.Tests[1].Status != want[1] {
			t.Errorf("shard %d is cut off: got %v and %+v, want no verdict and %v", i+1, r.Verdict, l.Tests, want)
		}
	}
}

// If the records of one shard are cut at any byte, the run does not pass.
func TestJudgeCutShards(t *testing.T) {
	for i := range 2 {
		whole := splitRun().Lanes[0].Shards[i].Boots[0].Records
		for n := range whole {
			e := splitRun()
			e.Lanes[0].Shards[i].Boots[0].Records = whole[:n]
			if r := Judge(e); r.Verdict == Passed {
				t.Fatalf("green with %d of %d bytes of shard %d", n, len(whole), i+1)
			}
		}
	}
}

// The lanes of one run have one kernel and one key, whether they are split or not.
func TestJudgeLanesOfTwoRuns(t *testing.T) {
	for name, change := range map[string]func(b *BootEvidence, h *wire.Hello){
		"kernel": func(b *BootEvidence, h *wire.Hello) { b.Boot.BuildID, h.BuildID = "other", "other" },
		"plan":   func(b *BootEvidence, h *wire.Hello) { b.Plan.ID, h.PlanID = "other", "other" },
	} {
		e, other := greenRun(), greenRun()
		b, s := other.Lanes[0].Boots[0], greenScript()
		b.Boot.Lane, s[0].Hello.Lane = "virtual", "virtual"
		change(&b, s[0].Hello)
		b.Records = s.bytes()
		e.Lanes = append(e.Lanes, LaneEvidence{Lane: "virtual", Boots: []BootEvidence{b}})
		if r := Judge(e); r.Verdict != Unjudged || !strings.Contains(r.Findings[0].Text, "a boot of another run") || r.Findings[0].Lane != "virtual" {
			t.Errorf("another %s: got %v %v", name, r.Verdict, r.Findings)
		}
	}
}

// store writes evidence of the lane real to a folder.
func store(t *testing.T, e Evidence) string {
	t.Helper()
	dir := t.TempDir()
	boot := func(dir string, b BootEvidence) {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, v := range map[string]any{wire.PlanFile: b.Plan, wire.BootFile: b.Boot, wire.ExitFile: b.Exit} {
			if err := wire.WriteJSON(filepath.Join(dir, name), v); err != nil {
				t.Fatal(err)
			}
		}
		for name, text := range map[string][]byte{wire.ConsoleFile: b.Console, wire.RecordsFile: b.Records} {
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := wire.WriteJSON(filepath.Join(dir, RunFile), e.Run); err != nil {
		t.Fatal(err)
	}
	l := e.Lanes[0]
	for i, b := range l.Boots {
		boot(filepath.Join(dir, l.Lane, wire.BootDir(i+1)), b)
	}
	for _, s := range l.Shards {
		for i, b := range s.Boots {
			boot(filepath.Join(dir, l.Lane, wire.ShardDir(s.N), wire.BootDir(i+1)), b)
		}
	}
	if l.Plan != nil {
		if err := wire.WriteJSON(filepath.Join(dir, l.Lane, wire.PlanFile), l.Plan); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// What is in the folders is judged: those of a lane that is not split, and those of shards.
func TestLoadShards(t *testing.T) {
	for name, e := range map[string]Evidence{"not split": twoBoots(), "split": splitRun()} {
		dir := store(t, e)
		for _, other := range []string{"7", "shard0", "shard-1", "shard07", "shards", "output"} { // they are no shards
			if err := os.Mkdir(filepath.Join(dir, "real", other), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		got, err := Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		if want := Judge(e); !reflect.DeepEqual(Judge(got), want) {
			t.Errorf("%s: got %+v, want %+v", name, Judge(got), want)
		}
	}
	for name, tc := range map[string]struct {
		change func(dir string) error
		says   string
	}{
		"all shards are gone": {func(dir string) error {
			return errors.Join(os.RemoveAll(filepath.Join(dir, "shard1")), os.RemoveAll(filepath.Join(dir, "shard2")))
		}, "real, shard 2 it was never booted"},
		"the lane was booted": {func(dir string) error { return os.WriteFile(filepath.Join(dir, wire.BootFile), []byte("{}"), 0o644) }, "its own folder has a boot, too"},
		"the lane has ended":  {func(dir string) error { return os.WriteFile(filepath.Join(dir, wire.ExitFile), []byte("{}"), 0o644) }, "its own folder has a boot, too"},
		"a shard is gone":     {func(dir string) error { return os.RemoveAll(filepath.Join(dir, "shard2")) }, "it was never booted"},
		"the first shard":     {func(dir string) error { return os.RemoveAll(filepath.Join(dir, "shard1")) }, "it was never booted"},
		"the plan is gone":    {func(dir string) error { return os.Remove(filepath.Join(dir, wire.PlanFile)) }, "it was never booted"},
		"a shard is renamed":  {func(dir string) error { return os.Rename(filepath.Join(dir, "shard2"), filepath.Join(dir, "shard3")) }, "there is a folder shard3"},
		"a boot of the lane": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, wire.RecordsFile), greenScript().bytes(), 0o644)
		}, "its own folder has a boot, too"},
		"a second boot of the lane": {func(dir string) error {
			return os.CopyFS(filepath.Join(dir, "boot2"), os.DirFS(filepath.Join(dir, "shard2")))
		},
			"its own folder has a boot, too"},
		"a shard is copied": {func(dir string) error {
			return os.CopyFS(filepath.Join(dir, "shard3"), os.DirFS(filepath.Join(dir, "shard2")))
		},
			"there is a folder shard3"},
		"a name that is no shard's": {func(dir string) error {
			return os.Rename(filepath.Join(dir, "shard2"), filepath.Join(dir, "shard02"))
		}, "it was never booted"},
	} {
		dir := store(t, splitRun())
		if err := tc.change(filepath.Join(dir, "real")); err != nil {
			t.Fatal(err)
		}
		e, err := Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		if r := Judge(e); r.Verdict != Unjudged || !strings.Contains(fmt.Sprint(r.Findings), tc.says) {
			t.Errorf("%s: got %v %v, want no verdict and %q", name, r.Verdict, r.Findings, tc.says)
		}
	}
}

// Shards are in the order of their numbers.
func TestShardsIn(t *testing.T) {
	dir := t.TempDir()
	for _, n := range []int{1, 2, 10, 3} {
		if err := os.Mkdir(filepath.Join(dir, wire.ShardDir(n)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := shardsIn(dir); err != nil || !slices.Equal(got, []int{1, 2, 3, 10}) {
		t.Errorf("got %v, %v", got, err)
	}
}

// A lane with a plan or with shards is split, and then a boot of its own says nothing of its plan.
func TestPlanned(t *testing.T) {
	plan, other := &wire.Plan{ID: "plan"}, &wire.Plan{ID: "other"}
	boots := []BootEvidence{{Plan: other}, {}}
	for name, tc := range map[string]struct {
		lane LaneEvidence
		want *wire.Plan
	}{
		"not split":        {LaneEvidence{Boots: boots}, other},
		"never booted":     {LaneEvidence{}, nil},
		"split":            {LaneEvidence{Plan: plan, Shards: []ShardEvidence{}, Boots: boots}, plan},
		"without shards":   {LaneEvidence{Plan: plan, Boots: boots}, plan},
		"without its plan": {LaneEvidence{Shards: []ShardEvidence{}, Boots: boots}, nil},
	} {
		if got := tc.lane.Planned(); got != tc.want {
			t.Errorf("%s: got %+v, want %+v", name, got, tc.want)
		}
	}
	l := LaneEvidence{Boots: boots[:1], Shards: []ShardEvidence{{2, boots}, {1, nil}}}
	for n, want := range []int{1, 0, 2, 0} {
		if got := len(l.BootsOf(n)); got != want {
			t.Errorf("shard %d has %d boots, want %d", n, got, want)
		}
	}
	if got := l.AllBoots(); len(got) != 3 {
		t.Errorf("the lane has %d boots, want 3", len(got))
	}
	// The evidence of several lanes may lie in one array.
	l.Shards = []ShardEvidence{{1, []BootEvidence{{Plan: plan}}}}
	if got := l.AllBoots(); len(got) != 2 || boots[1].Plan != nil {
		t.Errorf("got %+v, and the boot behind those of the lane became %+v", got, boots[1])
	}
}

// Two runs that are split in two ways can be compared, and a fault of both is the base's.
func TestCompareShards(t *testing.T) {
	splat := func(e Evidence, shard int) Evidence {
		b := &e.Lanes[0].Shards[shard-1].Boots[0]
		b.Console = []byte(strings.Replace(greenConsole, "[    1.5", "[    1.2] WARNING: CPU: 0 PID: 1 at kernel/fork.c:1 x+0x1/0x2\n[    1.5", 1))
		return e
	}
	c := Compare(splat(splitRun(), 1), splat(splitRun(), 2))
	if c.Verdict != Unjudged || len(c.Tests) != 2 || !strings.Contains(c.Findings[0].Text, "the base itself: ") {
		t.Errorf("got %v %v, want that the fault is the base's", c.Verdict, c.Findings)
	}
	one := greenRun()
	console("[    1.2] WARNING: CPU: 1 PID: 3 at kernel/fork.c:1 x+0x1/0x2\n")(&one)
	if c := Compare(one, splat(splitRun(), 2)); c.Verdict != Unjudged || !strings.Contains(c.Findings[0].Text, "the base itself: ") {
		t.Errorf("one run is split: got %v %v, want that the fault is the base's", c.Verdict, c.Findings)
	}
	if c := Compare(greenRun(), splitRun()); c.Verdict != Passed || len(c.Tests) != 2 {
		t.Errorf("one run is split: got %v %v, want a pass", c.Verdict, c.Findings)
	}
}
