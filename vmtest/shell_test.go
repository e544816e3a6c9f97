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
	"strings"
	"syscall"
	"testing"
	"time"

	expect "github.com/Netflix/go-expect"
	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"timens-vmtest/internal/retest"
)

var bootShell = flag.Bool("boot-shell", false, "boot the kernel of the default series for the tests of the shell, by ../bin/vmtest")

// shellHost is where "vmtest shell" runs: with a fake QEMU, or with a guest.
type shellHost struct {
	vmtest []string
	dir    string
	env    []string
	panics string // command at which the kernel panics
	warns  string // command at which the kernel warns
	size   string // command that prints the size of the window
	sizes  string // format of what it prints
}

// inGuest keeps a command that would hurt a host from running anywhere else.
const inGuest = "test -e /bin/uinit && "

func newShellHost(t *testing.T) shellHost {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	self, err := exec.LookPath("vmtest")
	if err != nil {
		t.Fatal(err)
	}
	if *bootShell {
		return shellHost{
			vmtest: []string{filepath.Join(root, "bin", "vmtest"), "shell"}, dir: root, env: realEnv(t),
			panics: inGuest + "echo c > /proc/sysrq-trigger", warns: inGuest + "echo '<3>WARNING: on purpose' > /dev/kmsg",
			size: "stty", sizes: "rows:%d cols:%d",
		}
	}
	work := t.TempDir()
	if err := copyTree(filepath.Join("testdata", "tree"), filepath.Join(work, "tree")); err != nil {
		t.Fatal(err)
	}
	goCache, err := exec.Command("go", "env", "GOCACHE").Output() // it would move with XDG_CACHE_HOME and be empty
	if err != nil {
		t.Fatal(err)
	}
	return shellHost{
		vmtest: []string{self, "shell", "-tree", filepath.Join(work, "tree"), "-accel", "tcg", "-sandbox", "off"}, dir: root,
		env:    append(os.Environ(), "XDG_CACHE_HOME="+filepath.Join(work, "cache"), "TMPDIR="+work, "GOCACHE="+strings.TrimSpace(string(goCache))),
		panics: "> panic", warns: "> warn",
		size: "stty size", sizes: "%d %d",
	}
}

func (h shellHost) command(t *testing.T, args ...string) *exec.Cmd {
	args = append(h.vmtest, args...)
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Dir, cmd.Env = h.dir, append(h.env, "TERM=xterm")
	return cmd
}

// TestShell uses "vmtest shell", by -boot-shell with a guest and else with a fake
// QEMU.
func TestShell(t *testing.T) {
	retest.IfChanged(t, "..", ".", ":!*.md")
	h := newShellHost(t)
	// The first builds what all use.
	if out, err := h.command(t, "--", "true").CombinedOutput(); err != nil {
		t.Fatalf("vmtest shell -- true: %v\n%s", err, out)
	}
	t.Run("terminal", h.terminal)
	t.Run("command", h.commands)
	if !*bootShell { // a guest boots
		t.Run("no shell", h.neverBegins)
	}
}

// resize is a step that changes the window.
const resize = "(resize)"

// terminal types at a real terminal. Words are split in what is typed, so that
// the echo is not taken for output.
func (h shellHost) terminal(t *testing.T) {
	type step struct{ send, want string }
	// Ctrl-D is typed at the prompt: typed before, it would be for the program.
	alive := []step{{"echo ali''ve\n", "\nalive\r\n"}, {"", "# "}, {"\x04", ""}}
	for _, tc := range []struct {
		name  string
		steps []step
		code  int
	}{
		{"exit", []step{{"exit 3\n", ""}}, 0},
		{"Ctrl-D", []step{{"false\n", "# "}, {"\x04", ""}}, 0},
		{"Ctrl-]", []step{{"\x1d", ""}}, 0},
		{"Ctrl-] in a command", []step{{"echo go''es; sleep 1000\n", "goes"}, {"\x1d", ""}}, 0},
		{"Ctrl-] while much is printed", []step{{"while true; do echo go''es; done\n", "goes"}, {"\x1d", ""}}, 0},
		{"Ctrl-] behind input that nobody reads", []step{{"echo go''es; sleep 1000\n", "goes"}, {strings.Repeat("x", 20000), ""}, {"\x1d", ""}}, 0},
		{"Ctrl-C", append([]step{{"echo go''es; sleep 1000\n", "goes"}, {"\x03", "# "}, {"\x03", "^C"}}, alive...), 0},
		{"the window", append([]step{{h.size + "\n", fmt.Sprintf(h.sizes, 31, 117)}, {"", "# "}, {resize, "# "}, {h.size + "\n", fmt.Sprintf(h.sizes, 33, 122)}, {"", "# "}}, alive...), 0},
		{"the kernel speaks", append([]step{{"half a line", "half a line"}, {"\x03", "^C"}, {h.warns + "\n", "WARNING: "}, {"", "on purpose\r\n"}, {"", "# "}}, alive...), 0},
		{"a panic", []step{{h.panics + "\n", "Kernel panic - not syncing: sysrq triggered crash"}, {"", "vmtest shell: the guest ended before its shell: Kernel panic - not syncing: sysrq triggered crash"}}, 4},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var seen bytes.Buffer
			c, err := expect.NewConsole(expect.WithStdout(&seen), expect.WithDefaultTimeout(time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			tty := int(c.Tty().Fd())
			if err := pty.Setsize(c.Tty(), &pty.Winsize{Rows: 31, Cols: 117}); err != nil {
				t.Fatal(err)
			}
			before, err := unix.IoctlGetTermios(tty, unix.TCGETS)
			if err != nil {
				t.Fatal(err)
			}
			cmd := h.command(t)
			cmd.Stdin, cmd.Stdout, cmd.Stderr = c.Tty(), c.Tty(), c.Tty()
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			for _, s := range append([]step{{"", "run one test:  ./"}, {"", "Ctrl-]"}, {"", "# "}}, tc.steps...) {
				if s.send == resize {
					if err := pty.Setsize(c.Tty(), &pty.Winsize{Rows: 33, Cols: 122}); err != nil {
						t.Fatal(err)
					}
					s.send = ""
				}
				if _, err := c.Send(s.send); err != nil {
					t.Fatal(err)
				}
				if _, err := c.ExpectString(s.want); err != nil {
					t.Fatalf("after %q there is no %q: %v; the terminal shows:\n%s", s.send, s.want, err, seen.String())
				}
			}
			select {
			case err = <-ended:
			case <-time.After(time.Minute):
				t.Fatalf("vmtest shell does not end; the terminal shows:\n%s", seen.String())
			}
			if got := exitCode(t, err); got != tc.code {
				t.Errorf("exit code %d, want %d; the terminal shows:\n%s", got, tc.code, seen.String())
			}
			if after, err := unix.IoctlGetTermios(tty, unix.TCGETS); err != nil || *after != *before {
				t.Errorf("the terminal is left in another mode: %v, %+v, want %+v", err, after, before)
			}
			if n, err := unix.IoctlGetInt(tty, unix.TIOCINQ); err != nil || n != 0 {
				t.Errorf("%d bytes that were typed for the guest are left for the host's shell (%v)", n, err)
			}
			for _, never := range []string{"not to be shown", "\x1b[2Jon purpose", "reboot: Restarting"} {
				if strings.Contains(seen.String(), never) {
					t.Errorf("the terminal shows %q:\n%s", never, seen.String())
				}
			}
		})
	}
}

func exitCode(t *testing.T, err error) int {
	t.Helper()
	if exit, ok := err.(*exec.ExitError); ok {
		return exit.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0
}

// commands runs single commands without a terminal.
func (h shellHost) commands(t *testing.T) {
	many := strings.Repeat("0123456789abcdef\n", 8000) // more than a UART's driver holds
	for _, tc := range []struct {
		name   string
		args   []string
		stdin  string
		out    string
		stderr string // regular expression
		code   int
	}{
		{"output", []string{"--", "sh", "-c", "echo out; echo err >&2"}, "", "out\n", `(?m)^err$`, 0},
		{"false", []string{"--", "false"}, "", "", "", 1},
		{"exit 7", []string{"--", "sh", "-c", "exit 7"}, "", "", "", 7},
		{"a word with spaces", []string{"--", "echo", "a  b", "$HOME"}, "", "a  b $HOME\n", "", 0},
		{"no such command", []string{"--", "no-such-command"}, "", "", `"no-such-command"`, 127},
		{"a signal", []string{"--", "sh", "-c", "kill -9 $$"}, "", "", "", 137},
		{"input", []string{"--", "cat"}, many, many, "", 0},
		{"input that nobody reads", []string{"--", "echo", "a"}, many, "a\n", "", 0},
		{"a script", nil, "echo a\nexit 5\n", "a\n", "", 5},
		{"a terminal", []string{"--", "sh", "-c", "stty >/dev/null 2>&1 || echo none"}, "", "none\n", "", 0},
		{"the kernel speaks", []string{"--", "sh", "-c", h.warns + "; sleep 0.5; echo a"}, "", "a\n", `(?m)WARNING: .*on purpose$`, 0},
		{"a panic", []string{"--", "sh", "-c", h.panics + "; sleep 10"}, "", "", `(?s)Kernel panic.*guest ended before its shell: Kernel panic - not syncing: sysrq triggered crash\nwhole console: .*console.log`, 4},
		{"no dashes", []string{"cat", "x"}, "", "", `type "vmtest shell -- cat x"`, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cmd := h.command(t, tc.args...)
			var out, stderr bytes.Buffer
			cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(tc.stdin), &out, &stderr
			got := exitCode(t, cmd.Run())
			if strings.Contains(stderr.String(), "reboot: Restarting") {
				t.Errorf("the reset is shown:\n%s", stderr.String())
			}
			if got != tc.code || out.String() != tc.out || !regexp.MustCompile(tc.stderr).MatchString(stderr.String()) {
				t.Errorf("exit code %d, want %d; output %.200q, want %.200q; on standard error, want %s:\n%s", got, tc.code, out.String(), tc.out, tc.stderr, stderr.String())
			}
		})
	}
}

// neverBegins demands the end of the console of a guest that never gets to its
// shell.
func (h shellHost) neverBegins(t *testing.T) {
	for guest, want := range map[string]string{
		"no shell": `(?s)ended before its shell: Kernel panic - not syncing: no \?\[2Jroot\n.*Linux version 6\.12\.1-fake\n.*whole console: `,
		"refused":  `(?s)ended before its shell: QEMU: exit status 1: fake QEMU: -machine i8042=off: there is no such thing\n`,
	} {
		cmd := h.command(t)
		cmd.Env = append(cmd.Env, "FAKE_GUEST="+guest)
		out, err := cmd.CombinedOutput()
		if got := exitCode(t, err); got != 4 || !regexp.MustCompile(want).Match(out) {
			t.Errorf("%s: exit code %d, want 4; no %s in:\n%s", guest, got, want, out)
		}
	}
}
