// SPDX-License-Identifier: BSD-3-Clause

package history

import (
	"slices"
	"strings"
	"testing"

	"timens-vmtest/internal/wire"
	"timens-vmtest/vmtest/verdict"
)

const warning = "WARNING: CPU: 1 PID: 123 at kernel/time/namespace.c:88 timens_install+0x1a/0x30"

// trace is a call trace with these functions.
func trace(head string, functions ...string) []string {
	lines := []string{head, "Modules linked in:", "RIP: 0010:timens_install+0x1a/0x30", "Call Trace:", " <TASK>", " dump_stack_lvl+0x5d/0x80", " ? __warn+0x80/0x100", " ? left_over+0x80/0x100"}
	for _, f := range functions {
		lines = append(lines, " "+f+"+0x1a/0x300 kernel/fork.c:12")
	}
	return append(lines, " do_syscall_64+0x82/0x190", " entry_SYSCALL_64_after_hwframe+0x76/0x7e", " </TASK>", "---[ end trace 0000000000000000 ]---")
}

// Numbers, guesses and what only reports make no difference; functions and the kind of
// splat do.
func TestFingerprint(t *testing.T) {
	base := Fingerprint(warning, trace(warning, "a", "b", "c", "d", "e"))
	if want := "WARNING: CPU: N PID: N at kernel/time/namespace.c:N timens_installN < timens_install < a < b < c < d"; base != want {
		t.Errorf("got  %s\nwant %s", base, want)
	}
	other := strings.NewReplacer("CPU: 1", "CPU: 0", "123", "7", ":88", ":91", "0x1a", "0x2b").Replace(warning)
	for name, tc := range map[string]struct {
		text  string
		lines []string
		same  bool
	}{
		"other numbers":         {other, trace(other, "a", "b", "c", "d", "e"), true},
		"behind the fifth":      {warning, trace(warning, "a", "b", "c", "d", "z"), true},
		"what the compiler did": {warning, trace(warning, "a.isra.0", "b.constprop.1", "c", "d"), true},
		"another function":      {warning, trace(warning, "a", "x", "c", "d"), false},
		"another kind":          {strings.Replace(warning, "WARNING", "BUG", 1), trace(warning, "a", "b", "c", "d"), false},
		"no trace":              {warning, nil, false},
	} {
		if got := Fingerprint(tc.text, tc.lines); (got == base) != tc.same {
			t.Errorf("%s: got %s, want it the same: %v", name, got, tc.same)
		}
	}
}

func TestOf(t *testing.T) {
	late := []float64{0.1, 0.3, 0.2}
	lane := verdict.LaneResult{Lane: wire.Real, Boots: 1, BootS: 2, DurationS: 30}
	for i, status := range []verdict.Status{verdict.Pass, verdict.Fail, verdict.Skip} {
		lane.Tests = append(lane.Tests, verdict.TestResult{TestID: wire.TestID{Package: "p", Name: "Test" + string(rune('A'+i))}, Status: status, Expected: verdict.Pass, LatenessS: &late[i], Telling: []string{"x_test.go:1: why"}})
	}
	lane.Tests[2].Expected = verdict.Skip
	lane.Splats = []verdict.Splat{{Text: warning, More: trace(warning, "a")}}
	r := verdict.Result{Verdict: verdict.Failed, Lanes: []verdict.LaneResult{lane}, Run: verdict.Run{Release: "6.12", VmlinuxBytes: 16e6}, Findings: []verdict.Finding{
		{Verdict: verdict.Failed, Text: "p.TestB: fail, expected pass", Test: "p.TestB"}, {Verdict: verdict.Failed, Text: "WARNING\nmore"}}}
	c := Of(r)
	switch {
	case c.Stage != StageTests, c.Verdict != "fail", c.Trouble != "p.TestB: fail, expected pass", len(c.Faults) != 1, c.Faults[0] != "WARNING":
		t.Errorf("got %+v", c)
	case c.Figures[LatenessS] != 0.3, c.Figures[BootS] != 2, c.Figures[DurationS] != 30, c.Figures[VmlinuxBytes] != 16e6:
		t.Errorf("got the figures %v", c.Figures)
	case len(c.Tests) != 3, !c.Tests[0].AsExpected(), c.Tests[1].AsExpected(), !c.Tests[2].AsExpected():
		t.Errorf("got the tests %+v", c.Tests)
	case c.Tests[0].Telling != nil, len(c.Tests[1].Telling) != 1:
		t.Errorf("only a test that is not as expected has telling lines: %+v", c.Tests)
	case len(c.Splats) != 1, !strings.Contains(c.Splats[0].Fingerprint, "timens_install < a"):
		t.Errorf("got the splats %+v", c.Splats)
	}
	c = Of(strange(r))
	for _, text := range []string{c.Trouble, c.Faults[0], c.Tests[1].Telling[0], c.Splats[0].Text, c.Splats[0].Lines[0], c.Splats[0].Fingerprint} {
		if !strings.Contains(text, "[2J") || strings.Contains(text, "\x1b") {
			t.Errorf("an escape sequence is not made harmless, or lost as a whole: %q", text)
		}
	}
	for name, tc := range map[string]struct {
		result verdict.Result
		stage  string
		want   Outcome
	}{
		"not built":       {verdict.Result{Verdict: verdict.Unbuilt}, StageBuild, Bad},
		"not run":         {verdict.Result{Verdict: verdict.Unjudged}, StageNone, NoVerdict},
		"not booted":      {verdict.Result{Verdict: verdict.Unjudged, Lanes: []verdict.LaneResult{{Boots: 1}}}, StageBoot, Bad},
		"contradicts":     {verdict.Result{Verdict: verdict.Unjudged, Lanes: []verdict.LaneResult{lane}}, StageTests, NoVerdict},
		"not standard":    {verdict.Result{Verdict: verdict.Passed, Lanes: []verdict.LaneResult{lane}, Run: verdict.Run{NotStandard: []string{"-smp 4"}}}, StageTests, NoVerdict},
		"passed":          {verdict.Result{Verdict: verdict.Passed, Lanes: []verdict.LaneResult{lane}}, StageTests, Good},
		"a test failed":   {verdict.Result{Verdict: verdict.Failed, Lanes: []verdict.LaneResult{lane}, Findings: r.Findings[:1]}, StageTests, Good},
		"a splat, too":    {r, StageTests, Bad},
		"the zero result": {verdict.Result{}, StageNone, NoVerdict},
	} {
		if c := Of(tc.result); c.Stage != tc.stage || c.Outcome("") != tc.want {
			t.Errorf("%s: got stage %q, outcome %v, want %q, %v", name, c.Stage, c.Outcome(""), tc.stage, tc.want)
		}
	}
}

// strange returns a result in which the guest's texts have a sequence that clears a
// terminal.
func strange(r verdict.Result) verdict.Result {
	const clear = "\x1b[2J"
	r.Findings = []verdict.Finding{{Verdict: verdict.Failed, Text: clear + "x"}}
	r.Lanes = slices.Clone(r.Lanes)
	l := &r.Lanes[0]
	l.Tests, l.Splats = slices.Clone(l.Tests), slices.Clone(l.Splats)
	l.Tests[1].Telling = []string{clear + "x"}
	l.Splats[0].Text = clear + l.Splats[0].Text
	l.Splats[0].More = append([]string{clear}, l.Splats[0].More...)
	return r
}
