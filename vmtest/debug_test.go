// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var bootDebug = flag.Bool("boot-debug", false, "boot kernels for the tests of vmtest debug and -gdb, by ../bin/vmtest")

// guests runs bin/vmtest with guests.
type guests struct {
	root, results string
	env           []string
}

func newGuests(t *testing.T) guests {
	t.Helper()
	if !*bootDebug {
		t.Skip("it boots kernels; type \"make debug-test\"")
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	return guests{root, t.TempDir(), realEnv(t)}
}

// realEnv returns the environment of this process without the fake QEMU of the scripts, which is
// beside their vmtest.
func realEnv(t *testing.T) []string {
	t.Helper()
	self, err := exec.LookPath("vmtest")
	if err != nil {
		t.Fatal(err)
	}
	path := slices.DeleteFunc(filepath.SplitList(os.Getenv("PATH")), func(dir string) bool { return dir == filepath.Dir(self) })
	return append(os.Environ(), "PATH="+strings.Join(path, ":"))
}

func (g guests) command(t *testing.T, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), filepath.Join(g.root, "bin", "vmtest"), args...)
	cmd.Dir, cmd.Env = g.root, g.env
	return cmd
}

// run runs vmtest and demands its exit code and what it prints, which it returns.
func (g guests) run(t *testing.T, code int, want []string, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	cmd := g.command(t, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if got := exitCode(t, cmd.Run()); got != code {
		t.Fatalf("%q: exit code %d, want %d:\n%s", args, got, code, out.String())
	}
	for _, w := range want {
		if !regexp.MustCompile(w).Match(out.Bytes()) {
			t.Fatalf("%q: no %s in:\n%s", args, w, out.String())
		}
	}
	return out.String()
}

// failing is a test that fails on the unpatched kernel.
const failing = "timens-offset.TestOneClock"

// A test that fails in a guest is debugged there: before it, and stopped where it fails, with its
// threads and its files, in both lanes.
func TestDebug(t *testing.T) {
	g := newGuests(t)
	latest := filepath.Join(g.results, "latest")
	g.run(t, 0, nil, "run", "-series", "control", "-run", "^"+regexp.QuoteMeta(failing)+"$", "-results", g.results)
	for _, lane := range []string{"real", "virtual"} {
		g.run(t, 0, []string{`the guest has stopped: before ` + failing, `(?m)^--- FAIL: TestOneClock`},
			"debug", latest, failing, "-lane", lane, "--", "sh", "-c", `eval "$VMTEST_COMMAND" || true`)
		g.run(t, 0, []string{failing + ` has failed and is stopped there, process`, `_test.go:\d+: `, `Name:\s+timens-offset\.t\n(?s:.{0,40})State:\s+T \(stopped\)(?s:.{0,80})TracerPid:\s+0\n`},
			"debug", latest, failing, "-lane", lane, "-at", "fail", "--", "sh", "-c", `cat /proc/[0-9]*/status || true`)
	}
	g.run(t, 0, []string{`not as expected in 0 of 2 guests`}, "debug", latest, failing, "-count", "2")
	g.run(t, 7, []string{failing + ` has failed and is stopped there`}, "debug", latest, failing, "-until-fail", "-at", "fail", "-alone", "--", "sh", "-c", "exit 7")
	share := t.TempDir()
	if err := os.WriteFile(filepath.Join(share, "file"), []byte("of the host\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	g.run(t, 0, []string{`of the host`, `(?i)read-only file system`, `execve\("/bin/cat"`},
		"debug", latest, failing, "-share", share, "-with", "strace", "--", "sh", "-c", `strace -e trace=execve cat /share/file; echo x >/share/file || true`)
}

var waits = regexp.MustCompile(`(?m)the guest waits for gdb; type in another terminal:  (.*)$`)

// A scripted session of gdb stops the kernel in a function that the series changes, reads the
// kernel's own structures, and lets the guest go on: a run to its verdict, and a shell to the end of its command.
func TestGDB(t *testing.T) {
	g := newGuests(t)
	const passes = `(?m)^verdict  pass, not standard: -gdb \(1 pass`
	run := func(lane string) []string {
		return []string{"run", "-series", "timens-offset", "-run", "^" + regexp.QuoteMeta(failing) + "$", "-lane", lane, "-gdb", "-break-patch", "-results", g.results}
	}
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"real":    {run("real"), passes},
		"virtual": {run("virtual"), passes},
		"shell":   {[]string{"shell", "-series", "timens-offset", fmt.Sprintf("-gdb=%d", freePort(t)), "-break-patch", "--", "/tests/timens-offset.test", "-test.run", "^TestOneClock$"}, `(?m)^PASS$`},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := g.command(t, tc.args...)
			var out said
			line, ended := out.gdb(t, cmd)
			gdb := exec.CommandContext(t.Context(), "sh", "-c", line+` -batch -ex continue -ex backtrace -ex "lx-ps" -ex lx-version -ex delete -ex detach`)
			gdb.Dir = g.root
			session, err := gdb.CombinedOutput()
			if err != nil {
				t.Errorf("gdb: %v", err)
			}
			<-ended
			for _, want := range []string{`Breakpoint \d+, \w+ \(\w+=`, `(?m)^#1 `, `init/1|swapper`, `Linux version 6`} {
				if !regexp.MustCompile(want).Match(session) {
					t.Errorf("gdb does not say %s:\n%s", want, session)
				}
			}
			if code := cmd.ProcessState.ExitCode(); code != 0 || !regexp.MustCompile(tc.want).MatchString(out.String()) {
				t.Errorf("exit code %d, no %s in:\n%s", code, tc.want, &out)
			}
		})
	}
}
