// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	expect "github.com/Netflix/go-expect"
	"github.com/creack/pty"
	"mvdan.cc/sh/v3/interp"
)

// asShell makes this test binary the shell.
const asShell = "BE_THE_SHELL"

func TestMain(m *testing.M) {
	if os.Getenv(asShell) != "" {
		main()
	}
	os.Exit(m.Run())
}

func shell(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), asShell+"=1", "TERM=xterm")
	cmd.Dir = t.TempDir()
	return cmd
}

func code(t *testing.T, err error) int {
	t.Helper()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0
}

// The typed words are split by quotes, so that the echo is not taken for output.
func TestTerminal(t *testing.T) {
	type step struct{ send, want string }
	// Ctrl-D is typed at the prompt: typed before, it would be for the program.
	alive := []step{{"echo ali''ve\n", "alive"}, {"", "# "}, {"\x04", ""}}
	for name, tc := range map[string]struct {
		steps []step
		code  int
	}{
		"a line that is ready":            {append([]step{{"", "echo rea''dy"}, {"\n", "ready"}, {"", "# "}, {"echo ag''ain\n", "again"}}, alive...), 0},
		"exit":                            {[]step{{"exit 3\n", ""}}, 3},
		"Ctrl-D":                          {[]step{{"false\n", "# "}, {"\x04", ""}}, 1},
		"Ctrl-C at the prompt":            {append([]step{{"ech\x03", "^C"}}, alive...), 0},
		"Ctrl-C ends a command":           {append([]step{{"echo go''es; sleep 1000\n", "goes"}, {"\x03", "# "}, {"echo code=$?\n", "code=130"}}, alive...), 0},
		"Ctrl-C ends a builtin":           {append([]step{{"echo go''es; while true; do :; done\n", "goes"}, {"\x03", "# "}, {"echo code=$?\n", "code=130"}}, alive...), 0},
		"Ctrl-C ends a loop":              {append([]step{{"echo go''es; while true; do sleep 0.05; done\n", "goes"}, {"\x03", "# "}}, alive...), 0},
		"Ctrl-C drops the rest of a line": {append([]step{{"echo go''es; sleep 1000; echo to''olate\n", "goes"}, {"\x03", "# "}}, alive...), 0},
		"Ctrl-\\":                         {append([]step{{"echo go''es; sleep 1000\n", "goes"}, {"\x1c", "# "}}, alive...), 0},
		"Ctrl-C is the program's":         {append([]step{{"sh -c 'trap \"echo cau''ght; exit\" INT; echo go''es; while :; do sleep 0.05; done'\n", "goes"}, {"\x03", "caught"}}, alive...), 0},
		"a program reads the terminal":    {append([]step{{"echo go''es; cat\n", "goes"}, {"a''b\n", "a''b"}, {"", "a''b"}, {"\x04", "# "}}, alive...), 0},
		"lines that are pasted":           {append([]step{{"echo on''e\necho tw''o\n", "one"}, {"", "two"}}, alive...), 0},
		"typed before the prompt":         {append([]step{{"echo go''es; sleep 0.5\n", "goes"}, {"echo typ''ed\n", "typed"}}, alive...), 0},
		"a statement of several lines":    {append([]step{{"for i in 1 2; do\n", "> "}, {"echo i$i\ndone\n", "i1"}, {"", "i2"}}, alive...), 0},
		"a syntax error":                  {append([]step{{"fi\n", "sh: "}}, alive...), 0},
		"status of the command before":    {append([]step{{"sh -c 'exit 7'\n", "# "}, {"echo code=$?\n", "code=7"}}, alive...), 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var seen strings.Builder
			c, err := expect.NewConsole(expect.WithStdout(&seen), expect.WithDefaultTimeout(20*time.Second))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() }) // the shell may hold the terminal, but was killed before
			// In a window that is too narrow for the prompt there is no editor.
			if err := pty.Setsize(c.Tty(), &pty.Winsize{Rows: 24, Cols: 200}); err != nil {
				t.Fatal(err)
			}
			cmd := shell(t)
			if name == "a line that is ready" {
				cmd.Env = append(cmd.Env, readyEnv+"=echo rea''dy")
			}
			cmd.Stdin, cmd.Stdout, cmd.Stderr = c.Tty(), c.Tty(), c.Tty()
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			for _, s := range append([]step{{"", "# "}}, tc.steps...) {
				if _, err := c.Send(s.send); err != nil {
					t.Fatal(err)
				}
				if _, err := c.ExpectString(s.want); err != nil {
					t.Fatalf("after %q there is no %q: %v; the terminal shows:\n%s", s.send, s.want, err, seen.String())
				}
			}
			if got := code(t, cmd.Wait()); got != tc.code {
				t.Errorf("exit code %d, want %d; the terminal shows:\n%s", got, tc.code, seen.String())
			}
			if strings.Contains(seen.String(), "toolate") {
				t.Errorf("after Ctrl-C the line went on:\n%s", seen.String())
			}
		})
	}
}

// When something was printed over the prompt, the shell prints the prompt again,
// with what was typed before.
func TestRedraw(t *testing.T) {
	c, err := expect.NewConsole(expect.WithDefaultTimeout(20 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() }) // as above
	if err := pty.Setsize(c.Tty(), &pty.Winsize{Rows: 24, Cols: 200}); err != nil {
		t.Fatal(err)
	}
	cmd := shell(t)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.Tty(), c.Tty(), c.Tty()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"# ", "half a line", "# half a line", "\n"} {
		switch want {
		case "half a line":
			_, err = c.Send(want)
		case "# half a line":
			err = cmd.Process.Signal(syscall.SIGWINCH)
		case "\n":
			_, err = c.Send("\x03\x04")
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.ExpectString(want); err != nil {
			t.Fatalf("no %q: %v", want, err)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestScripts(t *testing.T) {
	for name, tc := range map[string]struct {
		args  []string
		stdin string
		out   string
		code  int
	}{
		"-c":                      {[]string{"-c", "echo a; exit 7"}, "", "a\n", 7},
		"-c with arguments":       {[]string{"-c", `"$@"`, "sh", "echo", "a  b", "c"}, "", "a  b c\n", 0},
		"a builtin as command":    {[]string{"-c", `"$@"`, "sh", "false"}, "", "", 1},
		"no such command":         {[]string{"-c", `"$@"`, "sh", "no-such-command"}, "", "", 127},
		"a signal":                {[]string{"-c", "sh -c 'kill -9 $$'"}, "", "", 137},
		"a script on its input":   {nil, "echo a\nexit 4\n", "a\n", 4},
		"an input that is passed": {[]string{"-c", "cat"}, "a\nb", "a\nb", 0},
		"bad syntax":              {[]string{"-c", "fi"}, "", "", 2},
		"no such script":          {[]string{"no-such-script"}, "", "", 127},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := shell(t, tc.args...)
			cmd.Stdin = strings.NewReader(tc.stdin)
			out, err := cmd.Output()
			if got := code(t, err); got != tc.code || string(out) != tc.out {
				t.Errorf("exit code %d, output %q; want %d, %q", got, out, tc.code, tc.out)
			}
		})
	}
}

func TestComplete(t *testing.T) {
	dir, bin := t.TempDir(), t.TempDir()
	for _, path := range []string{filepath.Join(dir, "timens.test"), filepath.Join(dir, "386", "timens.test"), filepath.Join(bin, "tail")} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+":"+filepath.Join(dir, "absent"))
	runner, err := interp.New(interp.Dir(dir))
	if err != nil {
		t.Fatal(err)
	}
	runner.Reset()
	p := &prompt{runner: runner}
	for _, tc := range []struct {
		line string
		want []string
	}{
		{"ta", []string{"tail"}},
		{"./ti", []string{"./timens.test"}},
		{"cat t", []string{"timens.test"}},
		{"cat 3", []string{"386/"}},
		{"cat 386/", []string{"386/timens.test"}},
		{"ls absent/", nil},
		{"ls " + bin + "/", []string{bin + "/tail"}},
	} {
		if _, got, _ := p.complete(tc.line, len(tc.line)); !slices.Equal(got, tc.want) {
			t.Errorf("%q: got %q, want %q", tc.line, got, tc.want)
		}
	}
}
