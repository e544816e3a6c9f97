// SPDX-License-Identifier: BSD-3-Clause

// Package kselftest runs the kernel's own selftests of clone3() and of time
// namespaces. The harness builds them from the tree of the kernel under test,
// for 64 and for 32 bits. Each program is a test, and its rows are subtests. A
// skipped row fails, because the guest has all that the programs need.
package kselftest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"timens-vmtest/internal/wire"
	"timens-vmtest/tests/internal/ktap"
)

// dir is the guest's folder with the programs that are for as many bits as this one.
var dir = filepath.Join(wire.KselftestDir, runtime.GOARCH)

// programs are the programs in the kernel's tree that have a test here.
var programs = append([]string{
	"clone3/clone3", "clone3/clone3_clear_sighand", "clone3/clone3_set_tid",
	"timens/clock_nanosleep", "timens/exec", "timens/futex", "timens/procfs", "timens/timens", "timens/timer", "timens/timerfd", "timens/vfork_exec",
}, withLibcap...)

// offsets are the programs that the series add, one for each design.
var offsets = []string{"clone3/clone3_timens_offset", "clone3/clone3_timens_offset_ns", "clone3/clone3_namespaces"}

func TestClone3(t *testing.T)             { run(t, "clone3/clone3") }
func TestClone3ClearSighand(t *testing.T) { run(t, "clone3/clone3_clear_sighand") }
func TestClone3SetTID(t *testing.T)       { run(t, "clone3/clone3_set_tid") }

func TestTimensClockNanosleep(t *testing.T) { run(t, "timens/clock_nanosleep") }
func TestTimensExec(t *testing.T)           { run(t, "timens/exec") }
func TestTimensFutex(t *testing.T)          { run(t, "timens/futex") }
func TestTimensProcfs(t *testing.T)         { run(t, "timens/procfs") }
func TestTimensTimens(t *testing.T)         { run(t, "timens/timens") }
func TestTimensTimer(t *testing.T)          { run(t, "timens/timer") }
func TestTimensTimerfd(t *testing.T)        { run(t, "timens/timerfd") }
func TestTimensVforkExec(t *testing.T)      { run(t, "timens/vfork_exec") }

// TestClone3Offsets runs the program that the series adds for its design.
func TestClone3Offsets(t *testing.T) {
	need(t)
	var there []string
	for _, program := range offsets {
		if _, err := os.Stat(filepath.Join(dir, program)); err == nil {
			there = append(there, program)
		}
	}
	if len(there) != 1 {
		t.Fatalf("the kernel's tree has the selftests of offsets %q, want one of %q", there, offsets)
	}
	run(t, there[0])
}

// TestNoneLeftOut fails if the kernel's tree has a program without a test here.
func TestNoneLeftOut(t *testing.T) {
	need(t)
	found, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range found {
		program, err := filepath.Rel(dir, path)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(programs, program) && !slices.Contains(offsets, program) {
			t.Errorf("%s has no test", program)
		}
	}
	if len(found) < len(programs) {
		t.Errorf("%d programs, want %d or more", len(found), len(programs))
	}
}

// need skips a test on a developer's own machine, where the harness has not
// built the programs.
func need(t *testing.T) {
	t.Helper()
	if exe, err := os.Executable(); err == nil && strings.HasPrefix(exe, wire.TestDir+"/") { // a guest
		return
	}
	t.Skip("the selftests are built from a kernel's tree; `make vmtest RUN=kselftest` runs them")
}

// run runs one program and makes its rows subtests. The program's exit status
// must agree with its rows.
func run(t *testing.T, program string) {
	need(t)
	path := filepath.Join(dir, program)
	cmd := exec.Command(path)
	cmd.Dir = filepath.Dir(path)
	out, err := cmd.CombinedOutput()
	t.Logf("%s:\n%s", program, out)
	rows, perr := ktap.Parse(string(out))
	if perr != nil {
		t.Errorf("%s: %v", program, perr)
	}
	failed := false
	for _, row := range rows {
		failed = failed || !row.OK
		t.Run(name(row), func(t *testing.T) {
			switch {
			case !row.OK:
				t.Errorf("%s: not ok: %s", program, row.Name)
			case row.Skip != "":
				t.Errorf("%s: skipped: %s", program, row.Skip)
			}
		})
	}
	var exit *exec.ExitError
	switch {
	case err != nil && !errors.As(err, &exit):
		t.Errorf("%s: %v", program, err)
	case err != nil && !failed:
		t.Errorf("%s: %v, and no row says why", program, err)
	case err == nil && failed:
		t.Errorf("%s: a row is not ok, and the exit status is 0", program)
	}
}

// name returns the subtest's name for a row.
func name(row ktap.Row) string {
	if row.Name == "" {
		return row.Skip
	}
	return strings.ReplaceAll(row.Name, "/", "_")
}
