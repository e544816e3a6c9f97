// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// fileOf returns a file of the newest run.
func (g guests) fileOf(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(g.results, "latest", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// The calls of what a patch changes, what they return, and an event are recorded around a test
// that fails by it, in both lanes. A kernel that panics or hangs prints what it has recorded.
func TestTrace(t *testing.T) {
	g := newGuests(t)
	g.run(t, 1, []string{`(?m)^      trace: .*/real/trace/timens\.TestTimerfdAbsolute\.txt$`, `(?m)^      trace: .*/virtual/trace/timens\.TestTimerfdAbsolute\.txt$`},
		"run", "-series", "control", "-patch", "docs/faults/sign.patch", "-trace", "patch,timer:hrtimer_start", "-run", `^timens\.Test(TimerfdAbsolute|OffsetsFileFrozen)$`, "-results", g.results)
	for _, lane := range []string{"real", "virtual"} {
		text := g.fileOf(t, lane+"/trace/timens.TestTimerfdAbsolute.txt")
		for _, want := range []string{`do_timens_ktime_to_host\(.*\);.* = 0x[0-9a-f]+|} /\* do_timens_ktime_to_host.* = 0x`, `hrtimer_start: `} {
			if !regexp.MustCompile(want).Match(text) {
				t.Errorf("lane %s: the trace has no %s:\n%.3000s", lane, want, text)
			}
		}
		if _, err := os.Stat(filepath.Join(g.results, "latest", lane, "trace", "timens.TestOffsetsFileFrozen.txt")); !os.IsNotExist(err) {
			t.Errorf("lane %s: a test that passes has left a trace: %v", lane, err)
		}
	}
	g.run(t, 1, []string{`splat during timens\.TestTimerfdAbsolute: BUG: kernel NULL pointer dereference`},
		"run", "-series", "control", "-patch", "docs/faults/null.patch", "-trace", "patch", "-run", `^timens\.TestTimerfdAbsolute$`, "-lane", "real", "-fail-fast", "-results", g.results)
	if text := g.fileOf(t, "real/console.log"); !regexp.MustCompile(`Dumping ftrace buffer:(?s:.*)copy_time_ns\(`).Match(text) {
		t.Errorf("the kernel has not printed its ring:\n%.6000s", text)
	}
	g.run(t, 1, []string{`the guest hung in timens\.TestOffsetsFileFrozen`},
		"run", "-series", "control", "-patch", "docs/faults/hang.patch", "-trace", "patch", "-run", `^timens\.TestOffsetsFileFrozen$`, "-lane", "real", "-results", g.results)
	if text := g.fileOf(t, "real/console.log"); !regexp.MustCompile(`sysrq: Dump ftrace buffer(?s:.*)mutex_lock\(\);`).Match(text) {
		t.Errorf("the kernel that hangs has not printed its ring:\n%.6000s", text)
	}
}

// A shell has the ring at hand. What a kernel does not have is refused before it boots.
func TestTraceOfShell(t *testing.T) {
	g := newGuests(t)
	g.run(t, 0, []string{`copy_time_ns\(`}, "shell", "-series", "control", "-trace", "copy_time_ns", "--", "sh", "-c",
		`/tests/timens.test -test.run '^TestOffsetsFileFrozen$' && cat /sys/kernel/tracing/trace`)
	g.run(t, 2, []string{`-trace copy_time_nz: the kernel has no such function; did you mean copy_time_ns\?`}, "shell", "-series", "control", "-trace", "copy_time_nz", "--", "true")
}
