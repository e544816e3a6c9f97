// SPDX-License-Identifier: BSD-3-Clause

package clone

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/abi"
)

// ErrDeadline says that a child was still running at its deadline.
var ErrDeadline = errors.New("deadline exceeded")

// Launcher starts a program, usually in another namespace.
type Launcher func(*Program) (*Child, error)

// Child is a started program.
type Child struct {
	PID     int
	program *Program
	thread  bool
	pidfd   int // -1 for a thread that has ended
}

// pidfdThread is PIDFD_THREAD of Linux 6.9: the descriptor is for one thread.
const pidfdThread = unix.O_EXCL

// Start calls clone3() with the first size bytes of args and lets the child run
// p. On failure it returns the unix.Errno of clone3, not wrapped. The caller
// must wait for the child, and for a thread as well, because its stack belongs
// to p.
func Start(args *Args, size uintptr, p *Program) (*Child, error) {
	call := *args
	call.Stack, call.StackSize = uint64(addr(p.stack)), stackSize
	p.rewind()
	first, err := p.first()
	if err != nil {
		return nil, err
	}
	var ret int
	err = withoutSignals(func(old unix.Sigset_t) {
		copy(p.mask, (*[abi.SigsetSize]byte)(unsafe.Pointer(&old))[:])
		ret = clone3(&call, size, first)
	})
	if err != nil {
		return nil, err
	}
	if ret < 0 {
		return nil, unix.Errno(-ret)
	}
	child := &Child{PID: ret, program: p, thread: args.Flags&unix.CLONE_THREAD != 0}
	flags := 0
	if child.thread {
		flags = pidfdThread
	}
	child.pidfd, err = unix.PidfdOpen(child.PID, flags)
	if err != nil && !(child.thread && isGone(child.PID, err)) {
		return nil, fmt.Errorf("pidfd_open %d: %w", child.PID, err)
	}
	return child, nil
}

// isGone reports whether a thread of this process has ended, from the error of
// pidfd_open(). A thread that exits loses its task before its ID. In between,
// the error is EINVAL, as for an ID that belongs to no thread.
func isGone(tid int, err error) bool {
	return err == unix.ESRCH || err == unix.EINVAL && unix.Tgkill(unix.Getpid(), tid, 0) == unix.ESRCH
}

// rewind resets the steps so that they can run again.
func (p *Program) rewind() {
	for i := range p.steps[:p.n] {
		p.steps[i].ret, p.steps[i].done = 0, 0
	}
	p.steps[p.n] = step{nr: unix.SYS_EXIT}
	for _, all := range p.all {
		all.args = [6]uintptr{addr(p.bytes), uintptr(p.used), unix.MADV_POPULATE_WRITE}
	}
	for _, child := range p.forks {
		child.rewind()
	}
}

// withoutSignals blocks all signals, calls fn with the old mask, and restores
// that mask. Otherwise a child could run the Go runtime's signal handlers,
// which need a Go thread.
func withoutSignals(fn func(old unix.Sigset_t)) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all, old unix.Sigset_t
	for i := range all.Val {
		all.Val[i] = ^all.Val[i]
	}
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &all, &old); err != nil {
		return fmt.Errorf("block signals: %w", err)
	}
	fn(old)
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil); err != nil {
		return fmt.Errorf("unblock signals: %w", err)
	}
	return nil
}

// clone3 calls clone3() and returns its result in the parent. The child runs
// the steps and never returns.
func clone3(args *Args, size uintptr, steps *step) int

// Ready waits until the child is at a Pause.
func (c *Child) Ready(timeout time.Duration) error {
	fds := []unix.PollFd{
		{Fd: int32(c.program.ready), Events: unix.POLLIN},
		{Fd: int32(c.pidfd), Events: unix.POLLIN},
	}
	if err := poll(fds, timeout); err != nil {
		return fmt.Errorf("child %d is not ready after %d steps: %w", c.PID, c.steps(), err)
	}
	if fds[0].Revents == 0 {
		return fmt.Errorf("child %d ended before its pause, after %d steps", c.PID, c.steps())
	}
	var count [8]byte
	_, err := unix.Read(c.program.ready, count[:])
	return err
}

// Resume lets the child continue after a Pause.
func (c *Child) Resume() error {
	one := binary.NativeEndian.AppendUint64(nil, 1)
	_, err := unix.Write(c.program.resume, one)
	return err
}

// Wait waits for the child's end. If the deadline passes, it returns
// ErrDeadline and kills the child, unless the child is a thread. A thread has no
// status.
func (c *Child) Wait(timeout time.Duration) (unix.WaitStatus, error) {
	if c.pidfd < 0 {
		return 0, nil
	}
	defer unix.Close(c.pidfd)
	late := poll([]unix.PollFd{{Fd: int32(c.pidfd), Events: unix.POLLIN}}, timeout)
	if c.thread {
		return 0, late
	}
	if late != nil {
		if err := unix.PidfdSendSignal(c.pidfd, unix.SIGKILL, nil, 0); err != nil {
			return 0, fmt.Errorf("kill child %d: %w", c.PID, err)
		}
	}
	var status unix.WaitStatus
	for {
		// Without __WALL, wait4() ignores a child whose exit signal is
		// not SIGCHLD.
		_, err := unix.Wait4(c.PID, &status, unix.WALL, nil)
		if err == nil {
			break
		}
		if err != unix.EINTR {
			return 0, fmt.Errorf("wait for child %d: %w", c.PID, err)
		}
	}
	if late != nil {
		return status, fmt.Errorf("child %d killed in step %d after %v: %w", c.PID, c.steps()+1, timeout, late)
	}
	return status, nil
}

// Gone waits for the end of a child whose end nobody can wait for with wait4(). If the
// deadline passes, it returns ErrDeadline and kills the child.
func (c *Child) Gone(timeout time.Duration) error {
	defer unix.Close(c.pidfd)
	late := poll([]unix.PollFd{{Fd: int32(c.pidfd), Events: unix.POLLIN}}, timeout)
	if late == nil {
		return nil
	}
	late = fmt.Errorf("child %d killed in step %d after %v: %w", c.PID, c.steps()+1, timeout, late)
	return errors.Join(late, unix.PidfdSendSignal(c.pidfd, unix.SIGKILL, nil, 0))
}

// steps returns how many steps the child has finished.
func (c *Child) steps() int {
	n := 0
	for _, s := range c.program.steps[:c.program.n] {
		n += int(s.done)
	}
	return n
}

// poll waits until one of fds is readable. It returns ErrDeadline if none is
// readable in time.
func poll(fds []unix.PollFd, timeout time.Duration) error {
	end := time.Now().Add(timeout)
	for {
		left := max(time.Until(end), 0)
		n, err := unix.Poll(fds, int(min(left.Milliseconds()+1, math.MaxInt32)))
		switch {
		case err == unix.EINTR:
		case err != nil:
			return fmt.Errorf("poll: %w", err)
		case n > 0:
			return nil
		case left == 0:
			return ErrDeadline
		}
	}
}
