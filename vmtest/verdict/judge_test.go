// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"timens-vmtest/internal/wire"
)

var (
	testA = wire.TestID{Package: "p", Name: "TestA"}
	testB = wire.TestID{Package: "p", Name: "TestB"}
)

const greenConsole = `[    0.000000] Linux version 6.12.117
[    1.000000] vmtest: start p.TestA
[    1.500000] vmtest: start p.TestB
[    2.000000] reboot: Restarting system
`

// script is a list of records. A test changes it and then turns it into a stream.
type script []wire.Record

func greenScript() script {
	result := func(id wire.TestID, output string) []wire.Record {
		return []wire.Record{
			{Type: wire.TypeStart, TestID: &id},
			{Type: wire.TypeOutput, TestID: &id, Data: []byte(marker + "=== RUN   " + id.Name + "\n")},
			{Type: wire.TypeOutput, TestID: &id, Data: []byte(output)},
			{Type: wire.TypeEnd, TestID: &id, End: &wire.End{DurationS: 0.25}},
		}
	}
	hello := wire.Hello{Schema: wire.Schema, PlanID: "plan", BootID: "boot", Lane: "real", BuildID: "build", ConfigSHA256: "config", Clocksource: "tsc"}
	s := script{{Type: wire.TypeHello, Hello: &hello}}
	s = append(s, result(testA, passLine(testA))...)
	s = append(s, result(testB, passLine(testB))...)
	count := 2
	return append(s, wire.Record{Type: wire.TypeDone, Count: &count, Key: "key"})
}

func passLine(id wire.TestID) string {
	return fmt.Sprintf("%[1]s--- PASS: %[2]s (0.00s)\n%[1]sPASS\n", marker, id.Name)
}

// bytes returns the stream. It numbers the records, and sets the taint and the clock where
// they are missing.
func (s script) bytes() []byte {
	var text []byte
	for i, r := range s {
		if r.Seq == 0 {
			r.Seq = i
		}
		if r.RTC == nil && (r.Type == wire.TypeHello || r.Type == wire.TypeDone) {
			r.RTC = new(int64)
		}
		if r.Taint == nil && r.Type != wire.TypeOutput && r.Type != wire.TypeTrouble {
			r.Taint = new(int64)
		}
		line, err := json.Marshal(r)
		if err != nil {
			panic(err)
		}
		text = append(append(text, line...), '\n')
	}
	return text
}

// greenRun returns evidence of a pass.
func greenRun() Evidence {
	return Evidence{
		Run: &Run{Series: "s", Base: "6.12.117", Lanes: []string{"real"}, PrepareS: 1},
		Lanes: []LaneEvidence{{Lane: "real", Boots: []BootEvidence{{
			Plan: &wire.Plan{Schema: wire.Schema, ID: "plan", Tests: []wire.Test{{TestID: testA, TimeoutS: 1}, {TestID: testB, TimeoutS: 1}}},
			Boot: &wire.Boot{Accel: "tcg", Lane: "real", BootID: "boot", Key: "key", BuildID: "build", ConfigSHA256: "config"},
			Exit: &wire.Exit{Reason: wire.EndedItself, BootS: 1, DurationS: 3},

			Console: []byte(greenConsole),
			Records: greenScript().bytes(),
		}}}},
	}
}

// virtualUntil turns a run into one of the virtual lane that ends at these times of the
// kernel's clock and of QEMU's clock.
func virtualUntil(kernel float64, qemu int64) func(*Evidence) {
	return func(e *Evidence) {
		s := greenScript()
		done := &s[len(s)-1]
		done.UptimeS, done.RTC, done.RTCWithinS = kernel, ptr(qemu), 0.006
		b := &e.Lanes[0].Boots[0]
		b.Records = bytes.Replace(s.bytes(), []byte(`"lane":"real"`), []byte(`"lane":"virtual"`), 1)
		b.Boot.Lane, e.Lanes[0].Lane = wire.Virtual, wire.Virtual
	}
}

func TestJudgeGreen(t *testing.T) {
	r := Judge(greenRun())
	if r.Verdict != Passed || len(r.Findings) != 0 {
		t.Fatalf("got %v %v, want a pass without findings", r.Verdict, r.Findings)
	}
	if n := r.Counts()[Pass]; n != 2 || r.DurationS() != 4 || r.Lanes[0].Tests[0].DurationS != 0.25 {
		t.Errorf("got %d passes, %v s, want 2 and 4 s", n, r.DurationS())
	}
}

// The vDSO can read these clocks.
func TestJudgeClocksources(t *testing.T) {
	for _, name := range []string{"tsc", "tsc-early", "kvm-clock"} {
		e, s := greenRun(), greenScript()
		s[0].Hello.Clocksource = name
		e.Lanes[0].Boots[0].Records = s.bytes()
		if r := Judge(e); r.Verdict != Passed {
			t.Errorf("%s: got %v %v, want a pass", name, r.Verdict, r.Findings)
		}
	}
}

// A difference that is as small as the precision of the measurement is accepted.
func TestJudgeClockOfVirtualLane(t *testing.T) {
	e := greenRun()
	virtualUntil(86399.985, 86400)(&e)
	if r := Judge(e); r.Verdict != Passed {
		t.Errorf("got %v %v, want a pass", r.Verdict, r.Findings)
	}
}

// The virtual lane allows two steps of the guest's look at the clock chip, and what the guest says
// that each look took, but a second at most.
func TestJudgeClockTolerance(t *testing.T) {
	for _, tc := range []struct {
		early, first, last float64 // seconds
		want               Verdict
	}{
		{0.0099, 0, 0, Passed}, {0.0101, 0, 0, Failed}, {-0.0099, 0, 0, Passed}, {-0.0101, 0, 0, Failed},
		{0.0159, 0.002, 0.004, Passed}, {0.0161, 0.002, 0.004, Failed},
		{1.009, 5, 5, Passed}, {1.011, 5, 5, Failed},
	} {
		e, s := greenRun(), greenScript()
		s[0].RTCWithinS = tc.first
		done := &s[len(s)-1]
		done.UptimeS, done.RTC, done.RTCWithinS = 6-tc.early, ptr(6), tc.last
		virtualUntil(0, 0)(&e)
		e.Lanes[0].Boots[0].Records = bytes.Replace(s.bytes(), []byte(`"lane":"real"`), []byte(`"lane":"virtual"`), 1)
		if r := Judge(e); r.Verdict != tc.want {
			t.Errorf("%v s early, %v and %v s of looking: got %v %v, want %v", tc.early, tc.first, tc.last, r.Verdict, r.Findings, tc.want)
		}
	}
}

// A guest that was stopped when all its tests had ended lacks nothing.
func TestJudgeStoppedAtTheEnd(t *testing.T) {
	e := greenRun()
	e.Lanes[0].Boots[0].Exit.Reason = wire.FailedFast
	if r := Judge(e); r.Verdict != Passed || len(r.Findings) != 0 {
		t.Errorf("got %v %v, want a pass", r.Verdict, r.Findings)
	}
}

// Each splat is compared with the lines that the series adds, if they are known.
func TestJudgeNear(t *testing.T) {
	splats := func(place string) string {
		return "[    1.2] BUG: a\n[    1.2]  f+0x1/0x2" + place + "\n[    1.4] vmtest: start p.TestA\n[    1.4] BUG: b\n[    1.4]  g+0x1/0x2" + strings.Replace(place, "7", "5", 1) + "\n"
	}
	e := greenRun()
	console(splats(""))(&e)
	e.Lanes[0].Boots[0].Decoded = []byte(strings.Replace(greenConsole, "[    1.5", splats(" (a.c:7)")+"[    1.5", 1))
	for _, s := range Judge(e).Lanes[0].Splats {
		if s.Near != "" {
			t.Errorf("%s: got %q, but nobody knows what the series adds", s.Text, s.Near)
		}
	}
	e.Added = &[]Added{{Path: "a.c", N: 5, Text: "\tx();", Patch: "0001.patch"}}
	want := []string{"f (a.c:7) is 2 lines from a.c:5, which 0001.patch adds: x();", "g (a.c:5) is the line a.c:5, which 0001.patch adds: x();"}
	var got []string
	for _, s := range Judge(e).Lanes[0].Splats {
		got = append(got, s.Near)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What the kernel said during a test tells why it did not pass. A test that was skipped needs no
// reason, and one that says its own keeps it.
func TestJudgeTellingOfSplat(t *testing.T) {
	for name, tc := range map[string]struct {
		output []byte
		exit   int
		want   []string
	}{
		"skipped":   {resultLine("SKIP", testA), 0, nil},
		"passed":    {resultLine("PASS", testA), 0, nil},
		"says why":  {append([]byte("    a_test.go:3: x\n"), resultLine("FAIL", testA)...), 1, []string{"a_test.go:3: x"}},
		"says none": {resultLine("FAIL", testA), 1, []string{"BUG: y"}},
	} {
		e, s := greenRun(), greenScript()
		s[3].Data, s[4].End.Exit = tc.output, tc.exit
		e.Lanes[0].Boots[0].Records = s.bytes()
		console("[    1.2] BUG: y\n")(&e)
		if got := Judge(e).Lanes[0].Tests[0].Telling; !slices.Equal(got, tc.want) {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
	// It is the first splat of this test that is not allowed.
	e, s := greenRun(), greenScript()
	for i, id := range map[int]wire.TestID{3: testA, 7: testB} {
		s[i].Data, s[i+1].End.Exit = resultLine("FAIL", id), 1
	}
	b := &e.Lanes[0].Boots[0]
	b.Records, e.Allow = s.bytes(), []byte("WARNING: known # it is\n")
	const next = "[    1.6] vmtest: start p.TestB\n"
	b.Console = []byte(greenConsole[:strings.Index(greenConsole, "[    1.000000]")] + "[    0.5] BUG: boot\n" +
		"[    1.0] vmtest: start p.TestA\n[    1.1] WARNING: known\n" + next + "[    1.6] BUG: " + strings.Repeat("z", 300) + "\n" + next + "[    1.7] BUG: later\n")
	tests := Judge(e).Lanes[0].Tests
	if got := tests[0].Telling; got != nil {
		t.Errorf("of a test with an allowed splat alone: got %q", got)
	}
	if got := tests[1].Telling; len(got) != 1 || !strings.HasPrefix(got[0], "BUG: zzz") || len(got[0]) != maxTelling {
		t.Errorf("got %q, want the begin and the end of the first splat during the test", got)
	}
}

// Each row is one way not to pass: a change of the green run, the verdict, and the text of
// its first finding.
func TestJudge(t *testing.T) {
	records := func(change func(s script) script) func(*Evidence) {
		return func(e *Evidence) { e.Lanes[0].Boots[0].Records = change(greenScript()).bytes() }
	}
	edit := func(i int, change func(r *wire.Record)) func(*Evidence) {
		return records(func(s script) script { change(&s[i]); return s })
	}
	const start, output, end, startB, done = 1, 3, 4, 5, 9
	var said sayings
	cases := map[string]struct {
		change func(*Evidence)
		want   Verdict
		says   string
	}{
		"nothing there":        {func(e *Evidence) { *e = Evidence{} }, Unjudged, "run.json"},
		"no lanes":             {func(e *Evidence) { e.Lanes = nil }, Unjudged, "no lane"},
		"kernel did not build": {func(e *Evidence) { e.Trouble = &Trouble{BlameKernel, "x.patch"} }, Unbuilt, "x.patch"},
		"host trouble":         {func(e *Evidence) { e.Trouble = &Trouble{BlameHost, "no QEMU"} }, Unjudged, "no QEMU"},
		"trouble of nobody":    {func(e *Evidence) { e.Trouble = &Trouble{} }, Unjudged, ""},
		"never booted":         {func(e *Evidence) { e.Lanes[0].Boots = nil }, Unjudged, "never booted"},
		"cut off":              {func(e *Evidence) { e.Lanes[0].Boots[0].Exit = nil }, Unjudged, "cut off"},
		"empty plan": {func(e *Evidence) {
			e.Lanes[0].Boots[0].Plan.Tests = nil
			e.Lanes[0].Boots[0].Records = nil
		}, Unjudged, "the plan is empty"},
		"a boot of a shard": {func(e *Evidence) {
			e.Lanes[0].Boots[0].Boot.Shard = 1
			edit(0, func(r *wire.Record) { r.Hello.Shard = 1 })(e)
		}, Unjudged, "it is shard 1 of its lane, not shard 0"},
		"plan of the future": {func(e *Evidence) { e.Lanes[0].Boots[0].Plan.Schema++ }, Unjudged, "schema"},

		"no records":    {func(e *Evidence) { e.Lanes[0].Boots[0].Records = nil }, Failed, "before the guest reported"},
		"hello missing": {records(func(s script) script { return s[1:] }), Unjudged, "hello"},
		"hello twice":   {records(func(s script) script { return slices.Insert(s, 1, s[0]) }), Unjudged, "hello"},
		"foreign plan":  {edit(0, func(r *wire.Record) { r.Hello.PlanID = "other" }), Unjudged, "a foreign guest: its plan"},
		"foreign boot":  {edit(0, func(r *wire.Record) { r.Hello.BootID = "other" }), Unjudged, "a foreign guest: its boot"},
		"foreign lane":  {edit(0, func(r *wire.Record) { r.Hello.Lane = "virtual" }), Unjudged, `a foreign guest: its lane is "virtual", ours is "real"`},
		"nobody knows the build ID": {func(e *Evidence) {
			e.Lanes[0].Boots[0].Boot.BuildID = ""
			edit(0, func(r *wire.Record) { r.Hello.BuildID = "" })(e)
		}, Unjudged, "build ID"},
		"no clocksource":      {edit(0, func(r *wire.Record) { r.Hello.Clocksource = "" }), Unjudged, "the guest's clocksource is , which"},
		"tainted at the end":  {edit(done, func(r *wire.Record) { r.Taint = ptr(512) }), Failed, "0x0 to 0x200 after the last test"},
		"foreign kernel":      {edit(0, func(r *wire.Record) { r.Hello.BuildID = "other" }), Unjudged, "a foreign guest: its build ID"},
		"foreign config":      {edit(0, func(r *wire.Record) { r.Hello.ConfigSHA256 = "other" }), Unjudged, "a foreign guest: its SHA-256"},
		"we know no build ID": {func(e *Evidence) { e.Lanes[0].Boots[0].Boot.BuildID = "" }, Unjudged, "build ID"},
		"clock without vDSO":  {edit(0, func(r *wire.Record) { r.Hello.Clocksource = "hpet" }), Unjudged, "hpet"},

		"line lost":      {records(func(s script) script { s[output].Seq = 9; return s }), Unjudged, "lost or added"},
		"record cut out": {func(e *Evidence) { e.Lanes[0].Boots[0].Records = cutLine(e.Lanes[0].Boots[0].Records, output) }, Unjudged, "lost or added"},
		"printk among records": {func(e *Evidence) {
			e.Lanes[0].Boots[0].Records = insertLine(e.Lanes[0].Boots[0].Records, 3, "[    1.2] hi")
		}, Unjudged, "records.jsonl:4"},
		"unknown type":        {edit(output, func(r *wire.Record) { r.Type = "pass" }), Unjudged, `"pass"`},
		"unplanned test":      {edit(start, func(r *wire.Record) { r.TestID = &wire.TestID{Package: "p", Name: "TestC"} }), Unjudged, "not planned"},
		"start missing":       {records(func(s script) script { return slices.Delete(s, start, start+1) }), Unjudged, "does not run"},
		"start twice":         {records(func(s script) script { return slices.Insert(s, start, s[start]) }), Unjudged, "starts while"},
		"test twice":          {records(func(s script) script { return slices.Insert(s, startB, s[start:startB]...) }), Unjudged, "starts again"},
		"end missing":         {records(func(s script) script { return slices.Delete(s, end, end+1) }), Unjudged, "starts while"},
		"end twice":           {records(func(s script) script { return slices.Insert(s, end, s[end]) }), Unjudged, "does not run"},
		"two starts, one end": {edit(output, func(r *wire.Record) { r.TestID = &testB }), Unjudged, "does not run"},
		"done missing":        {records(func(s script) script { return s[:done] }), Failed, "reset or powered off between two tests"},
		"done early":          {records(func(s script) script { return append(s[:startB:startB], s[done]) }), Unjudged, "done counts 2"},
		"done miscounts":      {edit(done, func(r *wire.Record) { *r.Count = 3 }), Unjudged, "done counts 3"},
		"done is forged":      {edit(done, func(r *wire.Record) { r.Key = "guessed" }), Unjudged, "done without the run's key"},
		"more after done":     {records(func(s script) script { return append(s, s[done]) }), Unjudged, "after done"},
		"done while running":  {records(func(s script) script { return slices.Delete(s, done-1, done) }), Unjudged, "done while"},
		"guest in trouble": {records(func(s script) script {
			return append(s[:startB:startB], wire.Record{Type: wire.TypeTrouble, Text: "no /proc"})
		}), Unjudged, "no /proc"},

		"more after trouble": {records(func(s script) script {
			return append(s[:startB:startB], wire.Record{Type: wire.TypeTrouble, Text: "no /proc"}, s[startB])
		}), Unjudged, "a record after trouble"},
		"guest of the future": {edit(0, func(r *wire.Record) { r.Hello.Schema++ }), Unjudged, "the guest speaks schema"},
		"cut within a record": {func(e *Evidence) {
			l := &e.Lanes[0].Boots[0]
			l.Records = l.Records[:len(l.Records)-9]
		}, Failed, "ends within a record"},
		"test planned twice": {func(e *Evidence) {
			p := e.Lanes[0].Boots[0].Plan
			p.Tests = append(p.Tests, p.Tests[0])
		}, Unjudged, "the plan has p.TestA twice"},
		"hang with a dump": {func(e *Evidence) {
			l := &e.Lanes[0].Boots[0]
			l.Exit.Reason, l.Exit.DumpAt = wire.TestTimeout, 1234
			l.Records = greenScript()[:end].bytes()
		}, Failed, "hung in p.TestA; its tasks are dumped in console.log from byte 1234"},
		"boot too long": {func(e *Evidence) {
			l := &e.Lanes[0].Boots[0]
			l.Exit.Reason = wire.RunTimeout
			l.Records = greenScript()[:end].bytes()
		}, Failed, "took too long and was ended in p.TestA"},

		"killed from outside": {func(e *Evidence) { e.Lanes[0].Boots[0].Exit.Signal = "SIGKILL" }, Unjudged, "SIGKILL"},
		"QEMU unhappy":        {func(e *Evidence) { e.Lanes[0].Boots[0].Exit.Status = 1 }, Unjudged, "status 1"},
		"QEMU says why": {func(e *Evidence) {
			e.Lanes[0].Boots[0].Exit.Status = 1
			e.Lanes[0].Boots[0].QEMULog = []byte("qemu: warning: a\nqemu: fatal: b\n \n")
		}, Unjudged, "QEMU exited with status 1 after the last test; it said: qemu: fatal: b; the rest is in qemu.log"},
		"dumped at once": {func(e *Evidence) {
			e.Lanes[0].Boots[0].Exit.Reason, e.Lanes[0].Boots[0].Exit.DumpAt = wire.TestTimeout, 1
		}, Failed, "its tasks are dumped in console.log from byte 1 on"},
		"interrupted": {func(e *Evidence) { e.Lanes[0].Boots[0].Exit.Reason = wire.Interrupted }, Unjudged, "interrupted"},
		"stopped by a failure elsewhere": {func(e *Evidence) {
			l := &e.Lanes[0].Boots[0]
			l.Exit.Reason, l.Records = wire.FailedFast, greenScript()[:4].bytes()
		}, Failed, "it was stopped in p.TestA, because a test had failed (-fail-fast)"},
		"disk full":              {func(e *Evidence) { e.Lanes[0].Boots[0].Exit.Reason = wire.HostTrouble }, Unjudged, "could not be written"},
		"exit says nothing":      {func(e *Evidence) { *e.Lanes[0].Boots[0].Exit = wire.Exit{} }, Unjudged, "unknown reason"},
		"no reset at the end":    {func(e *Evidence) { e.Lanes[0].Boots[0].Exit.Reason = wire.TestTimeout }, Failed, "hung after the last test"},
		"nothing left to happen": {func(e *Evidence) { e.Lanes[0].Boots[0].Exit.Reason = wire.Stalled }, Failed, "hung (its CPU waited, but no timer was set that could wake it) after the last test"},
		"boot hung": {func(e *Evidence) {
			e.Lanes[0].Boots[0].Exit.Reason, e.Lanes[0].Boots[0].Records = wire.BootTimeout, nil
		}, Failed, "did not come up"},

		"splat": {console("[    1.2] ------------[ cut here ]------------\n[    1.2] WARNING: CPU: 0 at x\n"), Failed, "splat during p.TestA: WARNING: CPU: 0 at x"},
		"splat at boot": {func(e *Evidence) {
			b := &e.Lanes[0].Boots[0]
			b.Console = append([]byte("[    0.0] WARNING: x\n"), b.Console...)
		}, Failed, "splat outside the tests: WARNING: x"},
		"leak": {func(e *Evidence) {
			b := &e.Lanes[0].Boots[0]
			b.Console = append(b.Console, "[    3.0] vmtest: end of the tests\n[    9.0] kmemleak: 2 new suspected memory leaks (see x)\n"...)
		}, Failed, "splat outside the tests: kmemleak: 2 new"},
		"splat with caller": {console("[    1.2][   T12] BUG: KASAN: slab-use-after-free in x\n"), Failed, "during p.TestA: BUG: KASAN"},
		"messages dropped":  {console("[    1.2] ** 12 printk messages dropped **\n"), Unjudged, "dropped"},
		"reboot":            {console("[    0.0] Linux version 6.12.117\n"), Failed, "rebooted"},
		"console lost":      {func(e *Evidence) { e.Lanes[0].Boots[0].Console = nil }, Unjudged, "lacks the kernel's banner"},
		"taint":             {edit(end, func(r *wire.Record) { r.Taint = ptr(512) }), Failed, "0x0 to 0x200 during p.TestA"},
		"tainted at boot":   {edit(0, func(r *wire.Record) { r.Taint = ptr(1) }), Failed, "0x0 to 0x1 while booting"},

		"allow unreadable":    {func(e *Evidence) { e.Allow = []byte("WARNING: x\n") }, Unjudged, "allow:1: \"WARNING: x\" has no reason"},
		"allow an empty line": {func(e *Evidence) { e.Allow = []byte("^(WARNING: x)?$ # why\n") }, Unjudged, `allow:1: "^(WARNING: x)?$" allows everything`},
		"allow everything":    {func(e *Evidence) { e.Allow = []byte("(WARNING: x)? # why\n") }, Unjudged, "allows everything"},
		"allow no regexp":     {func(e *Evidence) { e.Allow = []byte("( # why\n") }, Unjudged, "allow:1: "},
		"beside what is allowed": {func(e *Evidence) {
			console("[    1.2] WARNING: x\n[    1.2] BUG: KASAN: y\n")(e)
			e.Allow = []byte("^WARNING: x$ # why\n")
		}, Failed, "during p.TestA: BUG: KASAN: y"},
		"taint of what is allowed, and more": {func(e *Evidence) {
			edit(end, func(r *wire.Record) { r.Taint = ptr(512 | 128) })(e)
			console("[    1.2] WARNING: x\n")(e)
			e.Allow = []byte("^WARNING: x$ # why\n")
		}, Failed, "0x0 to 0x80 during p.TestA"},
		"taint of what is allowed, and of a module": {func(e *Evidence) {
			edit(end, func(r *wire.Record) { r.Taint = ptr(512 | 1) })(e)
			console("[    1.2] WARNING: x\n")(e)
			e.Allow = []byte("^WARNING: x$ # why\n")
		}, Failed, "0x0 to 0x1 during p.TestA"},
		"taint of what does not taint": {func(e *Evidence) {
			edit(end, func(r *wire.Record) { r.Taint = ptr(512) })(e)
			console("[    1.2] BUG: x\n")(e)
			e.Allow = []byte("^BUG: x$ # why\n")
		}, Failed, "0x0 to 0x200 during p.TestA"},

		"kernel's clock too fast": {edit(done, func(r *wire.Record) { r.UptimeS = 2 }), Failed, "CLOCK_MONOTONIC advanced by 2.00 s while QEMU's clock advanced by 0 s"},
		"kernel's clock too slow": {edit(done, func(r *wire.Record) { r.UptimeS, r.RTC = 86400, ptr(86400+90) }), Failed, "by 86400.00 s while QEMU's clock advanced by 86490 s"},

		"kernel's clock a bit slow":     {virtualUntil(5, 6), Failed, "by 5.00 s while QEMU's clock advanced by 6 s"}, // the real lane would accept it
		"kernel's clock slow after all": {virtualUntil(86399.96, 86400), Failed, "by 86399.96 s while QEMU's clock advanced by 86400 s"},

		"expect unreadable":        {func(e *Evidence) { e.Expect = []byte("fail p TestA\n") }, Unjudged, "no reason"},
		"expect of nothing":        {func(e *Evidence) { e.Expect = []byte("fail p TestZ # why\n") }, Failed, "there is no such test"},
		"expect of nothing, twice": {func(e *Evidence) { e.Expect = []byte("fail p TestY # why\nfail p TestZ # why\n") }, Failed, "expect:2 names p.TestZ"},
		"expect of no package": {func(e *Evidence) {
			e.Lanes[0].Boots[0].Plan.LeftOut = []string{"q"}
			e.Expect = []byte("fail q TestZ # left out\nfail r TestZ # why\n")
		}, Failed, "names r.TestZ"},
		"unexpected pass":     {func(e *Evidence) { e.Expect = []byte("fail p TestA # why\n") }, Failed, "p.TestA: pass, expected fail"},
		"skip nobody expects": {edit(output, func(r *wire.Record) { r.Data = resultLine("SKIP", testA) }), Failed, "p.TestA: skip, expected pass"},
		"all skipped as expected": {func(e *Evidence) {
			s := greenScript()
			s[output].Data, s[7].Data = resultLine("SKIP", testA), resultLine("SKIP", testB)
			e.Lanes[0].Boots[0].Records = s.bytes()
			e.Expect = []byte("skip p TestA # a\nskip p TestB # b\n")
		}, Failed, "every test was skipped"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			e := greenRun()
			tc.change(&e)
			r := Judge(e)
			said.add(name, r.Verdict, r.Findings)
			if r.Verdict != tc.want {
				t.Fatalf("got %v %v, want %v", r.Verdict, r.Findings, tc.want)
			}
			for i, l := range r.Lanes {
				if l.Lane != e.Lanes[i].Lane || l.Boots != len(e.Lanes[i].Boots) {
					t.Errorf("lane %d is %q with %d boots, want %q with %d", i, l.Lane, l.Boots, e.Lanes[i].Lane, len(e.Lanes[i].Boots))
				}
			}
			if r.Findings[0].Verdict != tc.want || !slices.ContainsFunc(r.Findings, func(f Finding) bool {
				return f.Verdict == tc.want && strings.Contains(f.Text, tc.says)
			}) {
				t.Errorf("got %v, want one of %v that says %q", r.Findings, tc.want, tc.says)
			}
		})
	}
	said.compare(t, len(cases))
}

// An allowed splat and the taint that it leaves are reported, but do not fail the run.
func TestJudgeAllowed(t *testing.T) {
	e := greenRun()
	s := greenScript()
	for i := range s {
		if i >= 4 {
			s[i].Taint = ptr(taintWarn)
		}
	}
	b := &e.Lanes[0].Boots[0]
	b.Records = s.bytes()
	console("[    1.2] ------------[ cut here ]------------\n[    1.2] WARNING: CPU: 1 at x\n[    1.2] Call Trace:\n")(&e)
	e.Allow = []byte("# comment\n\nWARNING: CPU: 2 # another\nWARNING: CPU: [01] at x # known since 6.12\n")
	r := Judge(e)
	if r.Verdict != Passed {
		t.Fatalf("got %v %v, want a pass", r.Verdict, r.Findings)
	}
	if got := r.Lanes[0].Splats; len(got) != 1 || got[0].Allowed != "known since 6.12" || got[0].Text != "WARNING: CPU: 1 at x" {
		t.Errorf("got %+v, want the splat with the reason", got)
	}
}

// Source lines are quoted only if they belong to this console.
func TestJudgeDecoded(t *testing.T) {
	for decoded, want := range map[string]string{
		strings.Replace(greenConsole, "[    1.5", "[    1.2] BUG: x\n[    1.2]  f+0x1/0x2 (a.c:1)\n[    1.5", 1): "f+0x1/0x2 (a.c:1)",
		"":                               " f+0x1/0x2",
		"[    1.2]  f+0x1/0x2 (a.c:1)\n": " f+0x1/0x2",
	} {
		e := greenRun()
		console("[    1.2] BUG: x\n[    1.2]  f+0x1/0x2\n")(&e)
		e.Lanes[0].Boots[0].Decoded = []byte(decoded)
		if got := Judge(e).Lanes[0].Splats[0].More[1]; strings.TrimSpace(got) != strings.TrimSpace(want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// A splat quotes its whole call trace, even if many registers come before it. After the end
// of the trace it quotes only the next complaint.
func TestJudgeQuotesCallTraces(t *testing.T) {
	lines := func(n int, text string) string { return strings.Repeat("[    1.2] "+text+"\n", n) }
	const warn, traceEnds, more = "[    1.2] WARNING: x\n", "[    1.2] ---[ end trace 0 ]---\n", "[    1.2] more\n"
	for name, tc := range map[string]struct {
		console string
		quoted  int
		last    string
	}{
		"longer than the bound":   {warn + lines(60, "RAX: 0") + traceEnds + more, 62, "---[ end trace 0 ]---"},
		"ends at once":            {warn + lines(3, "f+0x1/0x2") + traceEnds + lines(9, "more"), 5, "---[ end trace 0 ]---"},
		"with a panic after it":   {warn + traceEnds + more + "[    1.2] Kernel panic - not syncing: y\n" + more, 4, "Kernel panic - not syncing: y"},
		"without an end":          {warn + lines(90, "f+0x1/0x2"), splatLines, "f+0x1/0x2"},
		"its end far away":        {warn + lines(200, "f+0x1/0x2") + traceEnds, splatLines, "f+0x1/0x2"},
		"cut off by another test": {warn + lines(2, "f+0x1/0x2"), 3, "f+0x1/0x2"},
	} {
		e := greenRun()
		console(tc.console)(&e)
		splats := Judge(e).Lanes[0].Splats
		if got := splats[0].More; len(splats) != 1 || len(got) != tc.quoted || got[len(got)-1] != tc.last {
			t.Errorf("%s: %d splats, the first with %d lines up to %q, want one of %d up to %q", name, len(splats), len(got), got[len(got)-1], tc.quoted, tc.last)
		}
	}
}

func TestJudgeStatus(t *testing.T) {
	for name, tc := range map[string]struct {
		output string
		end    *wire.End
		exit   wire.Exit
		want   Status
	}{
		"pass":                     {passLine(testA), &wire.End{}, wire.Exit{}, Pass},
		"fail":                     {string(resultLine("FAIL", testA)), &wire.End{Exit: 1}, wire.Exit{}, Fail},
		"skip":                     {string(resultLine("SKIP", testA)), &wire.End{}, wire.Exit{}, Skip},
		"fail that exits 0":        {string(resultLine("FAIL", testA)), &wire.End{}, wire.Exit{}, Crash},
		"pass that exits 1":        {passLine(testA), &wire.End{Exit: 1}, wire.Exit{}, Crash},
		"os.Exit(0) in mid-test":   {"", &wire.End{}, wire.Exit{}, Crash},
		"says pass, no marker":     {"--- PASS: TestA (0.00s)\nPASS\n", &wire.End{}, wire.Exit{}, Crash},
		"pass and fail":            {passLine(testA) + string(resultLine("FAIL", testA)), &wire.End{}, wire.Exit{}, Crash},
		"pass and skip":            {passLine(testA) + string(resultLine("SKIP", testA)), &wire.End{}, wire.Exit{}, Crash},
		"skip and fail":            {string(resultLine("SKIP", testA)) + string(resultLine("FAIL", testA)), &wire.End{}, wire.Exit{}, Crash},
		"fail and skip, exits 1":   {string(resultLine("FAIL", testA)) + string(resultLine("SKIP", testA)), &wire.End{Exit: 1}, wire.Exit{}, Crash},
		"fail twice":               {string(resultLine("FAIL", testA)) + string(resultLine("FAIL", testA)), &wire.End{Exit: 1}, wire.Exit{}, Crash},
		"skip that exits 1":        {string(resultLine("SKIP", testA)), &wire.End{Exit: 1}, wire.Exit{}, Crash},
		"os.Exit(1) in mid-test":   {"", &wire.End{Exit: 1}, wire.Exit{}, Crash},
		"pass twice":               {passLine(testA) + passLine(testA), &wire.End{}, wire.Exit{}, Crash},
		"only a subtest passes":    {marker + "--- PASS: TestA/sub (0.00s)\n", &wire.End{}, wire.Exit{}, Crash},
		"subtests too":             {marker + "--- PASS: TestA/sub (0.00s)\n" + passLine(testA), &wire.End{}, wire.Exit{}, Pass},
		"output without newline":   {"done" + passLine(testA), &wire.End{}, wire.Exit{}, Pass},
		"indented, as a subtest's": {"    --- PASS: TestA (0.00s)\n", &wire.End{}, wire.Exit{}, Crash},
		"another with that prefix": {marker + "--- PASS: TestAB (0.00s)\n", &wire.End{}, wire.Exit{}, Crash},
		"no test of that name":     {marker + "testing: warning: no tests to run\nPASS\n", &wire.End{}, wire.Exit{}, Crash},
		"panic":                    {"panic: x\n", &wire.End{Exit: 2}, wire.Exit{}, Crash},
		"signal":                   {passLine(testA), &wire.End{Exit: -1, Signal: "SIGSEGV"}, wire.Exit{}, Crash},
		"timeout":                  {passLine(testA), &wire.End{Exit: 2, TimedOut: true}, wire.Exit{}, Timeout},
		"guest died":               {"", nil, wire.Exit{Reason: wire.EndedItself}, Crash},
		"guest hung":               {"", nil, wire.Exit{Reason: wire.TestTimeout}, Timeout},
		"guest stalled":            {passLine(testA), nil, wire.Exit{Reason: wire.Stalled}, Timeout},
		"guest hung for very long": {passLine(testA), nil, wire.Exit{Reason: wire.RunTimeout}, Timeout},
		"we killed what hung":      {"", nil, wire.Exit{Reason: wire.TestTimeout, Status: -1, Signal: "SIGKILL"}, Timeout},
		"user ended the run":       {"", nil, wire.Exit{Reason: wire.Interrupted}, Missing},
		"another test failed":      {"", nil, wire.Exit{Reason: wire.FailedFast}, Missing},
		"host's disk is full":      {"", nil, wire.Exit{Reason: wire.HostTrouble}, Missing},
		"host killed QEMU":         {"", nil, wire.Exit{Reason: wire.EndedItself, Status: -1, Signal: "SIGKILL"}, Missing},
		"QEMU gave up":             {"", nil, wire.Exit{Reason: wire.EndedItself, Status: 1}, Missing},
	} {
		got := judgeTest(testA.Name, &testRecords{started: true, output: []byte(tc.output), end: tc.end}, tc.exit)
		if got.Status != tc.want {
			t.Errorf("%s: got %v, want %v", name, got.Status, tc.want)
		}
		if got.Status == Missing && got.Note == "" {
			t.Errorf("%s: no note says why it was not run to its end", name)
		}
	}
}

// The note says how a test ended, where the status does not.
func TestJudgeNote(t *testing.T) {
	for want, tc := range map[string]struct {
		end  *wire.End
		exit wire.Exit
	}{
		"killed after its timeout":                                 {&wire.End{TimedOut: true}, wire.Exit{}},
		"ended by SIGSEGV":                                         {&wire.End{Signal: "SIGSEGV"}, wire.Exit{}},
		"it ended without one clear result":                        {&wire.End{}, wire.Exit{}},
		"the guest hung":                                           {nil, wire.Exit{Reason: wire.Stalled}},
		"the guest ended under it":                                 {nil, wire.Exit{Reason: wire.EndedItself}},
		"not run to its end: the run was interrupted":              {nil, wire.Exit{Reason: wire.Interrupted}},
		"not run to its end: another test had failed (-fail-fast)": {nil, wire.Exit{Reason: wire.FailedFast}},
		"not run to its end: the evidence could not be written":    {nil, wire.Exit{Reason: wire.HostTrouble}},
		"not run to its end: QEMU was ended by SIGKILL":            {nil, wire.Exit{Reason: wire.EndedItself, Status: -1, Signal: "SIGKILL"}},
		"not run to its end: QEMU exited with status 3":            {nil, wire.Exit{Reason: wire.EndedItself, Status: 3}},
	} {
		if got := judgeTest(testA.Name, &testRecords{started: true, end: tc.end}, tc.exit).Note; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// Where the guest has left out bytes, the output says so. An output that is too short for that is
// shown as it is.
func TestReadable(t *testing.T) {
	full := strings.Repeat("a", wire.OutputLimit-1) + "x"
	const note = "\n[vmtest: 5 bytes are left out here]\n"
	for name, tc := range map[string]struct {
		output  string
		dropped int64
		want    string
	}{
		"whole":         {full + "y", 0, full + "y"},
		"left out":      {full + "y", 5, full + note + "y"},
		"nothing after": {full, 5, full + note},
		"one byte":      {full + "y", 1, full + strings.Replace(note, "5", "1", 1) + "y"},
		"too short":     {full[1:], 5, full[1:]},
		"without marks": {marker + "=== RUN   TestA\n" + marker + "=== NAME  TestA\n x\n", 0, "=== RUN   TestA\n x\n"},
	} {
		records := &testRecords{output: []byte(tc.output), end: &wire.End{Dropped: tc.dropped}}
		if got := records.readable(); got != tc.want {
			t.Errorf("%s: got %d bytes that end with %.60q, want %d", name, len(got), got[max(0, len(got)-60):], len(tc.want))
		}
	}
	if got := (&testRecords{output: []byte(full + "y")}).readable(); got != full+"y" {
		t.Errorf("a test that did not end: got %d bytes", len(got))
	}
}

// The lateness of a test is the largest value that the test or one of its subtests reports.
func TestLateness(t *testing.T) {
	attr := func(test, key, value string) string {
		return marker + "=== ATTR  " + test + " " + key + " " + value + "\n"
	}
	for name, tc := range map[string]struct{ output, want string }{
		"none":          {"", "none"},
		"one":           {attr("TestA", wire.LatenessAttr, "0.5"), "0.5"},
		"greatest":      {attr("TestA/x", wire.LatenessAttr, "0.25") + attr("TestA/y/z", wire.LatenessAttr, "0.75") + attr("TestA", wire.LatenessAttr, "0.5"), "0.75"},
		"early":         {attr("TestA", wire.LatenessAttr, "-0.5"), "-0.5"},
		"behind others": {"a b c\n" + attr("TestAB", wire.LatenessAttr, "9") + attr("TestA", wire.LatenessAttr, "0.5"), "0.5"},
		"behind text":   {"no newline" + attr("TestA", wire.LatenessAttr, "0.5"), "0.5"},
		"no number":     {attr("TestA", wire.LatenessAttr, "NaN") + attr("TestA", wire.LatenessAttr, "Inf") + attr("TestA", wire.LatenessAttr, "-Inf") + attr("TestA", wire.LatenessAttr, "x"), "none"},
		"other test":    {attr("TestAB", wire.LatenessAttr, "0.5"), "none"},
		"other key":     {attr("TestA", "lateness_ms", "0.5"), "none"},
		"unmarked":      {"=== ATTR  TestA lateness_s 0.5\n", "none"},
	} {
		got := "none"
		if s := judgeTest(testA.Name, &testRecords{started: true, output: []byte(tc.output)}, wire.Exit{}).LatenessS; s != nil {
			got = fmt.Sprint(*s)
		}
		if got != tc.want {
			t.Errorf("%s: got %s, want %s", name, got, tc.want)
		}
	}
}

// If the records of a green run are cut at any byte, the run does not pass.
func TestJudgeCutRecords(t *testing.T) {
	whole := greenScript().bytes()
	for n := range whole {
		e := greenRun()
		e.Lanes[0].Boots[0].Records = whole[:n]
		if r := Judge(e); r.Verdict == Passed {
			t.Fatalf("green with %d of %d bytes", n, len(whole))
		}
	}
}

// If a record breaks the contract, no test of the stream counts: a test may have written
// the records before.
func TestJudgeBelievesNoBrokenStream(t *testing.T) {
	for name, change := range map[string]func(s script){
		"done is forged": func(s script) { s[len(s)-1].Key = "guessed" },
		"wrong number":   func(s script) { s[len(s)-1].Seq = 77 },
	} {
		e := greenRun()
		s := greenScript()
		change(s)
		e.Lanes[0].Boots[0].Records = s.bytes()
		for _, test := range Judge(e).Lanes[0].Tests {
			if test.Status != Missing || test.AsExpected() {
				t.Errorf("%s: %s is %v, want missing", name, test.TestID, test.Status)
			}
		}
	}
}

func TestVerdictExitCodes(t *testing.T) {
	for v, want := range map[Verdict]int{Passed: 0, Failed: 1, Unbuilt: 3, Unjudged: 4} {
		if got := v.ExitCode(); got != want {
			t.Errorf("%v: got %d, want %d", v, got, want)
		}
		if got := v.Worse(Passed); got != v {
			t.Errorf("%v with a pass is %v", v, got)
		}
	}
	if got := Failed.Worse(Unjudged).Worse(Unbuilt); got != Unbuilt {
		t.Errorf("got %v, want %v", got, Unbuilt)
	}
}

func TestParseExpect(t *testing.T) {
	got, err := ParseExpect([]byte("# comment\n\nfail p TestA # because\nskip  p\tTestB #why\n"))
	want := []Expectation{{TestID: testA, Status: Fail, Reason: "because", Line: 3}, {TestID: testB, Status: Skip, Reason: "why", Line: 4}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	for text, want := range map[string]string{
		"crash p TestA # x":                  `expect:1: "crash" is not one of pass, fail, skip`,
		"fail p TestA # x\npass p TestA # y": "expect:2: p.TestA is already on line 1",
		"fail p TestA 7.3-7.3 # x":           `expect:1: "7.3-7.3" is not of the form OLD-NEW, two releases such as 6.12-7.3`,
	} {
		if _, err := ParseExpect([]byte(text)); err == nil || err.Error() != want {
			t.Errorf("%q: got the error %v, want %s", text, err, want)
		}
	}
	for _, text := range []string{
		"fail p TestA", "fail p TestA #", "fail TestA # x", "crash p TestA # x", "fail p TestA extra # x", "fail p TestA 6.12-7.3 extra # x",
		" # x", "fail p TestA # x\npass p TestA # y",
	} {
		if got, err := ParseExpect([]byte(text)); err == nil {
			t.Errorf("%q was taken for %v", text, got)
		}
	}
}

func TestJoinExpect(t *testing.T) {
	got, err := JoinExpect([]byte("# every\nfail p TestA # general\nskip p TestB # general\n"), []byte("pass p TestA # special\n"))
	if err != nil {
		t.Fatal(err)
	}
	all, err := ParseExpect(got)
	want := []Expectation{{TestID: testB, Status: Skip, Reason: "general", Line: 3}, {TestID: testA, Status: Pass, Reason: "special", Line: 5}}
	if err != nil || !slices.Equal(all, want) {
		t.Errorf("joined to %q: %v, %v, want %v", got, all, err, want)
	}
	every := []byte("fail p TestA # a\nfail p TestB # b\nfail p TestC # c\n")
	if got, err := JoinExpect(every, []byte("pass p TestA # x\npass p TestC # x\n")); err != nil || string(got) != "\nfail p TestB # b\n\n\npass p TestA # x\npass p TestC # x\n" {
		t.Errorf("two lines are replaced: got %q, %v", got, err)
	}
	if _, err := JoinExpect([]byte("fail p TestA\n"), nil); err == nil || !strings.HasPrefix(err.Error(), "of every kernel: expect:1: ") {
		t.Errorf("got the error %v", err)
	}
	good, bad := []byte("fail p TestA # why\n"), []byte("fail p TestA\n")
	for _, texts := range [][2][]byte{{good, bad}, {bad, good}} {
		if got, err := JoinExpect(texts[0], texts[1]); err == nil {
			t.Errorf("joined %q and %q to %q", texts[0], texts[1], got)
		}
	}
	for _, texts := range [][2][]byte{{good, nil}, {nil, good}} {
		got, err := JoinExpect(texts[0], texts[1])
		if all, perr := ParseExpect(got); len(all) != 1 || err != nil || perr != nil {
			t.Errorf("joined %q and %q to %q, %v, %v", texts[0], texts[1], got, err, perr)
		}
	}
}

// A line for a package is valid for its 32-bit build, unless that has its own line.
func TestExpectedIn32Bits(t *testing.T) {
	all, err := ParseExpect([]byte("fail p TestA # a\nfail p TestB # b\npass p/386 TestB # c\nfail p/386 TestC # d\n"))
	if err != nil {
		t.Fatal(err)
	}
	id := func(pkg, name string) wire.TestID { return wire.TestID{Package: pkg, Name: name} }
	want := map[wire.TestID]Status{
		id("p", "TestA"): Fail, id("p", "TestB"): Fail, id("p", "TestC"): Pass,
		id("p/386", "TestA"): Fail, id("p/386", "TestB"): Pass, id("p/386", "TestC"): Fail,
		id("q/386", "TestA"): Pass,
	}
	var plan wire.Plan
	for id, status := range want {
		if got := Expected(all, id); got != status {
			t.Errorf("%s: %v, want %v", id, got, status)
		}
		if id.Package == "p" {
			plan.Tests = append(plan.Tests, wire.Test{TestID: id})
		}
	}
	for _, tc := range []struct {
		leftOut []string
		want    int // how many lines name no test
	}{{nil, 2}, {[]string{"p/386"}, 0}} {
		plan.LeftOut = tc.leftOut
		if got := useless(all, plan); len(got) != tc.want {
			t.Errorf("where p/386 is not planned and %v left out, %v name no test, want %d", tc.leftOut, got, tc.want)
		}
	}
	plan.LeftOut, plan.Filtered = nil, []wire.TestID{id("p/386", "TestB"), id("p/386", "TestC")}
	if got := useless(all, plan); len(got) != 0 {
		t.Errorf("of tests that -run left out, %v name no test", got)
	}
}

func FuzzParseExpect(f *testing.F) {
	f.Add([]byte("fail p TestA # because\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		all, err := ParseExpect(text)
		for _, e := range all {
			if err != nil || e.Reason == "" || e.Name == "" || e.Package == "" || e.Status == Missing {
				t.Errorf("%+v with error %v", e, err)
			}
		}
	})
}

// For any records, the judge does not panic, and does not pass a run in which a planned
// test did not end.
func FuzzJudgeRecords(f *testing.F) {
	f.Add(greenScript().bytes())
	f.Fuzz(func(t *testing.T, records []byte) {
		e := greenRun()
		e.Lanes[0].Boots[0].Records = records
		r := Judge(e)
		if r.Verdict == Passed && r.Counts()[Pass] != 2 {
			t.Errorf("passed with %v", r.Counts())
		}
	})
}

func FuzzParseAllow(f *testing.F) {
	f.Add([]byte("WARNING: x # because\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		all, err := ParseAllow(text)
		for _, a := range all {
			if err != nil || a.Reason == "" || a.Pattern.MatchString("") {
				t.Errorf("%+v with error %v", a, err)
			}
		}
	})
}

func FuzzScan(f *testing.F) {
	f.Add([]byte(greenConsole))
	f.Fuzz(func(t *testing.T, console []byte) { scan(console, console, nil) })
}

// console inserts text into the green console, while TestA runs.
func console(text string) func(*Evidence) {
	return func(e *Evidence) {
		e.Lanes[0].Boots[0].Console = []byte(strings.Replace(greenConsole, "[    1.5", text+"[    1.5", 1))
	}
}

func resultLine(result string, id wire.TestID) []byte {
	return fmt.Appendf(nil, "%s--- %s: %s (0.00s)\n", marker, result, id.Name)
}

func cutLine(text []byte, n int) []byte {
	lines := strings.SplitAfter(string(text), "\n")
	return []byte(strings.Join(slices.Delete(lines, n, n+1), ""))
}

func insertLine(text []byte, n int, line string) []byte {
	lines := strings.SplitAfter(string(text), "\n")
	return []byte(strings.Join(slices.Insert(lines, n, line+"\n"), ""))
}

func ptr(n int64) *int64 { return &n }

// twoBoots returns a run whose guest died in TestA, and whose second boot continues with
// TestB.
func twoBoots() Evidence {
	e := greenRun()
	first := &e.Lanes[0].Boots[0]
	second := *first
	boot := *first.Boot
	boot.From = 1
	second.Boot = &boot
	green := greenScript()
	hello := *green[0].Hello
	hello.From = 1
	count := 1
	s := append(script{{Type: wire.TypeHello, Hello: &hello}}, green[5:9]...)
	second.Records = append(s, wire.Record{Type: wire.TypeDone, Count: &count, Key: "key"}).bytes()
	first.Records = green[:2].bytes()
	e.Lanes[0].Boots = append(e.Lanes[0].Boots, second)
	return e
}

func TestJudgeGoesOnAfterDeath(t *testing.T) {
	r := Judge(twoBoots())
	l := r.Lanes[0]
	if r.Verdict != Failed || l.Boots != 2 || l.DurationS != 6 {
		t.Errorf("got %v with %d boots of %v s, want a fail with two of 6 s", r.Verdict, l.Boots, l.DurationS)
	}
	if l.Tests[0].Status != Crash || l.Tests[1].Status != Pass {
		t.Errorf("got %v and %v, want a crash and a pass", l.Tests[0].Status, l.Tests[1].Status)
	}
}

func TestJudgeSecondBoot(t *testing.T) {
	var said sayings
	cases := map[string]struct {
		change func(first, second *BootEvidence)
		want   Verdict
		says   string
	}{
		"same test again": {func(_, second *BootEvidence) { second.Boot.From = 0 }, Unjudged, "it continues with test 0"},
		"other plan":      {func(_, second *BootEvidence) { p := *second.Plan; p.ID = "x"; second.Plan = &p }, Unjudged, "of plan x"},
		"other tests": {func(_, second *BootEvidence) {
			p := *second.Plan
			p.Tests = slices.Clone(p.Tests)
			p.Tests[0].TimeoutS++
			second.Plan = &p
		}, Unjudged, "it has other tests than the plan plan"},
		"other tests of another plan": {func(_, second *BootEvidence) {
			p := *second.Plan
			p.ID, p.Tests = "x", p.Tests[:1]
			second.Plan = &p
		}, Unjudged, "it continues with test 1 of plan x, not with 1 of plan"},
		"no death before":  {func(first, _ *BootEvidence) { first.Records = greenScript().bytes() }, Unjudged, "it continues with test 1 of plan plan, not with 2 of plan"},
		"cut off":          {func(_, second *BootEvidence) { second.Exit = nil }, Unjudged, "cut off"},
		"never came up":    {func(_, second *BootEvidence) { second.Records = nil }, Failed, "before the guest reported"},
		"begins elsewhere": {func(_, second *BootEvidence) { second.Records = greenScript().bytes() }, Unjudged, "it begins with test 0, ours with 1"},
		"no test is left": {func(first, second *BootEvidence) {
			first.Records = greenScript()[:6].bytes()
			second.Boot.From = 2
		}, Unjudged, "the boot begins with test 2 of 2"},
		"splat": {func(_, second *BootEvidence) {
			second.Console = []byte(greenConsole + "[    3.0] BUG: x\n")
		}, Failed, "boot2/console.log:5"},
		"hang with a dump": {func(_, second *BootEvidence) {
			second.Exit.Reason, second.Exit.DumpAt = wire.TestTimeout, 1234
			second.Records = nil
		}, Failed, "dumped in boot2/console.log from byte 1234"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			e := twoBoots()
			tc.change(&e.Lanes[0].Boots[0], &e.Lanes[0].Boots[1])
			r := Judge(e)
			said.add(name, r.Verdict, r.Findings)
			if r.Verdict != tc.want || !slices.ContainsFunc(r.Findings, func(f Finding) bool { return strings.Contains(f.Text, tc.says) }) {
				t.Errorf("got %v %v, want %v and %q", r.Verdict, r.Findings, tc.want, tc.says)
			}
		})
	}
	said.compare(t, len(cases))
}
