// SPDX-License-Identifier: BSD-3-Clause

package nightly

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"timens-vmtest/internal/cache"
	"timens-vmtest/vmtest/history"
	"timens-vmtest/vmtest/verdict"
)

// Files of a cell that runs a command.
const (
	outputFile  = "output.txt"   // what the command printed
	commandFile = "command.json" // how it ended; it is written last
)

// commandGrace is how long a command that was interrupted has to end its own children, such as
// guests and builds.
const commandGrace = 30 * time.Second

// command runs a command in a checkout of this project. Its exit code is the verdict.
func (m Machine) command(ctx context.Context, root string, words []string, dir string) (history.Cell, error) {
	ran := ended{Command: words}
	words = slices.Clone(words)
	for i, w := range words {
		words[i] = strings.ReplaceAll(w, FolderWord, dir)
	}
	if words[0] == ownProgram {
		words[0] = filepath.Join(root, ownProgram)
	}
	err := m.execute(ctx, root, words, filepath.Join(dir, outputFile))
	if ctx.Err() != nil {
		return history.Cell{}, ctx.Err()
	}
	exit, ok := errors.AsType[*exec.ExitError](err)
	if err != nil && !ok {
		return history.Cell{}, err
	}
	if ok {
		ran.Exit = exit.ExitCode()
	}
	if err := cache.WriteJSON(filepath.Join(dir, commandFile), ran); err != nil {
		return history.Cell{}, err
	}
	c := ran.judge(dir)
	return c, m.inputs(ctx, root, dir, &c)
}

// ended is how a command ended.
type ended struct {
	Command []string `json:"command"`
	Exit    int      `json:"exit"` // -1: a signal ended it
}

// judge returns what became of the command whose output is in the folder dir.
func (e ended) judge(dir string) history.Cell {
	c := history.Cell{Stage: history.StageTests, Verdict: verdictOfExit(e.Command[0], e.Exit).String(), Command: e.Command}
	if e.Exit != 0 {
		c.Trouble = lastLine(filepath.Join(dir, outputFile))
		c.Faults = []string{c.Trouble}
	}
	if c.Verdict == verdict.Unbuilt.String() {
		c.Stage = history.StageBuild
	}
	return c
}

// Judge judges the folder of a cell that has run.
func (m Machine) Judge(dir string) (history.Cell, error) {
	text, err := os.ReadFile(filepath.Join(dir, commandFile))
	if errors.Is(err, fs.ErrNotExist) {
		return evidence(dir)
	}
	if err != nil {
		return history.Cell{}, err
	}
	var e ended
	err = json.Unmarshal(text, &e)
	if err == nil && len(e.Command) == 0 {
		err = errors.New("it names no command")
	}
	if err != nil {
		return history.Cell{}, fmt.Errorf("%s: %w", filepath.Join(dir, commandFile), err)
	}
	return e.judge(dir), nil
}

// execute runs a command, whose output goes to a file. When ctx ends, the command is asked to
// end. By $GOMAXPROCS, a vmtest in it knows how many cores there are for it.
func (m Machine) execute(ctx context.Context, dir string, words []string, output string) error {
	out, err := os.Create(output)
	if err != nil {
		return err
	}
	defer out.Close() // what counts is how the command ends
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	// Variables of the make that runs the night are not those of a make in it.
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "MAKE") || strings.HasPrefix(v, "MFLAGS=") })
	cmd.Env = append(cmd.Env, m.Host.GoCores())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = commandGrace
	return cmd.Run()
}

// verdictOfExit is the verdict of a command. Make ends with 2 whatever the exit code of its
// command was.
func verdictOfExit(program string, code int) verdict.Verdict {
	for _, v := range []verdict.Verdict{verdict.Passed, verdict.Failed, verdict.Unbuilt} {
		if v.ExitCode() == code {
			return v
		}
	}
	if filepath.Base(program) == "make" && code == 2 {
		return verdict.Failed
	}
	return verdict.Unjudged
}

// lastLine returns the last line of a file that is not empty.
func lastLine(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}
