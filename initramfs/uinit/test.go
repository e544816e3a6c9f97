// SPDX-License-Identifier: BSD-3-Clause

package uinit

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/internal/wire"
)

// dumpGrace is how long a test has, after its timeout, to print its goroutines.
const dumpGrace = 2 * time.Second

// quiet keeps the Go runtime from sending signals to its own threads. In a test
// such a signal looks like an EINTR without a cause.
const quiet = "GODEBUG=asyncpreemptoff=1"

// runner runs tests.
type runner struct {
	out      *records
	overdue  <-chan int    // numbers of tests that the host wants ended
	patience time.Duration // beyond a test's timeout, in guest time
	tries    int           // how often a test runs at most
	key      string        // the run's key
	counts   gcov
	ring     ring
	sysctls  *sysctls
	env      []string // tells a test where it runs
}

// run runs one test and writes its records. It runs a test again that the emulator
// may have ended. An error means that uinit failed, not the test.
func (r runner) run(t wire.Test) error {
	for try := 1; ; try++ {
		again, err := r.once(t, try < r.tries)
		if !again || err != nil {
			return err
		}
	}
}

// once runs one test in a process of its own and writes its records. What the
// test has changed in the guest is undone before the record of its end. again
// says that it is to run again.
func (r runner) once(t wire.Test, mayRepeat bool) (again bool, err error) {
	out, seq := r.out, r.out.seq
	if err := announce("start " + t.String()); err != nil {
		return false, err
	}
	if err := out.write(wire.Record{Type: wire.TypeStart, TestID: &t.TestID}); err != nil {
		return false, err
	}
	dir, err := mountTmp(t)
	if err != nil {
		return false, err
	}
	output, w, err := os.Pipe()
	if err != nil {
		return false, err
	}
	cmd := r.command(t, dir)
	cmd.Stdout, cmd.Stderr = w, w
	if err := r.counts.reset(); err != nil {
		return false, err
	}
	if err := r.ring.start(); err != nil {
		return false, err
	}
	began := uptime()
	if err := startUnprotected(cmd); err != nil {
		return false, errors.Join(err, w.Close(), output.Close())
	}
	if err := w.Close(); err != nil {
		return false, err
	}
	copied := make(chan copyResult, 1)
	go func() { copied <- copyOutput(out, t.TestID, output) }()

	end := r.await(cmd, seq, time.Duration(t.TimeoutS*float64(time.Second))+r.patience)
	end.DurationS = uptime() - began
	if err := r.ring.stop(); err != nil {
		return false, err
	}
	left, err := endStrays(graceOf(end), killAll)
	if err != nil {
		return false, err
	}
	end.LeftProcesses, end.LeftNames = left.count, left.names
	c := <-copied // the copy ends, because every process that could write has ended
	if err := errors.Join(c.err, output.Close()); err != nil {
		return false, err
	}
	end.Dropped = c.dropped
	end.Again = mayRepeat && !end.TimedOut && wire.MayRepeat(t.TestID, end, c.output)
	if !end.Again {
		if err := errors.Join(r.reportLeft(t.TestID, leaveDir(dir)), r.counts.report(out, t.TestID), r.ring.report(out, t.TestID, end)); err != nil {
			return false, err
		}
	}
	if err := unmountTmp(); err != nil {
		return false, err
	}
	if end.Sysctls, err = r.sysctls.restore(); err != nil {
		return false, err
	}
	return end.Again, out.write(wire.Record{Type: wire.TypeEnd, TestID: &t.TestID, End: &end})
}

// command returns the command that runs a test in its folder dir.
func (r runner) command(t wire.Test, dir string) *exec.Cmd {
	// As under go test, os.Exit(0) in a test panics, so that a test cannot
	// end as passed by calling it.
	cmd := exec.Command(wire.TestBinary(t.Package), "-test.paniconexit0",
		"-test.run=^"+t.Name+"$", "-test.v=test2json", "-test.count=1", "-test.timeout=0")
	cmd.Dir = dir
	cmd.Env = append([]string{"HOME=" + dir, "TMPDIR=" + dir, "PATH=/bin", "GOTRACEBACK=all", quiet, wire.LeaveEnv + "=" + leaveDir(dir)}, r.env...)
	if t.After != "" {
		cmd.Env = append(cmd.Env, wire.LeftEnv+"="+filepath.Join(wire.CarriedDir, wire.CarriedName(t.Before(), "")))
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Unshareflags: unix.CLONE_NEWNS}
	return cmd
}

// graceOf returns how long the processes of a test may outlive it. A test that
// was killed could not end its own.
func graceOf(end wire.End) time.Duration {
	if end.TimedOut || end.Signal != "" {
		return 0
	}
	return strayGrace
}

// startUnprotected starts a test that the kernel may kill when memory runs out.
// Otherwise the kernel could kill uinit, if the memory that the test uses does
// not count as the test's own.
func startUnprotected(cmd *exec.Cmd) error {
	if err := setOOMScore(killAsUsual); err != nil {
		return err
	}
	return errors.Join(cmd.Start(), setOOMScore(neverKill))
}

// announce writes a mark to the kernel log, so that a splat there can be
// assigned to a test.
func announce(text string) error {
	return os.WriteFile("/dev/kmsg", []byte("<6>vmtest: "+text+"\n"), 0)
}

// await waits for the process of the test that started with record seq. When
// its time is over, by our clock or the host's, await asks for a dump, and
// kills the process if it does not end then.
func (r runner) await(cmd *exec.Cmd, seq int, timeout time.Duration) wire.End {
	var end wire.End
	// Signal and Kill fail if the process has just ended by itself.
	dump := time.AfterFunc(timeout, func() { _ = cmd.Process.Signal(syscall.SIGQUIT) })
	kill := time.AfterFunc(timeout+dumpGrace, func() { _ = cmd.Process.Kill() })
	ended := make(chan struct{})
	go func() {
		for {
			select {
			case n := <-r.overdue:
				if n == seq {
					dump.Reset(0)
					kill.Reset(dumpGrace)
				}
			case <-ended:
				return
			}
		}
	}()
	_ = cmd.Wait() // the process state has all that the error says
	close(ended)
	end.TimedOut = !dump.Stop()
	kill.Stop()
	end.Exit = cmd.ProcessState.ExitCode()
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		end.Signal = unix.SignalName(ws.Signal())
	}
	return end
}

type copyResult struct {
	output  []byte // the first OutputLimit bytes
	dropped int64
	err     error
}

// copyOutput passes on the first OutputLimit and the last OutputTail bytes.
func copyOutput(out *records, id wire.TestID, r io.Reader) copyResult {
	var held []byte
	var c copyResult
	pass := func(data []byte) {
		for len(data) > 0 && c.err == nil {
			n := min(len(data), 4096)
			c.err = out.write(wire.Record{Type: wire.TypeOutput, TestID: &id, Data: data[:n]})
			data = data[n:]
		}
	}
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Read(buf)
		now := min(n, wire.OutputLimit-len(c.output))
		pass(buf[:now])
		c.output = append(c.output, buf[:now]...)
		held = append(held, buf[now:n]...)
		if extra := len(held) - wire.OutputTail; extra > 0 {
			held = append(held[:0], held[extra:]...)
			c.dropped += int64(extra)
		}
		if err != nil {
			pass(held)
			if c.err == nil && err != io.EOF {
				c.err = err
			}
			return c
		}
	}
}
