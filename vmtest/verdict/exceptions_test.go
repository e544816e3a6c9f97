// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"maps"
	"testing"

	"timens-vmtest/internal/wire"
)

func TestExceptions(t *testing.T) {
	e := Evidence{
		Allow: []byte("WARNING: known # reason\nWARNING: gone # reason\n"),
		Expect: []byte("pass p TestFirst # reason\nfail p TestKnown # reason\nfail p TestMended 6.12-7.3 # reason\nskip p TestWide # reason\nfail p TestNotPlanned # reason\npass p TestPass # reason\n" +
			"skip-fail p TestLacked 6.12-7.3 # reason\nskip-fail p TestWrong 6.12-7.3 # reason\nskip-fail p TestRight 6.12-7.3 # reason\npass-fail p TestWorse 6.12-7.3 # reason\npass-fail p TestAlike 6.12-7.3 # reason\n"),
	}
	result := func(pkg, name string, s Status) TestResult {
		return TestResult{TestID: wire.TestID{Package: pkg, Name: name}, Status: s}
	}
	r := Result{Lanes: []LaneResult{
		{Splats: []Splat{{Text: "WARNING: known at x"}}, Tests: []TestResult{result("p", "TestKnown", Fail), result("p", "TestMended", Pass), result("p", "TestWide", Pass), result("p", "TestPass", Pass),
			result("p", "TestLacked", Skip), result("p", "TestWrong", Fail), result("p", "TestRight", Pass), result("p", "TestWorse", Fail), result("p", "TestAlike", Pass)}},
		{Tests: []TestResult{result("p/386", "TestKnown", Pass), result("p/386", "TestWide", Skip)}},
	}}
	want := map[string]bool{
		"allow WARNING: known": true, "allow WARNING: gone": false,
		"expect fail p TestKnown": true, "expect fail p TestMended": false, "expect skip p TestWide": true,
		"expect skip-fail p TestLacked": true, "expect skip-fail p TestWrong": true, "expect skip-fail p TestRight": false,
		"expect pass-fail p TestWorse": true, "expect pass-fail p TestAlike": false,
	}
	if got := Exceptions(e, r); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	// A line that says "pass" of the kernel says nothing of whether others need it.
	r.Run.Base = "7.3.4"
	delete(want, "expect fail p TestMended")
	if got := Exceptions(e, r); !maps.Equal(got, want) {
		t.Errorf("on 7.3: got %v, want %v", got, want)
	}
	r.Run.Base = ""
	// If a file cannot be read, nothing is known of its lines.
	for _, bad := range []Evidence{{Allow: []byte("WARNING: x"), Expect: e.Expect}, {Allow: e.Allow, Expect: []byte("fail p TestKnown")}} {
		if got := Exceptions(bad, r); got != nil {
			t.Errorf("of %q and %q: got %v", bad.Allow, bad.Expect, got)
		}
	}
	// A line is needed if any test of any lane needs it.
	last := Result{Lanes: []LaneResult{
		{Tests: []TestResult{result("p/386", "TestKnown", Pass), result("p", "TestOther", Pass), result("p", "TestKnown", Fail)}},
		{Splats: []Splat{{Text: "WARNING: x"}, {Text: "WARNING: gone"}}, Tests: []TestResult{result("p", "TestKnown", Pass)}},
	}}
	if got := Exceptions(e, last); !got["expect fail p TestKnown"] || !got["allow WARNING: gone"] || got["allow WARNING: known"] {
		t.Errorf("got %v", got)
	}
	if got := Exceptions(e, Result{}); got != nil {
		t.Errorf("of a run without lanes: %v", got)
	}
}
