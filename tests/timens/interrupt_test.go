// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/probe"
	"timens-vmtest/tests/internal/timens"
)

// interruption is the result of a sleep that a signal handler interrupted.
type interruption struct {
	Clock                 clock.ID
	Absolute              bool
	Start, Sent, Returned time.Duration
	Left                  time.Duration // remaining time of a relative sleep of far, as the kernel returned it
	Errno                 unix.Errno
}

// A relative clock_nanosleep() that a signal handler interrupts returns the time
// that is left, whatever the offset. An absolute one returns none.
func TestClockNanosleepInterrupted(t *testing.T) { testInterrupted(t, timens.Clocks...) }

func testInterrupted(t *testing.T, ids ...clock.ID) {
	t.Helper()
	timens.Need(t)
	for _, ns := range bothSigns {
		t.Run(ns.Name, func(t *testing.T) {
			for _, got := range probe.Run[[]interruption](t, timens.Unshared(ns.Offsets), "interrupted", ids) {
				got.check(t, ns.Offsets.Of(got.Clock))
			}
		})
	}
}

func (got interruption) check(t *testing.T, offset time.Duration) {
	t.Helper()
	name := fmt.Sprintf("clock_nanosleep of %v (offset %v), absolute %v, interrupted after %v", got.Clock, offset, got.Absolute, got.Sent-got.Start)
	if got.Errno != unix.EINTR {
		t.Errorf("%s: returned %v, want %v", name, got.Errno, unix.EINTR)
	}
	// For an absolute sleep the kernel writes no remaining time.
	possible := timens.Interval{}
	if !got.Absolute {
		const slack = 50 * time.Microsecond // timer slack, which the kernel includes
		possible = timens.Interval{Low: got.Start + far - got.Returned, High: far + slack}
	}
	if !possible.Contains(got.Left) {
		t.Errorf("%s: %v left, want it in %v", name, got.Left, possible)
	}
}

// interruptSleeps is the probe "interrupted".
func interruptSleeps(ids []clock.ID) ([]interruption, error) {
	signal.Notify(make(chan os.Signal, 1), unix.SIGUSR1) // without a handler the kernel would restart the sleep
	var all []interruption
	for _, id := range ids {
		for _, absolute := range []bool{false, true} {
			got, err := interruptSleep(id, absolute)
			if err != nil {
				return nil, err
			}
			all = append(all, got)
		}
	}
	return all, nil
}

func interruptSleep(id clock.ID, absolute bool) (interruption, error) {
	got := interruption{Clock: id, Absolute: absolute}
	var err error
	if got.Start, err = clock.Read(id, clock.Syscall); err != nil {
		return got, err
	}
	flags, request := 0, unix.NsecToTimespec(int64(far))
	if absolute {
		flags, request = unix.TIMER_ABSTIME, unix.NsecToTimespec(int64(got.Start+far))
	}
	thread, result := make(chan int, 1), make(chan error, 1)
	var rest unix.Timespec
	go func() {
		runtime.LockOSThread()
		thread <- unix.Gettid()
		result <- unix.ClockNanosleep(int32(id), flags, &request, &rest)
	}()
	tid := <-thread
	for !inSyscall(fmt.Sprintf("/proc/self/task/%d", tid), unix.SYS_CLOCK_NANOSLEEP) {
		select {
		case err := <-result:
			return got, fmt.Errorf("clock_nanosleep %v did not sleep: %w", id, err)
		default:
			runtime.Gosched()
		}
	}
	if got.Sent, err = clock.Read(id, clock.Syscall); err != nil {
		return got, err
	}
	if err := unix.Tgkill(unix.Getpid(), tid, unix.SIGUSR1); err != nil {
		return got, err
	}
	if err := <-result; err != nil {
		got.Errno = err.(unix.Errno)
	}
	got.Left = time.Duration(rest.Nano())
	got.Returned, err = clock.Read(id, clock.Syscall)
	return got, err
}

// inSyscall reports whether the task with this folder in /proc waits in a
// system call.
func inSyscall(task string, nr int) bool {
	text, err := os.ReadFile(task + "/syscall")
	return err == nil && strings.HasPrefix(string(text), fmt.Sprintf("%d ", nr))
}
