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

	"timens-vmtest/internal/blame"
)

// Command returns a command that runs in dir, outside of the sandbox. It has a process
// group of its own, and the whole group is ended when ctx ends. Of the caller's
// environment it gets only PATH, HOME and the folder for temporary files, and env is
// added: MAKEFLAGS, ARCH, KCFLAGS or GIT_DIR of the caller would change what is built. Python
// leaves no compiled modules beside those of the kernel, whose source in the cache must stay as it is.
func Command(ctx context.Context, dir string, env []string, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append([]string{
		"LC_ALL=C",
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + os.Getenv("HOME"),
		"TMPDIR=" + os.TempDir(),
		"PYTHONDONTWRITEBYTECODE=1",
	}, env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second // make deletes half-written targets in this time
	return cmd
}

// Run runs a command and returns what it printed to standard output. The error has the
// last 20 lines of standard error, and says so if the tool is not installed, the disk
// is full or there is no sandbox.
func Run(cmd *exec.Cmd) ([]byte, error) { return RunConfined(&Cmd{Cmd: cmd}) }

// RunConfined does for a command of Box.Command what Run does for others.
func RunConfined(cmd *Cmd) ([]byte, error) {
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if _, bound := errors.AsType[*blame.BoundError](err); bound {
		return nil, err
	}
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

// shown returns the command line without the sandbox around it.
func shown(cmd *Cmd) string {
	if cmd.Args[0] == Name {
		return strings.Join(cmd.Args[2:], " ")
	}
	return strings.Join(cmd.Args, " ")
}

var diskFullRE = regexp.MustCompile(`(?m)^.*?(?:(/[^\s:'"]+)['"]?: ['"]?)?(No space left on device|Disk quota exceeded)[)'"]*$`)

// DiskFull returns an error if a tool's output says that a disk was full or a quota
// exceeded, and nil otherwise. The error is an fs.PathError with ENOSPC or EDQUOT. Its
// path comes from the output, or is dir if the output names none.
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

// lineSize is how much of a line is shown to the user. What a series prints may be one
// line of megabytes.
const lineSize = 1000

// Tail returns the last n lines of text, without newlines at its end. The middle of a
// very long line is left out.
func Tail(text []byte, n int) string {
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	for i, line := range lines {
		if more := len(line) - lineSize; more > 0 {
			lines[i] = fmt.Sprintf("%s[... %d bytes ...]%s", line[:lineSize/2], more, line[len(line)-lineSize/2:])
		}
	}
	return strings.Join(lines, "\n")
}
