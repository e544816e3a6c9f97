package timens

import (
	"fmt"
	"testing"
	"time"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/lane"
	"timens-vmtest/tests/internal/probe"
	"timens-vmtest/tests/internal/timens"
)

const (
	// far is a deadline that is looked at but not waited for.
	far = time.Hour
	// near is one that is waited for.
	near = 50 * time.Millisecond
)

// late is the most that a waiter may notice its deadline after it.
func late() time.Duration {
	if lane.Virtual() {
		return 2 * time.Millisecond // a timer's interrupt and one switch of tasks
	}
	return 2 * time.Second // more than a busy host adds to an emulated guest's
}

func TestTimerfdAbsolute(t *testing.T)    { testTimers(t, timerRequest{Kind: "timerfd", Absolute: true}) }
func TestTimerfdRelative(t *testing.T)    { testTimers(t, timerRequest{Kind: "timerfd"}) }
func TestPosixTimerAbsolute(t *testing.T) { testTimers(t, timerRequest{Kind: "posix", Absolute: true}) }
func TestPosixTimerRelative(t *testing.T) { testTimers(t, timerRequest{Kind: "posix"}) }

func TestClockNanosleepAbsolute(t *testing.T) { testSleep(t, true) }
func TestClockNanosleepRelative(t *testing.T) { testSleep(t, false) }

// expiry is a deadline and the time when its waiter noticed, on one clock.
type expiry struct{ Due, Woke time.Duration }

func (e expiry) check(t *testing.T) {
	t.Helper()
	lane.Lateness(t, e.Woke-e.Due)
	switch lateness := e.Woke - e.Due; {
	case e.Due == 0:
		t.Error("nothing was measured")
	case lateness < 0:
		t.Errorf("woke %v early", -lateness)
	case lateness > late():
		t.Errorf("woke %v late, want at most %v", lateness, late())
	}
}

type timerRequest struct {
	Kind     string
	Absolute bool
}

// timerFacts is what one timer did inside. A deadline that the kernel failed to
// convert shows in the time left to it, wrong by the offset, whether it is then
// early or would be late by a day.
type timerFacts struct {
	Left     time.Duration
	Possible timens.Interval
	Expiry   expiry
}

func testTimers(t *testing.T, request timerRequest) {
	timens.Need(t)
	for _, ns := range timens.Examples {
		t.Run(ns.Name, func(t *testing.T) {
			all := probe.Run[map[clock.ID]timerFacts](t, timens.Unshared(ns.Offsets), "timers", request)
			for _, id := range timens.Clocks {
				t.Run(id.String(), func(t *testing.T) {
					facts := all[id]
					if !facts.Possible.Contains(facts.Left) {
						t.Errorf("time left to a timer of %v is %v, want it in %v", far, facts.Left, facts.Possible)
					}
					facts.Expiry.check(t)
				})
			}
		})
	}
}

// timer is a kernel timer of one of two kinds.
type timer interface {
	set(absolute bool, to time.Duration) error
	left() (time.Duration, error)
	wait(timeout time.Duration) error // until it expires
	close() error
}

// runTimers is the probe "timers".
func runTimers(request timerRequest) (map[clock.ID]timerFacts, error) {
	all := make(map[clock.ID]timerFacts)
	for _, id := range timens.Clocks {
		facts, err := runTimer(id, request)
		if err != nil {
			return nil, fmt.Errorf("%s of %v: %w", request.Kind, id, err)
		}
		all[id] = facts
	}
	return all, nil
}

func runTimer(id clock.ID, request timerRequest) (facts timerFacts, err error) {
	var tm timer
	switch request.Kind {
	case "timerfd":
		tm, err = newTimerfd(id)
	case "posix":
		tm, err = newPosixTimer(id)
	default:
		err = fmt.Errorf("no such timer")
	}
	if err != nil {
		return facts, err
	}
	defer tm.close() // the process is about to end anyway

	due, err := arm(tm, id, request.Absolute, far)
	if err != nil {
		return facts, err
	}
	before, err := clock.Read(id, clock.Syscall)
	if err != nil {
		return facts, err
	}
	if facts.Left, err = tm.left(); err != nil {
		return facts, err
	}
	after, err := clock.Read(id, clock.Syscall)
	if err != nil {
		return facts, err
	}
	facts.Possible = timens.Interval{Low: due.Low - after, High: due.High - before}

	if due, err = arm(tm, id, request.Absolute, near); err != nil {
		return facts, err
	}
	if err := tm.wait(late() + near); err != nil {
		return facts, err
	}
	facts.Expiry.Due = due.Low
	facts.Expiry.Woke, err = clock.Read(id, clock.Syscall)
	return facts, err
}

// arm sets a timer to d from now and returns when it is due: a relative one at
// a time that is only known to lie between two readings.
func arm(tm timer, id clock.ID, absolute bool, d time.Duration) (timens.Interval, error) {
	before, err := clock.Read(id, clock.Syscall)
	if err != nil {
		return timens.Interval{}, err
	}
	if absolute {
		due := before + d
		return timens.Interval{Low: due, High: due}, tm.set(true, due)
	}
	if err := tm.set(false, d); err != nil {
		return timens.Interval{}, err
	}
	after, err := clock.Read(id, clock.Syscall)
	return timens.Interval{Low: before + d, High: after + d}, err
}

// A sleep to an unconverted deadline in a namespace ahead would take a day; the
// probe is then killed, and that is the failure.
func testSleep(t *testing.T, absolute bool) {
	timens.Need(t)
	for _, ns := range timens.Examples {
		t.Run(ns.Name, func(t *testing.T) {
			slept := probe.Run[map[clock.ID]expiry](t, timens.Unshared(ns.Offsets), "sleep", absolute)
			for _, id := range timens.Clocks {
				t.Run(id.String(), func(t *testing.T) { slept[id].check(t) })
			}
		})
	}
}

// futex() takes absolute deadlines of CLOCK_MONOTONIC.
func TestFutexWaitAbsolute(t *testing.T) {
	timens.Need(t)
	for _, ns := range timens.Examples {
		t.Run(ns.Name, func(t *testing.T) {
			probe.Run[expiry](t, timens.Unshared(ns.Offsets), "futex", near).check(t)
		})
	}
}
