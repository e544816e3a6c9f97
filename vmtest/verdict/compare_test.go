// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"timens-vmtest/internal/wire"
)

// Each row has a test, and its status without and with the series.
func TestClassify(t *testing.T) {
	for _, tc := range []struct {
		what         string
		base, series Status
		ofSeries     bool
		want         Class
	}{
		{"a bug that the series repairs", Fail, Pass, false, Fixed},
		{"a crash that the series repairs", Crash, Pass, false, Fixed},
		{"a hang that the series repairs", Timeout, Pass, false, Fixed},
		{"what the series breaks", Pass, Fail, false, Regressed},
		{"a crash that the series brings", Pass, Crash, false, Regressed},
		{"a test that no longer looks", Pass, Skip, false, Regressed},
		{"a test of the series that its own kernel fails", Pass, Fail, true, Regressed},
		{"the new ABI", Fail, Pass, true, Proven},
		{"the new ABI, which makes the base hang", Timeout, Pass, true, Proven},
		{"what works as before", Pass, Pass, false, Same},
		{"a test of the series that passes without it", Pass, Pass, true, Same},
		{"a test that looks at neither", Skip, Skip, false, Same},
		{"a test of the series that skips without it", Skip, Pass, true, Same},
		{"a bug that stays", Fail, Fail, false, BrokenBefore},
		{"a bug that became a crash", Fail, Crash, false, BrokenBefore},
		{"a bug that is no longer looked at", Fail, Skip, false, BrokenBefore},
		{"a test of the series that nothing makes pass", Fail, Fail, true, BrokenBefore},
		{"what never looked and fails now", Skip, Fail, false, BrokenBefore},
		{"a base that died before it", Missing, Pass, true, Unclear},
		{"what a dead kernel never came to", Pass, Missing, false, Regressed},
		{"a bug that a dead kernel never came to", Fail, Missing, false, BrokenBefore},
		{"what neither came to", Missing, Missing, false, Unclear},
	} {
		if got := Classify(tc.base, tc.series, tc.ofSeries); got != tc.want {
			t.Errorf("%s (%v, %v): got %q, want %q", tc.what, tc.base, tc.series, got, tc.want)
		}
	}
}

// with returns evidence in which TestA and TestB have these statuses.
func with(a, b Status) Evidence {
	e := greenRun()
	e.Lanes[0].Boots[0].Plan.Design = "p2"
	s := greenScript()
	for i, want := range map[int]Status{3: a, 7: b} {
		id := *s[i].TestID
		switch want {
		case Fail:
			s[i].Data = bytes.ReplaceAll([]byte(passLine(id)), []byte("PASS"), []byte("FAIL"))
			s[i+1].End.Exit = 1
		case Skip:
			s[i].Data = []byte(strings.Replace(passLine(id), "PASS", "SKIP", 1))
		}
	}
	e.Lanes[0].Boots[0].Records = s.bytes()
	return e
}

// twoLanes returns a run of the lane real with the lane virtual of another run beside it.
func twoLanes(e, other Evidence) Evidence {
	l := other.Lanes[0]
	l.Lane = wire.Virtual
	l.Boots[0].Boot.Lane = wire.Virtual
	l.Boots[0].Records = bytes.Replace(l.Boots[0].Records, []byte(`"lane":"real"`), []byte(`"lane":"virtual"`), 1)
	e.Lanes = append(e.Lanes, l)
	return e
}

func TestCompare(t *testing.T) {
	type change = func(base, series *Evidence)
	none := func(base, series *Evidence) {}
	var said sayings
	cases := map[string]struct {
		base, series [2]Status
		change       change
		want         Verdict
		says         string // part of the headline, or of the summary of a pass
	}{
		"nothing changes": {[2]Status{Pass, Pass}, [2]Status{Pass, Pass}, none, Passed, "2 tests: 2 proves nothing"},
		"fixed":           {[2]Status{Fail, Pass}, [2]Status{Pass, Pass}, none, Passed, "1 fixed, 1 proves nothing"},
		"regressed":       {[2]Status{Pass, Pass}, [2]Status{Fail, Pass}, none, Failed, "p.TestA regressed: pass without the series, fail with it"},
		"announced": {[2]Status{Pass, Pass}, [2]Status{Fail, Pass},
			func(_, s *Evidence) { s.Expect = []byte("fail p TestA # it is wanted") }, Passed, "1 regressed, 1 proves nothing"},
		"proven by the package": {[2]Status{Fail, Fail}, [2]Status{Pass, Pass},
			func(b, s *Evidence) { s.Lanes[0].Boots[0].Plan.Design, b.Lanes[0].Boots[0].Plan.Design = "p", "p" }, Passed, "2 tests: 2 new behaviour proven"},
		"proven by the base's expect file": {[2]Status{Fail, Fail}, [2]Status{Pass, Pass},
			func(b, _ *Evidence) { b.Expect = []byte("fail p TestA # no members yet") }, Passed, "1 fixed, 1 new behaviour proven"},
		"broken before": {[2]Status{Fail, Pass}, [2]Status{Fail, Pass},
			func(_, s *Evidence) { s.Expect = []byte("fail p TestA # a gap of the kernel's") }, Passed, "1 proves nothing, 1 broken before"},
		"broken before and unexpected": {[2]Status{Fail, Pass}, [2]Status{Fail, Pass}, none, Unjudged, "the base itself: p.TestA: fail, expected pass"},
		"a splat that both have": {[2]Status{Pass, Pass}, [2]Status{Pass, Pass},
			func(b, s *Evidence) {
				for i, e := range []*Evidence{b, s} {
					e.Lanes[0].Boots[0].Console = []byte(strings.Replace(greenConsole, "[    1.5", fmt.Sprintf("%s[    1.2] WARNING: CPU: %d PID: %d at kernel/fork.c:1 x+0x1/0x2\n[    1.5", strings.Repeat("[    1.2] more\n", i), i, i+1), 1))
				}
			}, Unjudged, "the base itself: splat during p.TestA"},
		"a base that does not build": {[2]Status{Pass, Pass}, [2]Status{Pass, Pass},
			func(b, _ *Evidence) { b.Trouble = &Trouble{BlameKernel, "build: main.c:1: error"} }, Unjudged, "the base itself: build: main.c:1"},
		"a base that dies": {[2]Status{Pass, Pass}, [2]Status{Pass, Pass},
			func(b, _ *Evidence) { b.Lanes[0].Boots[0].Records = greenScript()[:5].bytes() }, Unjudged, "p.TestB: missing without the series, pass with it"},
		"a base that splats is not the series' fault": {[2]Status{Pass, Pass}, [2]Status{Pass, Pass},
			func(b, _ *Evidence) {
				b.Lanes[0].Boots[0].Console = []byte(strings.Replace(greenConsole, "[    1.5", "[    1.2] WARNING: CPU: 0 PID: 1 at kernel/fork.c:1 x+0x1/0x2\n[    1.5", 1))
			}, Passed, "2 proves nothing"},
		"a series that splats": {[2]Status{Pass, Pass}, [2]Status{Pass, Pass},
			func(_, s *Evidence) {
				s.Lanes[0].Boots[0].Console = []byte(strings.Replace(greenConsole, "[    1.5", "[    1.2] WARNING: CPU: 0 PID: 1 at kernel/fork.c:1 x+0x1/0x2\n[    1.5", 1))
			}, Failed, "with the series: splat during p.TestA"},
		"a series that dies": {[2]Status{Pass, Pass}, [2]Status{Pass, Pass},
			func(_, s *Evidence) { s.Lanes[0].Boots[0].Records = greenScript()[:5].bytes() }, Failed, "with the series: "},
		"both die": {[2]Status{Pass, Pass}, [2]Status{Pass, Pass},
			func(b, s *Evidence) {
				b.Lanes[0].Boots[0].Records = greenScript()[:5].bytes()
				s.Lanes[0].Boots[0].Records = greenScript()[:5].bytes()
			}, Unjudged, "the base itself: "},
		"a series that does not build": {[2]Status{Pass, Pass}, [2]Status{Pass, Pass},
			func(_, s *Evidence) { s.Trouble = &Trouble{BlameKernel, "apply: 0002.patch"} }, Unbuilt, "apply: 0002.patch"},
		"other selftests of the kernel": {[2]Status{Pass, Pass}, [2]Status{Pass, Pass},
			func(_, s *Evidence) {
				b := &s.Lanes[0].Boots[0]
				b.Plan.ID = "other"
				script := greenScript()
				script[0].Hello.PlanID = "other"
				b.Records = script.bytes()
			}, Passed, "2 proves nothing"},
		"other plans": {[2]Status{Pass, Pass}, [2]Status{Pass, Pass},
			func(_, s *Evidence) {
				b := &s.Lanes[0].Boots[0]
				b.Plan.ID = "other"
				b.Plan.Tests = slices.Clone(b.Plan.Tests)
				b.Plan.Tests[0].TimeoutS++
				script := greenScript()
				script[0].Hello.PlanID = "other"
				b.Records = script.bytes()
			}, Unjudged, "cannot be compared"},
		"one more splat": {[2]Status{Pass, Pass}, [2]Status{Pass, Pass},
			func(b, s *Evidence) {
				console("[    1.2] WARNING: CPU: 0 PID: 1 at a.c:1\n")(b)
				console("[    1.2] WARNING: CPU: 1 PID: 2 at a.c:1\n[    1.4] vmtest: start p.TestA\n[    1.4] WARNING: CPU: 0 PID: 1 at b.c:1\n")(s)
			}, Failed, "with the series: splat during p.TestA: WARNING: CPU: 0 PID: 1 at b.c:1"},
		"two splats that both have": {[2]Status{Pass, Pass}, [2]Status{Pass, Pass},
			func(b, s *Evidence) {
				for _, e := range []*Evidence{b, s} {
					console("[    1.2] WARNING: a\n[    1.4] vmtest: start p.TestA\n[    1.4] WARNING: b\n")(e)
				}
			}, Unjudged, "the base itself: splat during p.TestA: WARNING: a"},
		"a splat in another lane": {[2]Status{Pass, Pass}, [2]Status{Pass, Pass},
			func(b, s *Evidence) {
				*b, *s = twoLanes(*b, with(Pass, Pass)), twoLanes(*s, with(Pass, Pass))
				b.Lanes[0].Boots[0].Console = []byte(greenConsole + "[    3.0] WARNING: a\n")
				s.Lanes[1].Boots[0].Console = []byte(greenConsole + "[    3.0] WARNING: a\n")
			}, Failed, "with the series: splat during p.TestB: WARNING: a"},
		"regressed in the second lane": {[2]Status{Pass, Pass}, [2]Status{Pass, Pass},
			func(b, s *Evidence) { *b, *s = twoLanes(*b, with(Pass, Pass)), twoLanes(*s, with(Pass, Fail)) }, Failed, "p.TestB regressed: pass without the series, fail with it"},
		"other lanes": {[2]Status{Pass, Pass}, [2]Status{Pass, Pass},
			func(b, s *Evidence) { *b = twoLanes(*b, with(Pass, Pass)) }, Unjudged, "the base ran in 2 lanes and the series in 1"},
		"lanes in another order": {[2]Status{Pass, Pass}, [2]Status{Pass, Pass},
			func(b, s *Evidence) {
				*b, *s = twoLanes(*b, with(Pass, Pass)), twoLanes(*s, with(Pass, Pass))
				slices.Reverse(s.Lanes)
			}, Unjudged, "the base ran plan plan in lane real, the series plan plan in lane virtual, with other tests: they cannot be compared"},
		"a series on a host in trouble": {[2]Status{Pass, Pass}, [2]Status{Pass, Pass},
			func(_, s *Evidence) { s.Trouble = &Trouble{BlameHost, "no QEMU"} }, Unjudged, "no QEMU"},
		"regressed, and another test unclear": {[2]Status{Pass, Pass}, [2]Status{Fail, Pass},
			func(b, _ *Evidence) { b.Lanes[0].Boots[0].Records = greenScript()[:5].bytes() }, Unjudged, "p.TestB: missing without the series, pass with it"},
		"32-bit programs of the series": {[2]Status{Fail, Fail}, [2]Status{Pass, Pass},
			func(b, s *Evidence) {
				for _, e := range []*Evidence{b, s} {
					one := &e.Lanes[0].Boots[0]
					one.Plan.Design = "p"
					one.Plan.Tests = slices.Clone(one.Plan.Tests)
					one.Plan.Tests[1].Package = "p/386"
					one.Records = bytes.ReplaceAll(one.Records, []byte(`"package":"p","name":"TestB"`), []byte(`"package":"p/386","name":"TestB"`))
				}
			}, Passed, "2 tests: 2 new behaviour proven"},
		"an empty folder": {[2]Status{Pass, Pass}, [2]Status{Pass, Pass}, func(b, _ *Evidence) { *b = Evidence{} }, Unjudged, "the base itself: there is no run.json"},
		"no lane at all":  {[2]Status{Pass, Pass}, [2]Status{Pass, Pass}, func(b, _ *Evidence) { b.Lanes = nil }, Unjudged, "the base itself: no lane"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			base, series := with(tc.base[0], tc.base[1]), with(tc.series[0], tc.series[1])
			tc.change(&base, &series)
			c := Compare(base, series)
			said.add(name+": "+c.Summary(), c.Verdict, c.Findings)
			summary := c.Summary()
			if c.Verdict != Passed {
				summary = c.Findings[0].Text
			}
			if c.Verdict != tc.want || !strings.Contains(summary, tc.says) {
				t.Errorf("got %v, %q, want %v, %q; findings %v", c.Verdict, summary, tc.want, tc.says, c.Findings)
			}
		})
	}
	said.compare(t, len(cases))
}

// Only a test of the series that proves nothing is idle.
func TestIdle(t *testing.T) {
	base, series := with(Fail, Pass), with(Pass, Pass)
	base.Expect = []byte("fail p TestA # no members yet\nfail p TestB # no members yet")
	idle := Compare(base, series).Idle()
	if len(idle) != 1 || idle[0].TestID != testB || idle[0].Lane != "real" {
		t.Errorf("got %v, want p.TestB alone, in the lane real", idle)
	}
	for name, change := range map[string]func(base, series *Evidence){
		// The base is a kernel on which the line says that the test passes.
		"of another kernel": func(base, _ *Evidence) {
			base.Run.Base, base.Expect = "7.3.1", []byte("fail p TestB 6.12-7.3 # later kernels have it")
		},
		"no kernel passes": func(base, series *Evidence) {
			base.Expect = []byte("fail p TestB # a gap")
			series.Expect = base.Expect
		},
	} {
		base, series := with(Pass, Pass), with(Pass, Pass)
		change(&base, &series)
		if idle := Compare(base, series).Idle(); len(idle) != 0 {
			t.Errorf("%s: got %v, want no test of the series", name, idle)
		}
	}
}
