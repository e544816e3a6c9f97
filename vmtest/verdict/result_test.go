// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"fmt"
	"reflect"
	"testing"
)

// The words of report.json, as README.md and docs/results.md list them.
func TestWords(t *testing.T) {
	for want, v := range map[string]interface {
		fmt.Stringer
		MarshalText() ([]byte, error)
	}{
		"unjudged": Unjudged, "pass": Passed, "fail": Failed, "build": Unbuilt,
		"missing": Missing, "pass ": Pass, "fail ": Fail, "skip": Skip, "crash": Crash, "timeout": Timeout,
		"unclear": Unclear, "regressed": Regressed, "fixed": Fixed, "new behaviour proven": Proven, "proves nothing": Same, "broken before": BrokenBefore,
	} {
		if want[len(want)-1] == ' ' { // a verdict has the same word
			want = want[:len(want)-1]
		}
		if text, err := v.MarshalText(); v.String() != want || string(text) != want || err != nil {
			t.Errorf("got %s and %s, %v, want %s", v, text, err, want)
		}
	}
}

// The names of files in stored runs, and the reasons in their coverage.json, stay: see
// docs/results.md and docs/coverage.md.
func TestNamesThatStay(t *testing.T) {
	for want, got := range map[string]string{
		"run.json": RunFile, "expect": ExpectFile, "allow": AllowFile, "trouble.json": TroubleFile, "coverage.json": CoverageFile, "floor": FloorFile,
		"added.json": AddedFile, "pair.json": PairFile, "kernel": BlameKernel, "host": BlameHost,
		"blank": BlankLine, "comment": CommentLine, "not built in this configuration": NotBuilt,
	} {
		if got != want {
			t.Errorf("%q has become %q", want, got)
		}
	}
}

// A value that nobody has set is the bad case.
func TestZeroIsBad(t *testing.T) {
	var v Verdict
	var s Status
	var c Class
	if v != Unjudged || s != Missing || c != Unclear || v.ExitCode() != 4 {
		t.Errorf("the zero values are %v, %v and %v", v, s, c)
	}
}

// Two verdicts together are the worse one, in any order: build, unjudged, fail, pass.
func TestWorse(t *testing.T) {
	order := []Verdict{Unbuilt, Unjudged, Failed, Passed}
	for i, v := range order {
		for j, w := range order {
			if got, want := v.Worse(w), order[min(i, j)]; got != want {
				t.Errorf("%v and %v: got %v, want %v", v, w, got, want)
			}
		}
	}
}

// Lanes run side by side: the run takes as long as the longest, after its preparation.
func TestResultSums(t *testing.T) {
	r := Result{Run: Run{PrepareS: 5}, Lanes: []LaneResult{
		{DurationS: 2, Tests: []TestResult{{Status: Pass}, {Status: Fail}}}, {DurationS: 7, Tests: []TestResult{{Status: Pass}}}, {DurationS: 3},
	}}
	if got := r.DurationS(); got != 12 {
		t.Errorf("it took %v s, want 12", got)
	}
	for want, r := range map[float64]Result{5: {Run: Run{PrepareS: 5}}, 5.5: {Run: Run{PrepareS: 5}, Lanes: []LaneResult{{DurationS: 0.5}}}} {
		if got := r.DurationS(); got != want {
			t.Errorf("it took %v s, want %v", got, want)
		}
	}
	if got, want := r.Counts(), map[Status]int{Pass: 2, Fail: 1}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// A kernel between two releases may do either, and any other must do what the line says.
func TestExpects(t *testing.T) {
	all, err := ParseExpect([]byte("fail p TestA 6.12-7.3 # why\nskip p TestB # why\nskip-fail p TestD 6.12-7.3 # why\n"))
	if err != nil {
		t.Fatal(err)
	}
	a, b, c, d := testA, testB, testA, testA
	c.Name, d.Name = "TestC", "TestD"
	for version, want := range map[string][]string{
		"6.12": {"p.TestA fail", "p.TestB skip", "p.TestC pass", "p.TestD skip"},
		"6.15": {"p.TestA pass", "p.TestA fail", "p.TestB skip", "p.TestC pass", "p.TestD fail", "p.TestD skip"},
		"7.3":  {"p.TestA pass", "p.TestB skip", "p.TestC pass", "p.TestD fail"},
	} {
		var got []string
		for _, id := range []TestResult{{TestID: a}, {TestID: b}, {TestID: c}, {TestID: d}} {
			for s := Missing; s <= Timeout; s++ {
				id.Status = s
				if Expects(On(all, version, false), id) {
					got = append(got, id.TestID.String()+" "+s.String())
				}
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %q, want %q", version, got, want)
		}
	}
}

// A lane says that it was without a CPU of the host where that can have made a test fail.
func TestStarved(t *testing.T) {
	for _, tc := range []struct {
		ran, waited float64
		want        bool
	}{
		{0, 0, false},
		{0.3, 0.2, false}, // too short to be late
		{1.5, 1, true},
		{10, 4.9, false},
		{10, 5.1, true},
	} {
		if got := (LaneResult{DurationS: tc.ran, WaitedS: tc.waited}).Starved(); got != tc.want {
			t.Errorf("%v of %v s without a CPU: starved %v, want %v", tc.waited, tc.ran, got, tc.want)
		}
	}
}
