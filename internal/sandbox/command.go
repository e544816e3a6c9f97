// SPDX-License-Identifier: BSD-3-Clause

package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// Command is a child in a process group of its own, which ends as a whole when
// ctx does. Its environment is env and nothing of ours: MAKEFLAGS, ARCH,
// KCFLAGS or GIT_DIR of the caller would change what is built.
func Command(ctx context.Context, dir string, env []string, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append([]string{
		"LC_ALL=C",
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + os.Getenv("HOME"),
		"TMPDIR=" + os.TempDir(),
	}, env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second // time for make to delete half-written targets
	return cmd
}

// Run runs a short child and returns what it printed to standard output.
func Run(cmd *exec.Cmd) ([]byte, error) {
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		return nil, fmt.Errorf("%s is not installed; type \"make deps\"", cmd.Args[0])
	}
	tool, _, _ := strings.Cut(shown(cmd), " ")
	if full := DiskFull(stderr.Bytes(), tool, cmd.Dir); err != nil && full != nil {
		return nil, full
	}
	if none := noSandbox(err, stderr.Bytes()); none != nil {
		return nil, none
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", shown(cmd), err, Tail(stderr.Bytes(), 20))
	}
	return out, nil
}

// shown is what a command is, without the sandbox around it.
func shown(cmd *exec.Cmd) string {
	if cmd.Args[0] == Name {
		return strings.Join(cmd.Args[2:], " ")
	}
	return strings.Join(cmd.Args, " ")
}

var diskFullRE = regexp.MustCompile(`(?m)^.*?(?:(/[^\s:'"]+)['"]?: ['"]?)?(No space left on device|Disk quota exceeded)[)'"]*$`)

// DiskFull is the error that a tool's output tells of when it had no room to
// write to: no fault of what it was given. dir is where it wrote, unless the
// output says so.
func DiskFull(output []byte, tool, dir string) error {
	m := diskFullRE.FindSubmatch(output)
	if m == nil {
		return nil
	}
	full := &fs.PathError{Op: tool + " in", Path: dir, Err: syscall.ENOSPC}
	if m[1] != nil {
		full.Path = string(m[1])
	}
	if string(m[2]) == "Disk quota exceeded" {
		full.Err = syscall.EDQUOT
	}
	return full
}

// Tail is the last n lines of text.
func Tail(text []byte, n int) string {
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return strings.Join(lines, "\n")
}
