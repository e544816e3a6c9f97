// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// ofPanic is what a tool prints of the kernel's log, and the test whose task has panicked.
const (
	ofPanic  = `Kernel panic - not syncing: sysrq triggered crash`
	panicker = "TestKernelPanic"
)

// drgnScript prints the log and the task that has panicked, by what drgn of Debian 12 knows.
const drgnScript = `
from drgn.helpers.linux import get_dmesg, per_cpu
print(get_dmesg(prog).decode())
print("panicked:", per_cpu(prog["runqueues"], prog["panic_cpu"].counter).curr.comm.string_().decode())
`

// drgnTasks prints the name and the state of each task.
const drgnTasks = `
from drgn.helpers.linux import for_each_task
for task in for_each_task(prog):
    print("task", task.comm.string_().decode(), hex(task.member_("__state")))
`

// A guest that panics leaves its memory, and the command that is printed opens it: crash and drgn read the log and
// the task that has panicked in one format, gdb with the kernel's own scripts and drgn in the other.
func TestVmcore(t *testing.T) {
	g := newGuests(t)
	script := filepath.Join(t.TempDir(), "panicked.py")
	if err := os.WriteFile(script, []byte(drgnScript), 0o644); err != nil {
		t.Fatal(err)
	}
	tasks := []string{ofPanic, `COMMAND: "canary\.test"`, `\] sysrq_handle_crash at `}
	if version, err := exec.Command("crash", "--version").Output(); err == nil && regexp.MustCompile(`(?m)^crash 8\.0\.[0-5]\b`).Match(version) {
		tasks = tasks[:1] // it does not know the tasks of Linux 6.12
	}
	byDrgn := []string{ofPanic, `(?m)^panicked: canary\.test$`}
	type session struct {
		stdin, args string
		want        []string
	}
	for flag, sessions := range map[string]map[string]session{
		"-vmcore": {
			"crash": {"log\nbt\nquit\n", " -s", tasks},
			"drgn":  {"", " " + script, byDrgn},
		},
		"-vmcore=elf": {
			"gdb": {"", ` -batch -ex lx-dmesg -ex 'print $lx_per_cpu(runqueues, panic_cpu.counter).curr.comm' -ex 'thread apply all backtrace'`,
				[]string{ofPanic, `\$1 = "canary\.test\\000`, `in sysrq_handle_crash `}},
			"drgn": {"", " " + script, byDrgn},
		},
	} {
		t.Run(flag, func(t *testing.T) {
			var out bytes.Buffer
			cmd := g.command(t, "run", "-series", "control", "-tests", "tests/canary", "-run", `^canary\.`+panicker+`$`, "-lane", "virtual", flag, "-results", g.results)
			cmd.Stdout, cmd.Stderr = &out, &out
			if code := exitCode(t, cmd.Run()); code != 1 {
				t.Fatalf("exit code %d, want 1:\n%s", code, out.String())
			}
			for tool, s := range sessions {
				m := regexp.MustCompile(`(?m)(?:type|or):  (` + tool + ` .*)$`).FindSubmatch(out.Bytes())
				if m == nil {
					t.Errorf("no command for %s is printed:\n%s", tool, out.String())
					continue
				}
				g.open(t, string(m[1])+s.args, s.stdin, s.want)
			}
		})
	}
}

// A guest that stops where a test fails leaves its memory there: the test is stopped in it.
func TestDump(t *testing.T) {
	g := newGuests(t)
	script := filepath.Join(t.TempDir(), "tasks.py")
	if err := os.WriteFile(script, []byte(drgnTasks), 0o644); err != nil {
		t.Fatal(err)
	}
	g.run(t, 0, nil, "run", "-series", "control", "-run", "^"+regexp.QuoteMeta(failing)+"$", "-lane", "virtual", "-results", g.results)
	text := g.run(t, 0, []string{failing + ` has failed and is stopped there`}, "debug", filepath.Join(g.results, "latest"), failing, "-at", "fail", "-dump", "--", "true")
	m := regexp.MustCompile(`(?m)or:  (drgn -c (\S+/vmcore) .*)$`).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("no vmcore:\n%s", text)
	}
	defer os.RemoveAll(filepath.Dir(m[2]))
	g.open(t, m[1]+" "+script, "", []string{`(?m)^task timens-offset\.t 0x104$`}) // TASK_STOPPED
}

// open runs a command that opens a vmcore, and demands what it says.
func (g guests) open(t *testing.T, line, stdin string, want []string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
	cmd.Dir, cmd.Env, cmd.Stdin = g.root, g.env, strings.NewReader(stdin)
	text, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v", line, err)
	}
	for _, w := range want {
		if !regexp.MustCompile(w).Match(text) {
			t.Errorf("%s does not say %s:\n%s", line, w, text)
		}
	}
}
