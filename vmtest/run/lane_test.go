// SPDX-License-Identifier: BSD-3-Clause

package run

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"timens-vmtest/internal/host"
	"timens-vmtest/internal/wire"
	"timens-vmtest/vmtest/verdict"
	"timens-vmtest/vmtest/vm"
)

// said is a reporter that keeps the steps.
type said []string

func (s *said) Step(format string, args ...any)       { *s = append(*s, fmt.Sprintf(format, args...)) }
func (s *said) Note(text string)                      { s.Step("%s", text) }
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
			"real p.TestA: fail\n    a_test.go:1: wait",
			"runs real p/386.TestB",
			"real p/386.TestB | half",
			"real p/386.TestB ended, by SIGSEGV, after 1.00 s",
			"real p/386.TestB: crash (ended by SIGSEGV)\n    half",
			"runs real p.TestA",
			"real p.TestA ended, killed after its timeout, after 30.00 s",
			"real p.TestA: timeout (killed after its timeout)",
		},
		false: {
			"runs real p.TestA",
			"real p.TestA: fail\n    a_test.go:1: wait",
			"runs real p/386.TestB",
			"real p/386.TestB: crash (ended by SIGSEGV)\n    half",
			"runs real p.TestA",
			"real p.TestA: timeout (killed after its timeout)",
		},
	} {
		var got said
		l := lane{
			runner: &runner{Host: host.Host{Report: &got}, Request: Request{Verbose: verbose}},
			guest:  vm.Guest{Lane: wire.Real}, plan: wire.Plan{Tests: []wire.Test{{TestID: a}, {TestID: b}}},
			running: -1, ended: new(atomic.Int64), of: 2, took: make(map[string]float64),
		}
		for _, r := range records {
			l.watch(r)
		}
		if !slices.Equal(got, want) {
			t.Errorf("verbose %v: got %q, want %q", verbose, got, want)
		}
	}
}

// What is not as expected is shown the moment its evidence is there, and once. With -fail-fast
// it ends the run.
func TestFailures(t *testing.T) {
	a, b := wire.TestID{Package: "p", Name: "TestA"}, wire.TestID{Package: "p", Name: "TestB"}
	passes := func(id wire.TestID) []wire.Record {
		return []wire.Record{
			{Type: wire.TypeStart, TestID: &id},
			{Type: wire.TypeOutput, TestID: &id, Data: []byte("\x16--- PASS: " + id.Name + " (0.01s)\n")},
			{Type: wire.TypeEnd, TestID: &id, End: &wire.End{}},
		}
	}
	warning := "[    1.0] vmtest: start p.TestB\n[    1.1] WARNING: CPU: 0 PID: 1 at kernel/fork.c:1 f+0x1/0x2\n"
	for name, tc := range map[string]struct {
		expect, console, allow string
		want                   []string
	}{
		"as expected":     {},
		"expected fail":   {expect: "fail p TestB # gap\n", want: []string{"real p.TestB: pass unexpectedly"}},
		"gap may be open": {expect: "fail p TestB 6.12-7.3 # gap\n"},
		"splat":           {console: warning, want: []string{"real splat during p.TestB: WARNING: CPU: 0 PID: 1 at kernel/fork.c:1 f+0x1/0x2"}},
		"allowed splat":   {console: warning, allow: "kernel/fork.c:1 # known\n"},
	} {
		expect, err := verdict.ParseExpect([]byte(tc.expect))
		if err != nil {
			t.Fatal(err)
		}
		allow, err := verdict.ParseAllow([]byte(tc.allow))
		if err != nil {
			t.Fatal(err)
		}
		var got said
		stopped := 0
		l := lane{
			runner: &runner{Host: host.Host{Report: &got}}, guest: vm.Guest{Lane: wire.Real}, plan: wire.Plan{Tests: []wire.Test{{TestID: a}, {TestID: b}}},
			expect: verdict.On(expect, "7.0.0", false), allow: allow, stop: func() { stopped++ },
			console: filepath.Join(t.TempDir(), "console.log"), running: -1, ended: new(atomic.Int64), of: 2, took: make(map[string]float64),
		}
		for _, r := range passes(a) {
			l.watch(r)
		}
		if err := os.WriteFile(l.console, []byte(tc.console), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, r := range passes(b) {
			l.watch(r)
		}
		l.splats() // as after the boot: nothing is shown twice
		news := slices.DeleteFunc([]string(got), func(line string) bool { return strings.HasPrefix(line, "runs ") })
		if !slices.Equal(news, tc.want) || stopped != len(tc.want) {
			t.Errorf("%s: got %q and %d stops, want %q", name, news, stopped, tc.want)
		}
	}
}
