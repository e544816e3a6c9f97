// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"timens-vmtest/internal/wire"
)

// leftRecord is the index of the record with the file that TestA leaves for TestB.
const leftRecord = 4

// leavingScript returns the records of a guest whose TestA leaves a file.
func leavingScript() script {
	green, count := greenScript(), 1
	left := wire.Record{Type: wire.TypeLeft, TestID: &testA, Path: "image", Data: []byte("x"), Key: "key"}
	return append(slices.Insert(green[:5:5], leftRecord, left), wire.Record{Type: wire.TypeDone, Count: &count, Key: "key"})
}

// findingScript returns the records of the later guest, which runs TestB.
func findingScript() script {
	green, count := greenScript(), 1
	green[0].Hello.From, green[0].Hello.Carried = 1, imageDigest
	return append(append(green[:1:1], green[5:9]...), wire.Record{Type: wire.TypeDone, Count: &count, Key: "key"})
}

var imageDigest = wire.Carried{"p/TestA/image": []byte("x")}.Digest()

// twoGuests returns evidence of a pass: a test leaves a file, and another test finds it in
// a later guest.
func twoGuests() Evidence {
	e := greenRun()
	first := &e.Lanes[0].Boots[0]
	first.Plan.Tests[1].After = testA.Name
	first.Records = leavingScript().bytes()
	later, boot := *first, *first.Boot
	boot.From, boot.Carried = 1, imageDigest
	later.Boot, later.Records = &boot, findingScript().bytes()
	e.Lanes[0].Boots = append(e.Lanes[0].Boots, later)
	return e
}

func TestJudgeTwoGuests(t *testing.T) {
	r := Judge(twoGuests())
	if r.Verdict != Passed || len(r.Findings) != 0 || r.Counts()[Pass] != 2 {
		t.Errorf("got %v %v, want a pass of two tests without findings", r.Verdict, r.Findings)
	}
}

// No boot may follow when all tests have ended.
func TestJudgeBootTooMany(t *testing.T) {
	for _, from := range []int{-1, 0, 1, 2} {
		e := twoGuests()
		third := e.Lanes[0].Boots[1]
		boot := *third.Boot
		boot.From = from
		third.Boot = &boot
		e.Lanes[0].Boots = append(e.Lanes[0].Boots, third)
		if r := Judge(e); r.Verdict != Unjudged || r.Findings[0].Text != "there is one boot more, but no test was left for it" || r.Findings[0].Lane != "real, boot 3" {
			t.Errorf("it begins with test %d: got %v %v", from, r.Verdict, r.Findings)
		}
	}
}

// A file that a test leaves does not reach the later test. Each case is one way.
func TestJudgeCarried(t *testing.T) {
	type guests struct{ first, later *BootEvidence }
	leaving := func(change func(s script) script) func(guests) {
		return func(g guests) { g.first.Records = change(leavingScript()).bytes() }
	}
	finding := func(change func(s script) script) func(guests) {
		return func(g guests) { g.later.Records = change(findingScript()).bytes() }
	}
	given := func(digest string) func(guests) { // both the host and the guest name these files
		return func(g guests) {
			g.later.Boot.Carried = digest
			finding(func(s script) script { s[0].Hello.Carried = digest; return s })(g)
		}
	}
	other := wire.Carried{"p/TestA/image": []byte("y")}.Digest()
	var said sayings
	cases := map[string]struct {
		change func(guests)
		want   Verdict
		says   string
	}{
		"nothing left": {func(g guests) {
			leaving(func(s script) script { return slices.Delete(s, leftRecord, leftRecord+1) })(g)
			given("")(g)
		}, Failed, "p.TestB ran, but p.TestA had left nothing for it"},
		"left by the test that died": {func(g guests) {
			leaving(func(s script) script { return s[:leftRecord] })(g)
			given("")(g)
		}, Failed, "p.TestB ran, but p.TestA had left nothing for it"},
		"left under another's name": {leaving(func(s script) script { s[leftRecord].TestID = &testB; return s }), Unjudged, "left of p.TestB, which was not planned"},
		"left between tests": {leaving(func(s script) script {
			s[leftRecord], s[leftRecord+1] = s[leftRecord+1], s[leftRecord]
			return s
		}), Unjudged, "left of p.TestA, which does not run"},
		"left is forged":   {leaving(func(s script) script { s[leftRecord].Key = "guessed"; return s }), Unjudged, "left without the run's key"},
		"left has no key":  {leaving(func(s script) script { s[leftRecord].Key = ""; return s }), Unjudged, "left without its test, key or plain name"},
		"left elsewhere":   {leaving(func(s script) script { s[leftRecord].Path = "../../../init"; return s }), Unjudged, "plain name"},
		"left twice":       {leaving(func(s script) script { return slices.Insert(s, leftRecord, s[leftRecord]) }), Unjudged, "p.TestA leaves image twice"},
		"left was changed": {leaving(func(s script) script { s[leftRecord].Data = []byte("y"); return s }), Unjudged, "the guest was given the files"},

		"given something else":   {given(other), Unjudged, fmt.Sprintf("the guest was given the files %q, but earlier tests left %q", other, imageDigest)},
		"given nothing":          {given(""), Unjudged, "the guest was given the files"},
		"found something else":   {finding(func(s script) script { s[0].Hello.Carried = other; return s }), Unjudged, "a foreign guest: the files"},
		"found nothing":          {finding(func(s script) script { s[0].Hello.Carried = ""; return s }), Unjudged, "a foreign guest: the files"},
		"first is given a file":  {func(g guests) { g.first.Boot.Carried = imageDigest }, Unjudged, "the guest was given the files"},
		"first finds a file":     {leaving(func(s script) script { s[0].Hello.Carried = imageDigest; return s }), Unjudged, "a foreign guest: the files"},
		"later one hangs early":  {func(g guests) { g.later.Records, g.later.Exit = nil, &wire.Exit{Reason: wire.BootTimeout} }, Failed, "did not come up"},
		"later one is cut off":   {func(g guests) { g.later.Exit = nil }, Unjudged, "cut off"},
		"later one has no boot":  {func(g guests) { g.later.Boot = nil }, Unjudged, "never booted"},
		"later one runs it all":  {finding(func(s script) script { return greenScript() }), Unjudged, "a foreign guest: the files"},
		"later one runs nothing": {finding(func(s script) script { return append(s[:1:1], s[5]) }), Unjudged, "done counts 1 tests, 0 ended and 1 were planned"},
		"later one dies in it":   {finding(func(s script) script { return s[:2] }), Failed, "p.TestB: crash"},
		"first runs it all":      {func(g guests) { g.first.Records = greenScript().bytes() }, Unjudged, "start of p.TestB, which was not planned"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			e := twoGuests()
			g := guests{&e.Lanes[0].Boots[0], &e.Lanes[0].Boots[1]}
			exit := *g.later.Exit
			g.later.Exit = &exit
			tc.change(g)
			r := Judge(e)
			said.add(name, r.Verdict, r.Findings)
			if r.Verdict != tc.want || !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Verdict == tc.want && strings.Contains(f.Text, tc.says) }) {
				t.Errorf("got %v %v, want %v and %q", r.Verdict, r.Findings, tc.want, tc.says)
			}
		})
	}
	said.compare(t, len(cases))
}

// A missing later guest is never a pass, even if its tests are expected to fail.
func TestJudgeNoLaterGuest(t *testing.T) {
	e := twoGuests()
	e.Expect = []byte("fail p TestB # it has no patch\n")
	e.Lanes[0].Boots = e.Lanes[0].Boots[:1]
	if r := Judge(e); r.Verdict != Unjudged || !strings.Contains(r.Findings[0].Text, "no later guest was booted for p.TestB") || r.Lanes[0].Tests[1].Status != Missing {
		t.Errorf("got %v %v", r.Verdict, r.Findings)
	}
}

// If nothing was left for a test, the run fails, even if the test is expected to fail.
func TestJudgeNothingLeft(t *testing.T) {
	e := twoGuests()
	e.Expect = []byte("fail p TestB # it has no patch\n")
	first, later := &e.Lanes[0].Boots[0], &e.Lanes[0].Boots[1]
	first.Records = slices.Delete(leavingScript(), leftRecord, leftRecord+1).bytes()
	s := findingScript()
	s[0].Hello.Carried, later.Boot.Carried = "", ""
	s[3].Data, s[4].End = resultLine("FAIL", testB), &wire.End{Exit: 1}
	later.Records = s.bytes()
	if r := Judge(e); r.Verdict != Failed || len(r.Findings) != 1 || !strings.Contains(r.Findings[0].Text, "had left nothing for it") {
		t.Errorf("got %v %v", r.Verdict, r.Findings)
	}
}

// If the records of one of two guests are cut at any byte, the run does not pass.
func TestJudgeCutTwoGuests(t *testing.T) {
	for i := range 2 {
		whole := twoGuests().Lanes[0].Boots[i].Records
		for n := range whole {
			e := twoGuests()
			e.Lanes[0].Boots[i].Records = whole[:n]
			if r := Judge(e); r.Verdict == Passed {
				t.Fatalf("green with %d of %d bytes of guest %d", n, len(whole), i+1)
			}
		}
	}
}
