// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
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

// A shell has the ring at hand: what a test has called, with all that this calls, and no call of another function
// by itself. What a kernel does not have is refused before it boots. Without -trace no kernel has ftrace.
func TestTraceOfShell(t *testing.T) {
	g := newGuests(t)
	text := g.run(t, 0, []string{`timens\S*-\d+ +\|.*\|  copy_time_ns\(\) \{(?s:.*)\|    inc_ucount\((?s:.*)\|  } /\* copy_time_ns = 0x[0-9a-f]+ \*/`}, "shell", "-series", "control", "-trace", "copy_time_ns", "--", "sh", "-c",
		`/tests/timens.test -test.run '^TestOffsetsFileFrozen$' && cat /sys/kernel/tracing/trace`)
	if other := regexp.MustCompile(`(?m).*\|  \w+\(.*$`).FindAllString(text, -1); slices.ContainsFunc(other, func(call string) bool { return !strings.Contains(call, "copy_time_ns") }) {
		t.Errorf("other functions are recorded by themselves:\n%s", strings.Join(other, "\n"))
	}
	for word, want := range map[string]string{
		"copy_time_nz":        `-trace copy_time_nz: the kernel has no such function; did you mean copy_time_ns\?`,
		"timer:hrtimer_stort": `-trace timer:hrtimer_stort: the kernel has no such event; did you mean hrtimer_start\?`,
	} {
		if text := g.run(t, 2, []string{want}, "shell", "-series", "control", "-trace", word, "--", "true"); strings.Contains(text, "boot a shell") {
			t.Errorf("-trace %s has booted a guest:\n%s", word, text)
		}
	}
	g.run(t, 0, []string{`(?m)^no ftrace$`}, "shell", "-series", "control", "--", "sh", "-c", `test -e /sys/kernel/tracing || echo no ftrace`)
}
