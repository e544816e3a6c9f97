// SPDX-License-Identifier: BSD-3-Clause

package uinit

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// breakpoint is the instruction int3.
const breakpoint = 0xcc

// tracer follows the threads of a test until the test fails.
type tracer struct {
	pid      int
	fail     uintptr      // address of the function that a failing test calls
	original []byte       // what was there before the breakpoint
	known    map[int]bool // threads that are traced: those of the test, and processes that clone() made as if they were some
	late     atomic.Bool  // the time of the test is over
}

// stopAtFail starts a test by start, runs it until it fails, and leaves it stopped there: its processes live, and
// what it has mounted and opened stays so. The test goes on with SIGCONT, and others may trace
// it. It also stops a test whose time is over, or that exits as failed by another way than
// testing.Fail, such as a panic. where says what has happened, in words that follow the name
// of the test.
func stopAtFail(cmd *exec.Cmd, start func() error, fail uintptr, timeout time.Duration) (where string, err error) {
	runtime.LockOSThread() // only the thread that starts a process may trace it
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr.Ptrace = true
	if err := start(); err != nil {
		return "", err
	}
	t := &tracer{pid: cmd.Process.Pid, fail: fail, known: make(map[int]bool)}
	if err := t.begin(); err != nil {
		return "", err
	}
	timer := time.AfterFunc(timeout, func() {
		t.late.Store(true)
		_ = unix.Kill(t.pid, unix.SIGSTOP) // it may have ended
	})
	defer timer.Stop()
	for {
		var ws unix.WaitStatus
		tid, err := unix.Wait4(-1, &ws, unix.WALL, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("wait for the test: %w", err)
		}
		if where, err := t.event(tid, ws); where != "" || err != nil {
			return where, err
		}
	}
}

// begin sets the breakpoint. The process has executed nothing yet.
func (t *tracer) begin() error {
	var ws unix.WaitStatus
	if _, err := unix.Wait4(t.pid, &ws, unix.WALL, nil); err != nil {
		return os.NewSyscallError("wait4", err)
	}
	if !ws.Stopped() {
		return fmt.Errorf("the test does not start: %s", how(ws))
	}
	t.known[t.pid] = true
	if err := unix.PtraceSetOptions(t.pid, unix.PTRACE_O_TRACECLONE|unix.PTRACE_O_TRACEEXIT|unix.PTRACE_O_EXITKILL); err != nil {
		return os.NewSyscallError("ptrace", err)
	}
	t.original = make([]byte, 1)
	if _, err := unix.PtracePeekText(t.pid, t.fail, t.original); err != nil {
		return os.NewSyscallError("ptrace", err)
	}
	if _, err := unix.PtracePokeText(t.pid, t.fail, []byte{breakpoint}); err != nil {
		return os.NewSyscallError("ptrace", err)
	}
	return os.NewSyscallError("ptrace", unix.PtraceCont(t.pid, 0))
}

// event handles what Wait4 has told of a thread. where is empty while the test goes on.
func (t *tracer) event(tid int, ws unix.WaitStatus) (where string, err error) {
	if !ws.Stopped() {
		if tid == t.pid {
			return "has ended (" + how(ws) + ")", nil
		}
		return "", nil
	}
	signal := 0
	switch sig := ws.StopSignal(); {
	case sig == unix.SIGTRAP && ws.TrapCause() == unix.PTRACE_EVENT_EXIT:
		code, err := unix.PtraceGetEventMsg(tid)
		if err != nil {
			return "", os.NewSyscallError("ptrace", err)
		}
		if status := unix.WaitStatus(code); tid == t.pid && code != 0 {
			// It stays in this stop as long as we trace it, with its memory and its files.
			return fmt.Sprintf("is stopped at its end (%s), process %d", how(status), t.pid), nil
		}
	case sig == unix.SIGTRAP && ws.TrapCause() > 0: // a thread was made; it reports itself
	case sig == unix.SIGTRAP:
		at, err := t.stoppedAt(tid)
		if err != nil {
			return "", err
		}
		if at {
			return fmt.Sprintf("has failed and is stopped there, process %d; \"kill -CONT %d\" lets it go on", t.pid, t.pid), t.leave(tid)
		}
		signal = int(sig)
	case sig == unix.SIGSTOP && t.late.Load():
		return fmt.Sprintf("has not ended in its time and is stopped, process %d; \"kill -CONT %d\" lets it go on", t.pid, t.pid), t.leave(tid)
	case sig == unix.SIGSTOP && !t.known[tid]: // every new thread begins so
	default:
		signal = int(sig)
	}
	t.known[tid] = true
	if err := unix.PtraceCont(tid, signal); err != nil && !errors.Is(err, unix.ESRCH) {
		return "", os.NewSyscallError("ptrace", err)
	}
	return "", nil
}

// endedWell is what stopAtFail returns for a test with which nothing was wrong.
var endedWell = "has ended (" + how(0) + ")"

// how says how a process ended.
func how(ws unix.WaitStatus) string {
	if ws.Signaled() {
		return unix.SignalName(ws.Signal())
	}
	return fmt.Sprintf("exit status %d", ws.ExitStatus())
}

// stoppedAt reports whether a thread has hit the breakpoint. If so, the thread will execute
// the original instruction next.
func (t *tracer) stoppedAt(tid int) (bool, error) {
	var regs unix.PtraceRegs
	if err := unix.PtraceGetRegs(tid, &regs); err != nil {
		return false, os.NewSyscallError("ptrace", err)
	}
	if regs.Rip != uint64(t.fail)+1 {
		return false, nil
	}
	regs.Rip--
	return true, os.NewSyscallError("ptrace", unix.PtraceSetRegs(tid, &regs))
}

// leave removes the breakpoint and lets go of all threads. Those of the test stay stopped. The
// thread tid is in a stop already. Each of the others is stopped by a signal of its own first,
// because only a thread that is stopped can be let go of.
func (t *tracer) leave(tid int) error {
	if _, err := unix.PtracePokeText(tid, t.fail, t.original); err != nil {
		return os.NewSyscallError("ptrace", err)
	}
	done := map[int]bool{tid: true}
	for again := true; again; { // a thread may have been made that has not reported itself
		again = false
		all, err := t.threads()
		if err != nil {
			return err
		}
		for _, other := range all {
			if done[other] {
				continue
			}
			done[other], again = true, true
			if err := t.letGo(other); err != nil {
				return err
			}
		}
	}
	if err := detach(tid, unix.SIGSTOP); err != nil {
		return err
	}
	var ws unix.WaitStatus // the signal takes effect when every thread has seen it
	_, err := unix.Wait4(t.pid, &ws, unix.WUNTRACED|unix.WALL, nil)
	return os.NewSyscallError("wait4", err)
}

// threads returns those that are traced: the threads of the test, and processes that clone() has
// made and that are known.
func (t *tracer) threads() ([]int, error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", t.pid))
	if err != nil {
		return nil, err
	}
	all := slices.Collect(maps.Keys(t.known))
	for _, task := range tasks {
		tid, err := strconv.Atoi(filepath.Base(task))
		if err != nil {
			return nil, err
		}
		if !t.known[tid] {
			all = append(all, tid)
		}
	}
	return all, nil
}

// letGo ends the tracing of a thread that may run. A thread of the test stays stopped.
func (t *tracer) letGo(tid int) error {
	then := unix.SIGSTOP
	err := t.stop(t.pid, tid)
	if errors.Is(err, unix.ESRCH) { // a process of its own, or it has ended
		then, err = 0, t.stop(tid, tid)
	}
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return errors.Join(err, detach(tid, then))
}

// stop stops a thread of a process, if it runs.
func (t *tracer) stop(pid, tid int) error {
	if err := unix.Tgkill(pid, tid, unix.SIGSTOP); err != nil {
		return os.NewSyscallError("tgkill", err)
	}
	var ws unix.WaitStatus
	if _, err := unix.Wait4(tid, &ws, unix.WALL, nil); err != nil {
		return os.NewSyscallError("wait4", err)
	}
	if ws.Stopped() && ws.StopSignal() == unix.SIGTRAP && ws.TrapCause() <= 0 {
		_, err := t.stoppedAt(tid) // it has failed, too
		return err
	}
	return nil
}

// detach ends the tracing of a thread in a stop. It goes on with a signal, or with none if the
// signal is 0.
func detach(tid int, with unix.Signal) error {
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_DETACH, uintptr(tid), 0, uintptr(with), 0, 0)
	if errno != 0 && errno != unix.ESRCH { // it was killed
		return os.NewSyscallError("ptrace", errno)
	}
	return nil
}
