// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/probe"
	"timens-vmtest/tests/internal/timens"
)

// Linux 6.12 is wrong in what the TestGap tests demand, so they fail there.
// kernel/expect lists each with the reason. On a kernel that is right the test
// passes, and the run reports that.

// The deadline of IORING_OP_TIMEOUT is a time of the clocks that the caller reads.
func TestGapUringTimeout(t *testing.T) { testGapUring(t, uringTimeout) }

// The deadline of IORING_OP_LINK_TIMEOUT is a time of the clocks that the caller reads.
func TestGapUringLinkTimeout(t *testing.T) { testGapUring(t, uringLinkTimeout) }

// The deadline of io_uring_enter() is a time of the clocks that the caller reads.
func TestGapUringEnter(t *testing.T) { testGapUring(t, uringEnter) }

func testGapUring(t *testing.T, kind string) {
	timens.Need(t)
	var waits []uringWait
	for _, w := range uringWaits(true) {
		if w.Kind == kind {
			waits = append(waits, w)
		}
	}
	for _, offsets := range []timens.Offsets{timens.Behind, timens.Ahead} {
		checkUring(t, timens.Unshared(offsets), offsets, waits)
	}
}

// /proc/PID/stat never shows a start time in the future, even for a process that
// started before the zero of the namespace's clock.
func TestGapStartTimeBeforeZero(t *testing.T) {
	timens.Need(t)
	offsets := timens.Offsets{Boottime: -timens.Now(t, clock.Boottime) + 10*time.Millisecond}
	p := timens.NewProgram(t)
	stat := p.ReadFile("/proc/1/stat")
	boot := p.ClockGettime(clock.Boottime, clock.Syscall)
	timens.Run(t, timens.Unshared(offsets), p)
	started, err := startTime(timens.Text(t, stat))
	if err != nil {
		t.Fatal(err)
	}
	if now := timens.Time(t, boot); started > now {
		t.Errorf("/proc/1/stat says that the first process started at %v, but boottime (offset %v) is %v", started, offsets.Boottime, now)
	}
}

// startTime returns field 22 of /proc/PID/stat as a time since boot. A value
// that does not fit is returned as the largest time.
func startTime(stat string) (time.Duration, error) {
	_, fields, _ := strings.Cut(stat, ") ")
	words := strings.Fields(fields)
	if len(words) < 20 {
		return 0, fmt.Errorf("/proc/PID/stat is %q", stat)
	}
	ticks, err := strconv.ParseUint(words[19], 10, 64)
	if err != nil {
		return 0, err
	}
	const most = uint64((1<<63 - 1) / tick)
	return time.Duration(min(ticks, most)) * tick, nil
}

// tick is the unit of times that the kernel reports to user space: 1/USER_HZ.
const tick = 10 * time.Millisecond

// A clone3() that fails does not make the offsets of the pending namespace
// final.
func TestGapFailedForkFreezes(t *testing.T) {
	timens.Need(t)
	taken := []int32{1}
	args := &clone.Args{ExitSignal: uint64(unix.SIGCHLD), SetTID: &taken[0], SetTIDSize: 1}
	timens.WithPending(t, timens.Ahead, func() {
		if child, err := clone.Start(args, clone.SizeVer1, timens.NewProgram(t)); err != unix.EEXIST {
			t.Skipf("clone3 of PID 1: %v, %v, want %v", child, err, unix.EEXIST)
		}
		if err := timens.Write(unix.Gettid(), timens.Behind.String()); err != nil {
			t.Errorf("write to the pending offsets after a clone3() that failed: %v", err)
		}
	})
}

// times() is shifted by the offset of CLOCK_MONOTONIC.
func TestGapTimes(t *testing.T) {
	timens.Need(t)
	p := timens.NewProgram(t)
	inside := p.Syscall(unix.SYS_TIMES, 0)
	before := ticks(t)
	timens.Run(t, timens.Unshared(timens.Ahead), p)
	after := ticks(t)
	got, err := inside.Value()
	if err != nil {
		t.Skipf("times() in the child: %v", err)
	}
	now := time.Duration(got) * tick
	if shift := (timens.Interval{Low: now - after - tick, High: now - before + tick}); !shift.Contains(timens.Ahead.Monotonic) {
		t.Errorf("times() is off by %v, want monotonic's %v", shift, timens.Ahead.Monotonic)
	}
}

// ticks returns times() of the calling thread.
func ticks(t *testing.T) time.Duration {
	t.Helper()
	n, err := unix.Times(&unix.Tms{})
	if err != nil {
		t.Skipf("times: %v", err)
	}
	return time.Duration(n) * tick
}

// timerList is the time that /proc/timer_list shows, and the clock before and
// after.
type timerList struct{ Before, Now, After time.Duration }

// readTimerList is the probe "timer_list".
func readTimerList(any) (list timerList, err error) {
	if list.Before, err = clock.Read(clock.Monotonic, clock.Syscall); err != nil {
		return list, err
	}
	text, err := os.ReadFile("/proc/timer_list")
	if err != nil {
		return list, err
	}
	if list.After, err = clock.Read(clock.Monotonic, clock.Syscall); err != nil {
		return list, err
	}
	_, rest, _ := strings.Cut(string(text), "\nnow at ")
	ns, _, _ := strings.Cut(rest, " ")
	now, err := strconv.ParseInt(ns, 10, 64)
	list.Now = time.Duration(now)
	return list, err
}

func (l timerList) check(t *testing.T, offset time.Duration) {
	t.Helper()
	if l.Now < l.Before || l.Now > l.After {
		t.Errorf("/proc/timer_list shows %v, but monotonic (offset %v) went from %v to %v", l.Now, offset, l.Before, l.After)
	}
}

// In the initial namespace /proc/timer_list shows CLOCK_MONOTONIC, so
// TestGapTimerList fails because of the namespace and for no other reason.
func TestTimerListInitially(t *testing.T) {
	timens.Need(t)
	probe.Run[timerList](t, timens.Fork, "timer_list", nil).check(t, 0)
}

// /proc/timer_list shows the time of the reader's clock.
func TestGapTimerList(t *testing.T) {
	timens.Need(t)
	probe.Run[timerList](t, timens.Unshared(timens.Ahead), "timer_list", nil).check(t, timens.Ahead.Monotonic)
}
