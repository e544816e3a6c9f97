// SPDX-License-Identifier: BSD-3-Clause

package run

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"timens-vmtest/internal/host"
	"timens-vmtest/internal/wire"
	"timens-vmtest/vmtest/vm"
)

// said is a reporter that keeps the steps.
type said []string

func (s *said) Step(format string, args ...any)       { *s = append(*s, fmt.Sprintf(format, args...)) }
func (s *said) Count(_ string, _, _ int, name string) { *s = append(*s, "runs "+name) }

// With -v, each line of a test is shown while the test runs, and then how its process
// ended. No line is a verdict.
func TestWatch(t *testing.T) {
	a, b := wire.TestID{Package: "p", Name: "TestA"}, wire.TestID{Package: "p/386", Name: "TestB"}
	records := []wire.Record{
		{Type: wire.TypeStart, TestID: &a},
		{Type: wire.TypeOutput, TestID: &a, Data: []byte("\x16=== RUN   TestA\n    a_test.go:1: wa")},
		{Type: wire.TypeOutput, TestID: &a, Data: []byte("it\n\x16--- FAIL: TestA (0.25s)\n\x16FAIL\n")},
		{Type: wire.TypeEnd, TestID: &a, End: &wire.End{Exit: 1, DurationS: 0.25}},
		{Type: wire.TypeStart, TestID: &b},
		{Type: wire.TypeOutput, TestID: &b, Data: []byte("half")},
		{Type: wire.TypeEnd, TestID: &b, End: &wire.End{Exit: -1, Signal: "SIGSEGV", DurationS: 1}},
		{Type: wire.TypeStart, TestID: &a},
		{Type: wire.TypeEnd, TestID: &a, End: &wire.End{Exit: 2, TimedOut: true, DurationS: 30}},
	}
	for verbose, want := range map[bool][]string{
		true: {
			"runs real p.TestA",
			"real p.TestA |     a_test.go:1: wait",
			"real p.TestA | --- FAIL: TestA (0.25s)",
			"real p.TestA ended, exit status 1, after 0.25 s",
			"runs real p/386.TestB",
			"real p/386.TestB | half",
			"real p/386.TestB ended, by SIGSEGV, after 1.00 s",
			"runs real p.TestA",
			"real p.TestA ended, killed after its timeout, after 30.00 s",
		},
		false: {"runs real p.TestA", "runs real p/386.TestB", "runs real p.TestA"},
	} {
		var got said
		l := lane{
			runner: &runner{Host: host.Host{Report: &got}, Request: Request{Verbose: verbose}},
			guest:  vm.Guest{Lane: wire.Real}, plan: wire.Plan{Tests: []wire.Test{{TestID: a}, {TestID: b}}},
			running: -1, ended: new(atomic.Int64), of: 2,
		}
		for _, r := range records {
			l.watch(r)
		}
		if !slices.Equal(got, want) {
			t.Errorf("verbose %v: got %q, want %q", verbose, got, want)
		}
	}
}
