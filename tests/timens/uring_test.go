// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"errors"
	"fmt"
	"runtime"
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
	Kind     string // uringTimeout, uringLinkTimeout or uringEnter
	Clock    clock.ID
	Absolute bool
}

func (w uringWait) String() string {
	how := "relative"
	if w.Absolute {
		how = "absolute"
	}
	return fmt.Sprintf("%s %s %v", how, w.Kind, w.Clock)
}

// Kinds of waits: an entry of its own, an entry that ends another entry, and
// the timeout of io_uring_enter(), which has only one clock.
const (
	uringTimeout     = "IORING_OP_TIMEOUT"
	uringLinkTimeout = "IORING_OP_LINK_TIMEOUT"
	uringEnter       = "io_uring_enter"
)

func uringWaits(absolute bool) []uringWait {
	return []uringWait{
		{uringTimeout, clock.Monotonic, absolute},
		{uringTimeout, clock.Boottime, absolute},
		{uringLinkTimeout, clock.Monotonic, absolute},
		{uringLinkTimeout, clock.Boottime, absolute},
		{uringEnter, clock.Monotonic, absolute},
	}
}

// uringDelay is how long a wait should take. uringGuard is after what time the
// test gives up a wait.
const (
	uringDelay = 60 * time.Millisecond
	uringGuard = 400 * time.Millisecond
)

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
		t.Errorf("%v (offset %v): had not ended after %v, want %v", e.Wait, offset, e.After, uringDelay)
	case e.After < uringDelay:
		t.Errorf("%v (offset %v): ended after %v, want %v or more", e.Wait, offset, e.After, uringDelay)
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
func (w uringWait) wait(ring *uring.Ring, never int, began time.Duration) (uring.Completion, error) {
	at, flags, enterFlags := uring.NewTimespec(uringDelay), uint32(0), uint32(0)
	if w.Absolute {
		at, flags, enterFlags = uring.NewTimespec(began+uringDelay), uring.TimeoutAbs, uring.EnterAbsTimer
	}
	if w.Clock == clock.Boottime {
		flags |= uring.TimeoutBoottime
	}
	guard := uring.NewTimespec(uringGuard)
	entries := []uring.Entry{uring.Timeout(uring.OpTimeout, guard, 0, dataGuard)}
	switch w.Kind {
	case uringTimeout:
		entries = append(entries, uring.Timeout(uring.OpTimeout, at, flags, dataWait))
	case uringLinkTimeout:
		entries = append(entries,
			uring.Entry{Op: uring.OpPollAdd, Flags: uring.EntryIOLink, FD: int32(never), OpFlags: unix.POLLIN, UserData: dataPoll},
			uring.Timeout(uring.OpLinkTimeout, at, flags, dataWait))
	}
	err := ring.Submit(entries...)
	runtime.KeepAlive(guard)
	runtime.KeepAlive(at)
	if err != nil {
		return uring.Completion{}, err
	}
	if w.Kind != uringEnter {
		return ring.Wait(nil, 0)
	}
	now, err := clock.Read(w.Clock, clock.Syscall)
	if err != nil {
		return uring.Completion{}, err
	}
	if now-began > uringDelay {
		return uring.Completion{}, errTooSlow
	}
	first, err := ring.Wait(at, enterFlags)
	if err == unix.ETIME {
		first, err = uring.Completion{UserData: dataWait, Res: -int32(unix.ETIME)}, nil
	}
	return first, err
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
	checkUring(t, timens.Fork, timens.Offsets{}, append(uringWaits(true), uringWaits(false)...))
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
