// SPDX-License-Identifier: BSD-3-Clause

package debuginfo

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What a kernel cannot trace is named before a guest boots, with what may have been meant.
func TestCheckTrace(t *testing.T) {
	dir := t.TempDir()
	source, object := filepath.Join(dir, "a.c"), filepath.Join(dir, "a.o")
	text := "int event_hrtimer_start = 1, event_enter__clone3 = 1, event_exit__clone3 = 1;\n" +
		"void copy_time_ns(void) {}\nvoid part(void) __asm__(\"timens_commit.isra.0\");\nvoid part(void) {}\n"
	if err := os.WriteFile(source, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("gcc", "-c", "-o", object, source).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for words, want := range map[string]string{
		"copy_time_ns": "", "copy_*": "", "timens_commit": "", "timer:hrtimer_start": "", "timer:*": "", "timer:": "",
		"syscalls:sys_enter_clone3": "", "syscalls:sys_exit_*": "",
		"copy_time_nt":             "copy_time_nt: the kernel has no such function; did you mean copy_time_ns?",
		"hrtimer_*":                "hrtimer_*: the kernel has no such function",
		"timer:hrtimer_strat":      "timer:hrtimer_strat: the kernel has no such event; did you mean hrtimer_start?",
		"syscalls:sys_enter_clone": "syscalls:sys_enter_clone: the kernel has no such event; did you mean sys_enter_clone3?",
	} {
		var functions, events []string
		if strings.Contains(words, ":") {
			events = []string{words}
		} else {
			functions = []string{words}
		}
		got := ""
		if err := CheckTrace(object, functions, events); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", words, got, want)
		}
	}
	if err := CheckTrace(source, nil, nil); err == nil {
		t.Error("a file that is no program has everything")
	}
}
