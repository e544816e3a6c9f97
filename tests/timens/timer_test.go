// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"fmt"
	"math"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/abi"
	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/lane"
	"timens-vmtest/tests/internal/probe"
	"timens-vmtest/tests/internal/timens"
)

// far is a deadline that is read but not waited for.
const far = time.Hour

// timer is a kernel timer of some kind. A goroutine makes it and waits for it.
type timer interface {
	set(absolute bool, to time.Duration) error
	left() (time.Duration, error)
	wait(timeout time.Duration) error // until it expires
	close() error
}

// armed is what timers of timer_create() and timerfd_create() have in common.
type armed struct {
	handle           uintptr // first argument of the calls
	width            abi.Time
	settime, gettime abi.Call
}

func (a armed) set(absolute bool, to time.Duration) error {
	flags := uintptr(0)
	if absolute {
		flags = unix.TIMER_ABSTIME // TFD_TIMER_ABSTIME is the same
	}
	spec := a.width.Itimerspec(to)
	_, _, errno := unix.Syscall6(a.width.Nr(a.settime), a.handle, flags, uintptr(unsafe.Pointer(&spec)), 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("settime: %w", errno)
	}
	return nil
}

// left returns the time until the timer expires, or 0 if it has expired.
func (a armed) left() (time.Duration, error) {
	spec := new(abi.Itimerspec)
	_, _, errno := unix.Syscall(a.width.Nr(a.gettime), a.handle, uintptr(unsafe.Pointer(spec)), 0)
	if errno != 0 {
		return 0, fmt.Errorf("gettime: %w", errno)
	}
	return a.width.Value(spec)
}

// timerKinds make timers. They may block signals for their goroutine.
var timerKinds = map[string]func(clock.ID, abi.Time) (timer, error){
	"timerfd":               newTimerfd,
	"timer SIGEV_SIGNAL":    newSignalTimer,
	"timer SIGEV_THREAD_ID": newThreadTimer,
	"timer SIGEV_NONE":      newSilentTimer,
	"setitimer":             newItimer,
}

// timerRequest is what a probe does with a timer. Until is the deadline of an
// absolute timer.
type timerRequest struct {
	Kind     string
	Clock    clock.ID
	Absolute bool
	Until    moment
	Width    abi.Time
}

func (r timerRequest) String() string {
	return wait{Call: r.Kind, Clock: r.Clock, Absolute: r.Absolute, Until: r.Until, Width: r.Width}.String()
}

// late returns how long after the timer's expiration the test may notice it.
func (r timerRequest) late() time.Duration {
	if r.Kind == "timer SIGEV_SIGNAL" || r.Kind == "setitimer" {
		return lane.MostLate() + 8*time.Millisecond // through the Go runtime's handler and its scheduler
	}
	return lane.MostLate()
}

// timerFacts is what a timer did inside the namespace. If the kernel failed to
// convert a deadline, the remaining time is wrong by the offset, whether the
// timer then expires early or would be late by a day.
type timerFacts struct {
	Left time.Duration   // remaining time to a far deadline
	Now  timens.Interval // time at which it was read
	Due  timens.Interval // far deadline
	Near outcome         // of a near deadline
}

// testTimers runs timers of all widths at the same time, in one child in each
// namespace.
func testTimers(t *testing.T, some ...timerRequest) {
	t.Helper()
	timens.Need(t)
	var requests []timerRequest
	for _, r := range some {
		for _, r.Width = range widths(r.Kind) {
			requests = append(requests, r)
		}
	}
	for _, ns := range bothSigns {
		t.Run(ns.Name, func(t *testing.T) {
			all := probe.Run[[]timerFacts](t, timens.Unshared(ns.Offsets), "timers", requests)
			for i, r := range requests {
				all[i].check(t, r, ns.Offsets.Of(r.Clock))
			}
		})
	}
}

func (f timerFacts) check(t *testing.T, r timerRequest, offset time.Duration) {
	t.Helper()
	f.Near.check(t, r, offset, 0, r.late())
	if f.Near.Err != "" || f.Near.Waiting {
		return
	}
	due := f.Due
	if r.Until == never && r.Width == abi.Time64 && offset < 0 {
		due = timens.Interval{Low: math.MaxInt64 + offset, High: math.MaxInt64 + offset} // the kernel's largest time
	}
	// setitimer() rounds down to a microsecond.
	possible := timens.Interval{Low: due.Low - f.Now.High - time.Microsecond, High: due.High - f.Now.Low}
	if !possible.Contains(f.Left) {
		t.Errorf("%v (offset %v): set to %v, %v left, want it in %v", r, offset, f.Due.Low, f.Left, possible)
	}
}

// runTimers is the probe "timers".
func runTimers(requests []timerRequest) ([]timerFacts, error) {
	all := make([]timerFacts, len(requests))
	done := make(chan struct{})
	for i, r := range requests {
		go func() {
			defer func() { done <- struct{}{} }()
			if err := r.run(&all[i]); err != nil {
				all[i].Near.Err = err.Error()
			}
		}()
	}
	for range requests {
		<-done
	}
	return all, nil
}

func (r timerRequest) run(facts *timerFacts) error {
	create := timerKinds[r.Kind]
	if create == nil {
		return fmt.Errorf("there is no such timer")
	}
	tm, err := create(r.Clock, r.Width)
	if err != nil {
		return err
	}
	defer tm.close() // the process ends next

	distant := func(now time.Duration) time.Duration { return now + far }
	if r.Until == never {
		distant = r.until
	}
	if facts.Due, err = r.arm(tm, distant); err != nil {
		return err
	}
	if facts.Now.Low, err = clock.Read(r.Clock, clock.Syscall); err != nil {
		return err
	}
	if facts.Left, err = tm.left(); err != nil {
		return err
	}
	if facts.Now.High, err = clock.Read(r.Clock, clock.Syscall); err != nil {
		return err
	}

	close := r.until
	if r.Until == never {
		close = func(now time.Duration) time.Duration { return soon.after(now, r.Width) }
	}
	due, err := r.arm(tm, close)
	if err != nil {
		return err
	}
	if err := tm.wait(r.late() + near); err != nil {
		return err
	}
	facts.Near.Due = due.Low
	facts.Near.Woke, err = clock.Read(r.Clock, clock.Syscall)
	return err
}

func (r timerRequest) until(now time.Duration) time.Duration { return r.Until.after(now, r.Width) }

// arm sets a timer and returns when it is due. For a relative timer that lies
// between two readings of the clock. A deadline that has passed is due now.
func (r timerRequest) arm(tm timer, when func(now time.Duration) time.Duration) (timens.Interval, error) {
	before, err := clock.Read(r.Clock, clock.Syscall)
	if err != nil {
		return timens.Interval{}, err
	}
	if r.Absolute {
		deadline := when(before)
		due := max(deadline, before)
		return timens.Interval{Low: due, High: due}, tm.set(true, deadline)
	}
	length := when(before) - before
	if err := tm.set(false, length); err != nil {
		return timens.Interval{}, err
	}
	after, err := clock.Read(r.Clock, clock.Syscall)
	return timens.Interval{Low: before + length, High: after + length}, err
}
