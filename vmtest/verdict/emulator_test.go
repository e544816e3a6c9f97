// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"cmp"
	"slices"
	"strings"
	"testing"

	"timens-vmtest/internal/wire"
)

// trapped is what a test prints that the emulator has ended.
const trapped = "SIGTRAP: trace trap\nPC=0x804b632 m=0 sigcode=2\n\ngoroutine 0:\neax    0x0\neflags 0xfffcffff\ncs     0x23\n"

// A test that the emulator has ended says nothing about the kernel. One that ends by itself, or by a trap that
// its flags allow, fails.
func TestJudgeEmulatorsTrap(t *testing.T) {
	for name, tc := range map[string]struct {
		output string
		want   Verdict
	}{
		"as recorded":       {trapped, Unjudged},
		"within a test":     {"=== RUN   TestA\n" + trapped, Unjudged},
		"other flags":       {strings.Replace(trapped, "fffcffff", "fffcf76e", 1), Unjudged},
		"flags of a CPU":    {strings.Replace(trapped, "0xfffcffff", "0x346", 1), Failed},
		"bit 22 is zero":    {strings.Replace(trapped, "fffcffff", "ffbcffff", 1), Failed},
		"another signal":    {strings.Replace(trapped, "SIGTRAP: trace trap", "SIGSEGV: segmentation violation", 1), Failed},
		"words of a test":   {"    a_test.go:1: SIGTRAP: trace trap\n" + trapped[len("SIGTRAP: trace trap\n"):], Failed},
		"without registers": {trapped[:strings.Index(trapped, "eflags")], Failed},
	} {
		e, s := greenRun(), greenScript()
		s[3].Data, s[4].End = []byte(tc.output), &wire.End{Exit: 2}
		e.Lanes[0].Boots[0].Records = s.bytes()
		r := Judge(e)
		if r.Verdict != tc.want || len(r.Findings) != 1 || r.Findings[0].Test != testA.String() || r.Lanes[0].Tests[0].Status != Crash {
			t.Errorf("%s: got %v %v, want %v", name, r.Verdict, r.Findings, tc.want)
		}
	}
}

// A 32-bit program ends by SIGTRAP if it could not print anything.
func TestMayRepeat(t *testing.T) {
	for _, tc := range []struct {
		pkg    string
		end    wire.End
		output string
		want   bool
	}{
		{"p/386", wire.End{Signal: "SIGTRAP"}, "", true},
		{"p/386", wire.End{Signal: "SIGSEGV"}, "", false},
		{"p/386", wire.End{Exit: 2}, "", false},
		{"p/386", wire.End{Exit: 2}, trapped, true},
		{"p", wire.End{Signal: "SIGTRAP"}, "", false},
		{"p", wire.End{Exit: 1}, "a child said:\n" + trapped, true},
	} {
		if got := wire.MayRepeat(wire.TestID{Package: tc.pkg, Name: "TestA"}, tc.end, []byte(tc.output)); got != tc.want {
			t.Errorf("%s %+v %q: got %v, want %v", tc.pkg, tc.end, tc.output, got, tc.want)
		}
	}
}

// The last try of a test counts that the emulator has ended. The guest may run no other test again, and none
// too often.
func TestJudgeTries(t *testing.T) {
	passed := string(resultLine("PASS", testA))
	forNoReason := "the guest runs " + testA.String() + " again for no reason"
	for name, tc := range map[string]struct {
		before, last string
		tries        int // before the last one
		want         Verdict
		status       Status
		finding      string
		accel        string // "": tcg
		signal       string // that ended the tries before
	}{
		"passes then":     {before: trapped, last: passed, tries: 1, want: Passed, status: Pass},
		"at the third":    {before: trapped, last: passed, tries: 2, want: Passed, status: Pass},
		"fails then":      {before: trapped, last: string(resultLine("FAIL", testA)), tries: 1, want: Failed, status: Fail, finding: testA.String() + ": fail (" + ranAgain + "), expected pass"},
		"is ended thrice": {before: trapped, last: trapped, tries: 2, want: Unjudged, status: Crash, finding: testA.String() + ": crash (" + emulatorEnded + "), expected pass"},
		"runs too often":  {before: trapped, last: passed, tries: 3, want: Unjudged, status: Missing, finding: forNoReason},
		"had failed":      {before: string(resultLine("FAIL", testA)), last: passed, tries: 1, want: Unjudged, status: Missing, finding: forNoReason},
		"under KVM":       {before: trapped, last: passed, tries: 1, accel: "kvm", want: Unjudged, status: Missing, finding: forNoReason},
		"by a signal":     {signal: "SIGTRAP", last: passed, tries: 1, want: Unjudged, status: Missing, finding: forNoReason}, // no 32-bit program
	} {
		e, s := greenRun(), greenScript()
		e.Lanes[0].Boots[0].Boot.Accel = cmp.Or(tc.accel, "tcg")
		first := slices.Clone(s[1:5])
		first[2].Data, first[3].End = []byte(tc.before), &wire.End{Exit: 2, Signal: tc.signal, Again: true}
		s[3].Data = []byte(tc.last)
		if tc.status != Pass {
			s[4].End = &wire.End{Exit: 1}
		}
		for range tc.tries {
			s = slices.Insert(s, 1, first...)
		}
		e.Lanes[0].Boots[0].Records = s.bytes()
		r := Judge(e)
		got := r.Lanes[0].Tests[0]
		if r.Verdict != tc.want || got.Status != tc.status || (tc.finding == "") != (r.Findings == nil) || tc.finding != "" && !strings.HasSuffix(r.Findings[0].Text, tc.finding) {
			t.Errorf("%s: got %v %v %v, want %v %v %q", name, r.Verdict, got.Status, r.Findings, tc.want, tc.status, tc.finding)
		}
		if got.Status == Pass && got.Note != ranAgain {
			t.Errorf("%s: the note is %q, want %q", name, got.Note, ranAgain)
		}
		var l Live
		var live []TestResult
		for _, r := range s {
			if result, ended := l.Take(r); ended {
				live = append(live, result)
			}
		}
		if tc.want != Unjudged && (len(live) != 2 || live[0].Status != got.Status || live[0].Note != got.Note || live[1].Note != "") {
			t.Errorf("%s: shown live: %+v, judged: %+v", name, live, got)
		}
	}
}
