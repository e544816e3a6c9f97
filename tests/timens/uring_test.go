// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/probe"
	"timens-vmtest/tests/internal/timens"
	"timens-vmtest/tests/internal/uring"
)

// uringWait is one wait on an io_uring.
type uringWait struct {
	Kind     string // uringTimeout, uringLinkTimeout, uringUpdate, uringLinkUpdate or uringEnter
	Clock    clock.ID
	Absolute bool
	Passed   bool // the deadline was before the wait began
}

func (w uringWait) String() string {
	how := "relative"
	if w.Absolute {
		how = "absolute"
	}
	if w.Passed {
		how = "passed"
	}
	return fmt.Sprintf("%s %s %v", how, w.Kind, w.Clock)
}

// Kinds of waits: an entry of its own, an entry that ends another entry, an entry of
// either kind whose time another entry replaces, and the timeout of io_uring_enter(),
// which has only one clock.
const (
	uringTimeout     = "IORING_OP_TIMEOUT"
	uringLinkTimeout = "IORING_OP_LINK_TIMEOUT"
	uringUpdate      = "IORING_TIMEOUT_UPDATE"
	uringLinkUpdate  = "IORING_LINK_TIMEOUT_UPDATE"
	uringEnter       = "io_uring_enter"
)

func uringWaits(absolute bool) (all []uringWait) {
	for _, kind := range []string{uringTimeout, uringLinkTimeout, uringUpdate, uringLinkUpdate} {
		for _, id := range timens.Clocks {
			all = append(all, uringWait{Kind: kind, Clock: id, Absolute: absolute})
		}
	}
	return append(all, uringWait{Kind: uringEnter, Clock: clock.Monotonic, Absolute: absolute})
}

// uringPassed are absolute waits for a time that has passed.
func uringPassed() []uringWait {
	all := uringWaits(true)
	for i := range all {
		all[i].Passed = true
	}
	return all
}

// uringDelay is how long a wait should take, and uringAgo how long ago a deadline was
// that has passed. uringGuard is after what time the test gives up a wait.
const (
	uringDelay = 60 * time.Millisecond
	uringAgo   = 10 * time.Millisecond
	uringGuard = 400 * time.Millisecond
)

// delay is how long the wait should take.
func (w uringWait) delay() time.Duration {
	if w.Passed {
		return 0
	}
	return uringDelay
}

// ended is how a wait ended.
type ended struct {
	Wait    uringWait
	After   time.Duration // on the clock of the wait
	GivenUp bool
}

// check checks that a wait ended by its own timer and not too early.
func (e ended) check(t *testing.T, offset time.Duration) {
	t.Helper()
	switch {
	case e.GivenUp:
		t.Errorf("%v (offset %v): had not ended after %v, want %v", e.Wait, offset, e.After, e.Wait.delay())
	case e.After < e.Wait.delay():
		t.Errorf("%v (offset %v): ended after %v, want %v or more", e.Wait, offset, e.After, e.Wait.delay())
	}
}

// waitOnUring is the probe "uring". It runs the waits one after the other.
func waitOnUring(waits []uringWait) ([]ended, error) {
	var all []ended
	for _, w := range waits {
		e, err := w.run()
		for errors.Is(err, errTooSlow) {
			e, err = w.run()
		}
		if err != nil {
			return nil, fmt.Errorf("%v: %w", w, err)
		}
		all = append(all, e)
	}
	return all, nil
}

// errTooSlow says that a wait began only when it should have ended, so its result
// shows nothing.
var errTooSlow = errors.New("too slow")

const (
	dataWait = iota + 1
	dataPoll
	dataUpdate
	dataGuard
)

func (w uringWait) run() (e ended, err error) {
	if err := blockSignals(); err != nil {
		return e, err
	}
	ring, err := uring.New()
	if err != nil {
		return e, err
	}
	defer func() { err = errors.Join(err, ring.Close()) }()
	never, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return e, err
	}
	defer unix.Close(never)

	began, err := clock.Read(w.Clock, clock.Syscall)
	if err != nil {
		return e, err
	}
	first, err := w.wait(ring, never, began)
	if err != nil {
		return e, err
	}
	now, err := clock.Read(w.Clock, clock.Syscall)
	if err != nil {
		return e, err
	}
	want := unix.ETIME
	if first.UserData == dataPoll {
		want = unix.ECANCELED // cancelled by the timeout that is linked to it
	}
	if got := unix.Errno(-first.Res); got != want {
		return e, fmt.Errorf("entry %d completed with %v, want %v", first.UserData, got, want)
	}
	return ended{w, now - began, first.UserData == dataGuard}, nil
}

// wait returns the first completion: that of the wait, or of a guard if the
// wait takes too long.
func (w uringWait) wait(ring *uring.Ring, silent int, began time.Duration) (uring.Completion, error) {
	at, flags, enterFlags := uring.NewTimespec(uringDelay), uint32(0), uint32(0)
	switch {
	case w.Passed:
		at, flags, enterFlags = uring.NewTimespec(began-uringAgo), uring.TimeoutAbs, uring.EnterAbsTimer
	case w.Absolute:
		at, flags, enterFlags = uring.NewTimespec(began+uringDelay), uring.TimeoutAbs, uring.EnterAbsTimer
	}
	update := flags // the clock is that of the entry
	if w.Clock == clock.Boottime {
		flags |= uring.TimeoutBoottime
	}
	guard, never := uring.NewTimespec(uringGuard), uring.NewTimespec(time.Hour)
	poll := uring.Entry{Op: uring.OpPollAdd, Flags: uring.EntryIOLink, FD: int32(silent), OpFlags: unix.POLLIN, UserData: dataPoll}
	entries := []uring.Entry{uring.Timeout(uring.OpTimeout, guard, 0, dataGuard)}
	switch w.Kind {
	case uringTimeout:
		entries = append(entries, uring.Timeout(uring.OpTimeout, at, flags, dataWait))
	case uringLinkTimeout:
		entries = append(entries, poll, uring.Timeout(uring.OpLinkTimeout, at, flags, dataWait))
	case uringUpdate:
		entries = append(entries, uring.Timeout(uring.OpTimeout, never, flags&uring.TimeoutBoottime, dataWait), uring.Update(dataWait, at, update, dataUpdate))
	case uringLinkUpdate:
		entries = append(entries, poll, uring.Timeout(uring.OpLinkTimeout, never, flags&uring.TimeoutBoottime, dataWait),
			uring.Update(dataWait, at, update|uring.UpdateLinked, dataUpdate))
	}
	err := ring.Submit(entries...)
	runtime.KeepAlive(guard)
	runtime.KeepAlive(never)
	runtime.KeepAlive(at)
	switch {
	case err != nil:
		return uring.Completion{}, err
	case w.Kind == uringUpdate || w.Kind == uringLinkUpdate:
		return awaitUpdated(ring)
	case w.Kind != uringEnter:
		return ring.Wait(nil, 0)
	}
	now, err := clock.Read(w.Clock, clock.Syscall)
	if err != nil {
		return uring.Completion{}, err
	}
	if !w.Passed && now-began > uringDelay {
		return uring.Completion{}, errTooSlow
	}
	first, err := ring.Wait(at, enterFlags)
	if err == unix.ETIME {
		first, err = uring.Completion{UserData: dataWait, Res: -int32(unix.ETIME)}, nil
	}
	return first, err
}

// awaitUpdated returns the first completion after that of the update, which must
// have succeeded.
func awaitUpdated(ring *uring.Ring) (uring.Completion, error) {
	first, err := ring.Wait(nil, 0)
	if err == nil && (first.UserData != dataUpdate || first.Res != 0) {
		err = fmt.Errorf("entry %d completed first, with %d, want the update with 0", first.UserData, first.Res)
	}
	if err != nil {
		return first, err
	}
	return ring.Wait(nil, 0)
}

func checkUring(t *testing.T, launch clone.Launcher, offsets timens.Offsets, waits []uringWait) {
	t.Helper()
	for _, e := range probe.Run[[]ended](t, launch, "uring", waits) {
		e.check(t, offsets.Of(e.Wait.Clock))
	}
}

// In the initial namespace all waits on an io_uring work, so TestGapUring...
// fail because of the namespace and for no other reason.
func TestUringInitially(t *testing.T) {
	timens.Need(t)
	checkUring(t, timens.Fork, timens.Offsets{}, slices.Concat(uringWaits(true), uringWaits(false), uringPassed()))
}

// A relative wait on an io_uring has the same length in a namespace.
func TestUringRelative(t *testing.T) {
	timens.Need(t)
	for _, ns := range timens.Examples {
		t.Run(ns.Name, func(t *testing.T) {
			checkUring(t, timens.Unshared(ns.Offsets), ns.Offsets, uringWaits(false))
		})
	}
}

// A deadline given to io_uring is a time of the clocks that the caller reads,
// whichever entry has it, also if it replaces another one.
func TestUringAbsolute(t *testing.T) {
	timens.Need(t)
	for _, ns := range timens.Examples {
		t.Run(ns.Name, func(t *testing.T) {
			checkUring(t, timens.Unshared(ns.Offsets), ns.Offsets, uringWaits(true))
		})
	}
}

// A deadline given to io_uring that has passed by the clock of the caller ends the
// wait at once, even if it has not passed by the initial clock.
func TestUringPassed(t *testing.T) {
	timens.Need(t)
	for _, ns := range timens.Examples {
		t.Run(ns.Name, func(t *testing.T) {
			checkUring(t, timens.Unshared(ns.Offsets), ns.Offsets, uringPassed())
		})
	}
}
