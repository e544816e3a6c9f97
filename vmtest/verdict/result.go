// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"fmt"

	"timens-vmtest/internal/wire"
)

// Verdict is the outcome of a run. The zero value is the bad case.
type Verdict int

// The verdicts. If several apply, Unbuilt goes before Unjudged, and Unjudged before Failed.
const (
	Unjudged Verdict = iota // there is not enough evidence, or it contradicts itself
	Passed                  // everything planned ran and was as expected
	Failed                  // a test or the kernel was not as expected
	Unbuilt                 // the kernel did not apply, configure or build
)

var verdictNames = [...]string{Unjudged: "unjudged", Passed: "pass", Failed: "fail", Unbuilt: "build"}

func (v Verdict) String() string { return verdictNames[v] }

// MarshalText returns the same text as String.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// ExitCode returns the exit code of a command with this verdict. Exit code 2 means wrong
// usage, and is never a verdict.
func (v Verdict) ExitCode() int {
	switch v {
	case Passed:
		return 0
	case Failed:
		return 1
	case Unbuilt:
		return 3
	}
	return 4
}

// Worse returns the verdict of two runs together, which is the worse one.
func (v Verdict) Worse(w Verdict) Verdict {
	for _, bad := range []Verdict{Unbuilt, Unjudged, Failed} {
		if v == bad || w == bad {
			return bad
		}
	}
	return Passed
}

// Status is the outcome of one test. The zero value is the bad case.
type Status int

// The statuses.
const (
	Missing Status = iota // it was planned and never started
	Pass                  // its own result line and its exit status say so
	Fail
	Skip
	Crash   // it, or the kernel under it, ended without a result
	Timeout // it was killed after its time, or the guest hung in it
)

var statusNames = [...]string{Missing: "missing", Pass: "pass", Fail: "fail", Skip: "skip", Crash: "crash", Timeout: "timeout"}

func (s Status) String() string { return statusNames[s] }

// MarshalText returns the same text as String.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Result is a judged run.
type Result struct {
	Verdict  Verdict
	Findings []Finding // why it is not Passed; the first is the headline
	Run      Run       // what the folder says about the run; zero if it says nothing
	Lanes    []LaneResult
	Coverage *CoverageResult `json:",omitempty"` // nil unless it was measured
}

// Finding is one reason why a run does not pass.
type Finding struct {
	Verdict Verdict `json:"verdict"` // the verdict of a run with this finding
	Lane    string  `json:"lane,omitempty"`
	Text    string  `json:"text"`
	Test    string  `json:"test,omitempty"`   // package.Test, if the finding is about the status of a test
	During  string  `json:"during,omitempty"` // package.Test that was running, if the finding is about the kernel or the guest
	Before  string  `json:"before,omitempty"` // package.Test that was to run next, if none was running
}

// LaneResult is a judged lane.
type LaneResult struct {
	Lane      string
	Accel     string
	Shards    int     `json:",omitempty"` // over how many guests its tests are split; 0: they are not split
	Boots     int     // more than one for each shard: a guest died in a test, or tests needed a later guest
	BootS     float64 // host seconds until the first boot's hello; 0 without one
	DurationS float64 // host seconds of all boots; of those that run side by side, of the longest
	WaitedS   float64 `json:",omitempty"` // of these, how long QEMU had to wait for a CPU of the host
	Splats    []Splat
	Tests     []TestResult // in the plan's order
}

// Starved reports whether QEMU waited for a CPU of the host for more than half of the time, and for
// a second at least: less hurts no test. In the lane real, whose guest's clocks go on meanwhile, a
// test may have failed for that alone.
func (l LaneResult) Starved() bool { return l.WaitedS >= 1 && l.WaitedS > l.DurationS/2 }

// TestResult is a judged test.
type TestResult struct {
	wire.TestID
	Shard     int `json:",omitempty"` // the shard of its lane that runs it, from 1; 0: the lane is not split
	Status    Status
	Expected  Status
	Mended    bool     `json:",omitempty"` // it passes, and older kernels are known to fail it
	New       bool     `json:",omitempty"` // it is not skipped, and older kernels are known to lack what it is about
	DurationS float64  // guest seconds
	LatenessS *float64 `json:",omitempty"` // the largest that the test reported, in guest seconds; nil if it reported none
	Note      string   // how it ended, if the status alone does not tell
	Output    string   // what it printed
	Telling   []string `json:",omitempty"` // one or two lines of the test or of the kernel that say why it did not pass
	Trace     string   `json:"-"`          // what ftrace recorded while it ran, if it was not as expected and the run had -trace
	Harm      []string `json:",omitempty"` // what it has done to the guest and not undone itself, in words that follow its name
}

// AsExpected reports whether a test has the status that was expected.
func (t TestResult) AsExpected() bool { return t.Status == t.Expected }

// how returns the status, and the note that explains it.
func (t TestResult) how() string {
	if t.Note == "" {
		return t.Status.String()
	}
	return t.Status.String() + " (" + t.Note + ")"
}

// Counts returns the number of tests of each status, over all lanes.
func (r Result) Counts() map[Status]int {
	n := make(map[Status]int)
	for _, l := range r.Lanes {
		for _, t := range l.Tests {
			n[t.Status]++
		}
	}
	return n
}

// DurationS returns the host seconds of the preparation and of the longest lane, because
// lanes run side by side.
func (r Result) DurationS() float64 {
	longest := 0.0
	for _, l := range r.Lanes {
		longest = max(longest, l.DurationS)
	}
	return r.Run.PrepareS + longest
}

// findings collects findings. The zero value is ready to use.
type findings struct {
	lane string
	all  []Finding
}

func (f *findings) add(v Verdict, format string, args ...any) {
	f.all = append(f.all, Finding{Verdict: v, Lane: f.lane, Text: fmt.Sprintf(format, args...)})
}

// addTest adds that a test does not have the expected status.
func (f *findings) addTest(t TestResult) {
	v := Failed
	if t.Note == emulatorEnded {
		v = Unjudged
	}
	f.add(v, "%s: %s, expected %s", t.TestID, t.how(), t.Expected)
	f.all[len(f.all)-1].Test = t.TestID.String()
}
