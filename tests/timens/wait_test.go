// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/abi"
	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/lane"
	"timens-vmtest/tests/internal/probe"
	"timens-vmtest/tests/internal/timens"
)

// near is the length of a wait that the test waits for.
const near = 50 * time.Millisecond

// bothSigns are the offsets that waits are tested with. Each clock has a
// positive offset in one of them and a negative one in the other.
var bothSigns = timens.Examples[:2]

// wait is a way to wait for a time.
type wait struct {
	Call     string   // key of calls
	Clock    clock.ID // clock of the deadline, and what the waiter reads
	Absolute bool
	Until    moment // for absolute waits
	Width    abi.Time
}

// moment is when an absolute wait must end.
type moment int

const (
	soon   moment = iota
	passed        // a moment ago
	origin        // when the clock showed nearly 0
	never         // the largest time there is
)

func (m moment) after(now time.Duration, width abi.Time) time.Duration {
	switch m {
	case passed:
		return now - time.Millisecond
	case origin:
		return 1
	case never:
		return width.Largest()
	}
	return now + near
}

func (w wait) String() string {
	name := w.Call
	if w.Width != abi.Time64 {
		name += " of " + w.Width.String()
	}
	if !w.Absolute {
		return fmt.Sprintf("%s for %v, measured by %v", name, near, w.Clock)
	}
	until := [...]string{"shortly", "a moment ago", "at the clock's origin", "at the largest time"}
	return fmt.Sprintf("%s for a time of %v, %s", name, w.Clock, until[w.Until])
}

// widths returns the widths of seconds in which a call, or a kind of timer,
// exists.
func widths(call string) []abi.Time {
	switch call {
	case "nanosleep", "futex_waitv", "futex_wait", "select", "epoll_wait", "epoll_pwait2", "semtimedop", "SO_RCVTIMEO", "setitimer":
		return abi.Times[:1]
	}
	return abi.Times
}

// bounds returns how long before and after its deadline the wait may end.
func (w wait) bounds() (early, most time.Duration) {
	if w.Call == "SO_RCVTIMEO" {
		const tick = 4 * time.Millisecond                   // CONFIG_HZ_250
		return earlyByTicks(near), lane.MostLate() + 2*tick // the current tick, and one so as not to be early
	}
	return 0, lane.MostLate()
}

// earlyByTicks returns how much too early a wait may end if the kernel counts it
// in ticks. One CPU counts the ticks. If the host stops that CPU, a wait on
// another CPU starts from an old count. The count then catches up, and the wait
// ends too early by that much.
func earlyByTicks(length time.Duration) time.Duration {
	if lane.Virtual() {
		return 0
	}
	return length / 2
}

// call waits until a time on a clock, or for a length of time, and returns nil
// after that. All signals are blocked.
type call func(width abi.Time, id clock.ID, absolute bool, when time.Duration) error

var calls = map[string]call{
	"clock_nanosleep":       clockNanosleep,
	"nanosleep":             nanosleep,
	"FUTEX_WAIT":            futex(futexWait),
	"FUTEX_WAIT_BITSET":     futex(futexWaitBitset),
	"FUTEX_WAIT_REQUEUE_PI": futex(futexWaitRequeuePI),
	"FUTEX_LOCK_PI":         futex(futexLockPI),
	"FUTEX_LOCK_PI2":        futex(futexLockPI2),
	"futex_waitv":           futexWaitv,
	"futex_wait":            futex2Wait,
	"ppoll":                 ppoll,
	"select":                sysSelect,
	"pselect6":              pselect,
	"epoll_wait":            epollWait,
	"epoll_pwait2":          epollPwait2,
	"rt_sigtimedwait":       sigtimedwait,
	"semtimedop":            semtimedop,
	"SO_RCVTIMEO":           receiveTimeout,
	"mq_timedreceive":       mqTimedreceive,
}

// outcome is what a waiter saw on the clock of its wait.
type outcome struct {
	Due, Woke time.Duration
	Err       string
	Waiting   bool // it was still waiting when the probe ended
}

// testWaits does all waits of all widths at the same time, in one child in each
// namespace. If the kernel fails to convert a deadline, the wait is early or
// late by the offset.
func testWaits(t *testing.T, some ...wait) {
	t.Helper()
	timens.Need(t)
	var waits []wait
	for _, w := range some {
		for _, w.Width = range widths(w.Call) {
			waits = append(waits, w)
		}
	}
	for _, ns := range bothSigns {
		t.Run(ns.Name, func(t *testing.T) {
			outcomes := probe.Run[[]outcome](t, timens.Unshared(ns.Offsets), "waits", waits)
			for i, w := range waits {
				if w.Until == never {
					outcomes[i].checkWaiting(t, w, ns.Offsets.Of(w.Clock))
				} else {
					early, late := w.bounds()
					outcomes[i].check(t, w, ns.Offsets.Of(w.Clock), early, late)
				}
			}
		})
	}
}

func (o outcome) check(t *testing.T, w fmt.Stringer, offset, early, late time.Duration) {
	t.Helper()
	prefix, lateness := fmt.Sprintf("%v (offset %v)", w, offset), o.Woke-o.Due
	switch {
	case o.Waiting:
		t.Errorf("%s: not back %v after it was due", prefix, late)
	case o.Err != "":
		t.Errorf("%s: %s", prefix, o.Err)
	case lateness < -early:
		t.Errorf("%s: woke %v early, at %v, want %v or up to %v later", prefix, -lateness, o.Woke, o.Due, late)
	case lateness > late:
		t.Errorf("%s: woke %v late, at %v, want %v or up to %v later", prefix, lateness, o.Woke, o.Due, late)
	default:
		lane.Lateness(t, lateness)
	}
}

func (o outcome) checkWaiting(t *testing.T, w fmt.Stringer, offset time.Duration) {
	t.Helper()
	if !o.Waiting {
		t.Errorf("%v (offset %v): woke at %v (%s), want it still to wait", w, offset, o.Woke, o.Err)
	}
}

// runWaits is the probe "waits". Waits that must never end get as long as the
// others take. Waits that must end at once run one after the other: at the same
// time each would be as late as all of them together.
func runWaits(waits []wait) ([]outcome, error) {
	lockOwner()
	type result struct {
		i int
		outcome
	}
	results := make(chan result, len(waits))
	out := make([]outcome, len(waits))
	due, patience := 0, near
	var atOnce []int
	for i, w := range waits {
		out[i].Waiting = true
		if w.Until != never {
			due++
			patience = near + lane.MostLate() + time.Second // the last second is for the probe itself
		}
		if w.Until == passed || w.Until == origin {
			atOnce = append(atOnce, i)
			continue
		}
		go func() { results <- result{i, w.run()} }()
	}
	go func() {
		for _, i := range atOnce {
			results <- result{i, waits[i].run()}
		}
	}()
	timeout := time.After(patience)
	for endless := due < len(waits); due > 0 || endless; due-- {
		select {
		case r := <-results:
			out[r.i] = r.outcome
		case <-timeout:
			return out, nil
		}
	}
	return out, nil
}

func (w wait) run() (o outcome) {
	if err := blockSignals(); err != nil {
		return outcome{Err: err.Error()}
	}
	wait := calls[w.Call]
	if wait == nil {
		return outcome{Err: "there is no such call"}
	}
	start, err := clock.Read(w.Clock, clock.Syscall)
	if err != nil {
		return outcome{Err: err.Error()}
	}
	when := near
	o.Due = start + near
	if w.Absolute {
		when = w.Until.after(start, w.Width)
		o.Due = max(when, start)
	}
	if err := wait(w.Width, w.Clock, w.Absolute, when); err != nil {
		o.Err = err.Error()
	}
	woke, err := clock.Read(w.Clock, clock.Syscall)
	if err != nil {
		o.Err = err.Error()
	}
	o.Woke = woke
	return o
}

// blockSignals locks the goroutine to its thread and blocks all signals there,
// including those of the Go runtime.
func blockSignals() error {
	runtime.LockOSThread()
	var all unix.Sigset_t
	for i := range all.Val {
		all.Val[i] = ^all.Val[i]
	}
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &all, nil); err != nil {
		return fmt.Errorf("block signals: %w", err)
	}
	return nil
}

// timedOut returns nil if the call with this name ended by its timeout.
func timedOut(name string, err error, timeout unix.Errno) error {
	switch err {
	case timeout:
		return nil
	case nil:
		return fmt.Errorf("%s returned without a timeout", name)
	}
	return fmt.Errorf("%s: %w", name, err)
}
