// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// suite is the tests of a package that judge the mutants of a package.
type suite struct {
	folder string
	tests  []test
	blocks []block // of the package with the mutants
	binary string  // with all its mutants asleep
}

// What a test may use with a mutant: each asks for all there is, or waits for ever, sooner or later.
const (
	maxData = 4 << 30         // bytes that it may write to
	maxWait = 2 * time.Minute // beside 20 times the time that it took without a mutant
	grace   = 10 * time.Second
)

// quick is how much time of a CPU a test takes that runs before the others.
const quick = 50 * time.Millisecond

// listSuite builds the tests of a folder and runs each alone, several at a time, to know which
// parts of the package in mutated it runs. All must pass.
func (t tree) listSuite(ctx context.Context, folder string, mutated *source, jobs int) (suite, error) {
	s := suite{folder: folder}
	binary := filepath.Join(t.work, "cover.test")
	if _, err := t.golang(ctx, "test", "-c", "-vet=off", "-cover", "-covermode=set", "-coverpkg="+mutated.path, "-o", binary, "./"+folder); err != nil {
		return s, fmt.Errorf("build the tests of %s: %w", folder, err)
	}
	list := exec.CommandContext(ctx, binary, "-test.list", "^(Test|Fuzz|Example)")
	list.Dir = filepath.Join(t.root, folder)
	out, err := list.Output()
	if err != nil {
		return s, fmt.Errorf("list the tests of %s: %w", folder, said(err))
	}
	names := strings.Fields(string(out))
	if len(names) == 0 {
		return s, fmt.Errorf("%s has no tests", folder)
	}
	s.tests = make([]test, len(names))
	blocks := make([][]block, len(names)) // the same for each test
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(jobs)
	for i, name := range names {
		g.Go(func() error {
			profile := filepath.Join(t.work, name+".profile")
			r := run{binary: binary, dir: list.Dir, tests: []string{name}, args: []string{"-test.coverprofile=" + profile}, cpu: time.Hour, wait: time.Hour}
			began := time.Now()
			failed, out, cpu := r.fails(within)
			if failed {
				return fmt.Errorf("%s of %s fails without a mutant, so it cannot judge one; type \"go test ./%s -run '^%s$'\":\n%s", name, folder, folder, name, out)
			}
			one := test{name: name, took: time.Since(began), cpu: cpu}
			var err error
			blocks[i], one.ran, err = readProfile(profile)
			s.tests[i] = one
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return s, err
	}
	s.blocks = blocks[0]
	return s, nil
}

// run is one run of a test binary.
type run struct {
	binary string
	dir    string
	tests  []string
	args   []string
	cpu    time.Duration // the time of a CPU that they may take
	wait   time.Duration // the time that they may take
	awake  int           // number of the mutant; 0: none
	tmp    string        // for files that the tests make; "": that of the system
}

// fails runs the tests up to the first that fails. It returns what they printed, and how much time
// of a CPU they took.
func (r run) fails(ctx context.Context) (failed bool, out string, cpu time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, r.wait+grace)
	defer cancel()
	args := append([]string{"-test.run=^(" + strings.Join(r.tests, "|") + ")$", "-test.failfast", "-test.timeout=" + r.wait.String()}, r.args...)
	cmd := exec.CommandContext(ctx, r.binary, args...)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", wakeEnv, r.awake))
	if r.tmp != "" {
		cmd.Env = append(cmd.Env, "TMPDIR="+r.tmp)
	}
	var printed head
	cmd.Stdout, cmd.Stderr = &printed, &printed
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = grace
	err := cmd.Start()
	if err == nil {
		seconds := uint64(1 + r.cpu/time.Second)
		err = errors.Join(
			unix.Prlimit(cmd.Process.Pid, unix.RLIMIT_DATA, &unix.Rlimit{Cur: maxData, Max: maxData}, nil),
			unix.Prlimit(cmd.Process.Pid, unix.RLIMIT_CPU, &unix.Rlimit{Cur: seconds, Max: seconds + 1}, nil),
			cmd.Wait())
		cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // children that are left; there may be none
	}
	if err != nil {
		return true, fmt.Sprintf("%s%v", printed.text.Bytes(), err), cpu
	}
	return false, printed.text.String(), cpu
}

// head keeps the begin of what is written to it.
type head struct{ text bytes.Buffer }

func (h *head) Write(p []byte) (int, error) {
	if room := 64<<10 - h.text.Len(); room > 0 {
		h.text.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

var failRE = regexp.MustCompile(`(?m)^--- FAIL: (\S+)`)

// timedOut is what notices a mutant that never ends.
const timedOut = "the time limit"

// try runs the tests that reach a mutant, the quick ones first, until one notices it. It returns
// the name of that test, or "" if the mutant survives.
func (s suite) try(ctx context.Context, t tree, m *mutant, binary string, awake int, tmp string) string {
	reached := reach(m, s.blocks, s.tests)
	for _, part := range []bool{true, false} {
		r := run{binary: binary, dir: filepath.Join(t.root, s.folder), awake: awake, tmp: tmp, cpu: t.patience, wait: maxWait}
		for _, one := range reached {
			if (one.cpu < quick) == part {
				r.tests = append(r.tests, one.name)
				r.cpu += 10 * one.cpu
				r.wait += 20 * one.took
			}
		}
		if len(r.tests) == 0 {
			continue
		}
		if failed, out, _ := r.fails(ctx); failed {
			return r.blamed(s.folder, out)
		}
	}
	return ""
}

// blamed returns which of the tests failed, as their output says; otherwise the folder.
func (r run) blamed(folder, out string) string {
	for _, sign := range []string{"panic: test timed out", "SIGXCPU", "signal: killed", "signal: CPU time limit exceeded"} {
		if strings.Contains(out, sign) {
			return timedOut
		}
	}
	if found := failRE.FindStringSubmatch(out); found != nil {
		return found[1]
	}
	for _, name := range r.tests {
		if strings.Contains(out, "."+name+"(") { // in a trace
			return name
		}
	}
	return folder
}
