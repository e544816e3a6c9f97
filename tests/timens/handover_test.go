// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/abi"
	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/lane"
	"timens-vmtest/tests/internal/timens"
)

// A timer runs on the kernel's own clock. An absolute time is converted with
// the offsets of the process that sets it; the remaining time is the same for
// every reader.

// A timerfd made outside and inherited by a child can be set and read on either
// side, and both see the same remaining time.
func TestTimerfdHandedOver(t *testing.T) {
	timens.Need(t)
	for _, ns := range timens.Examples {
		for _, id := range timens.Clocks {
			t.Run(ns.Name+"/"+id.String(), func(t *testing.T) {
				tm, err := newTimerfd(id, abi.Time64)
				if err != nil {
					t.Fatal(err)
				}
				defer tm.close() // a timer has no data to lose
				fd := uintptr(tm.(timerfd).fd)

				due := timens.Now(t, id) + far
				if err := tm.set(true, due); err != nil {
					t.Fatal(err)
				}
				p := timens.NewProgram(t)
				left := clone.Alloc[itimerspec](p)
				get := p.Syscall(unix.SYS_TIMERFD_GETTIME, fd, clone.Addr(left))
				before := timens.Now(t, id)
				timens.Run(t, timens.Unshared(ns.Offsets), p)
				checkLeft(t, "set outside, read inside", id, ns.Offsets, get, left, due, before)

				due += far
				p = timens.NewProgram(t)
				inside := clone.Alloc[itimerspec](p)
				inside.value = unix.NsecToTimespec(int64(due + ns.Offsets.Of(id)))
				set := p.Syscall(unix.SYS_TIMERFD_SETTIME, fd, unix.TFD_TIMER_ABSTIME, clone.Addr(inside), 0)
				timens.Run(t, timens.Unshared(ns.Offsets), p)
				if err := set.Err(); err != nil {
					t.Fatalf("timerfd_settime inside: %v", err)
				}
				p = timens.NewProgram(t)
				left = clone.Alloc[itimerspec](p)
				get = p.Syscall(unix.SYS_TIMERFD_GETTIME, fd, clone.Addr(left))
				before = timens.Now(t, id)
				timens.Run(t, timens.Fork, p)
				checkLeft(t, "set inside, read outside", id, ns.Offsets, get, left, due, before)

				p = timens.NewProgram(t)
				left = clone.Alloc[itimerspec](p)
				get = p.Syscall(unix.SYS_TIMERFD_GETTIME, fd, clone.Addr(left))
				before = timens.Now(t, id)
				timens.Run(t, timens.Unshared(timens.Offsets{Monotonic: far, Boottime: -1}), p)
				checkLeft(t, "set inside, read inside another namespace", id, ns.Offsets, get, left, due, before)
			})
		}
	}
}

// A timerfd that was set inside a namespace expires on time for readers
// outside, even after its setter has ended.
func TestTimerfdExpiresForOthers(t *testing.T) {
	timens.Need(t)
	type expiry struct {
		timerRequest
		outcome
		offset time.Duration
	}
	var all []expiry
	for _, ns := range bothSigns {
		for _, id := range timens.Clocks {
			e := expiry{timerRequest{Kind: "timerfd set inside", Clock: id, Absolute: true}, outcome{}, ns.Offsets.Of(id)}
			tm, err := newTimerfd(id, abi.Time64)
			if err != nil {
				t.Fatal(err)
			}
			defer tm.close() // a timer has no data to lose
			p := timens.NewProgram(t)
			inside := clone.Alloc[itimerspec](p)
			e.Due = timens.Now(t, id) + 2*near
			inside.value = unix.NsecToTimespec(int64(e.Due + e.offset))
			set := p.Syscall(unix.SYS_TIMERFD_SETTIME, uintptr(tm.(timerfd).fd), unix.TFD_TIMER_ABSTIME, clone.Addr(inside), 0)
			timens.Run(t, timens.Unshared(ns.Offsets), p)
			if err := set.Err(); err != nil {
				t.Fatalf("timerfd_settime inside: %v", err)
			}
			if err := tm.wait(lane.MostLate() + 2*near); err != nil {
				e.Err = err.Error()
			}
			e.Woke = timens.Now(t, id)
			all = append(all, e)
		}
	}
	// Wait for all before printing: output keeps the guest busy.
	for _, e := range all {
		e.check(t, e.timerRequest, e.offset, 0, lane.MostLate())
	}
}

// A POSIX timer keeps its remaining time when its process calls setns(). When
// it is set again, it follows the clocks of the new namespace.
func TestPosixTimerAcrossSetns(t *testing.T) {
	timens.Need(t)
	for _, ns := range timens.Examples {
		for _, id := range timens.Clocks {
			t.Run(ns.Name+"/"+id.String(), func(t *testing.T) {
				p := timens.NewProgram(t)
				event, timer := clone.Alloc[sigevent](p), clone.Alloc[int32](p)
				event.notify = sigevNone
				create := p.Syscall(unix.SYS_TIMER_CREATE, uintptr(id), clone.Addr(event), clone.Addr(timer))
				const first = 0 // ID of a process's first timer
				set := func(due time.Duration) clone.Result {
					spec := clone.Alloc[itimerspec](p)
					spec.value = unix.NsecToTimespec(int64(due))
					return p.Syscall(unix.SYS_TIMER_SETTIME, first, unix.TIMER_ABSTIME, clone.Addr(spec), 0)
				}
				get := func() (clone.Result, *itimerspec) {
					left := clone.Alloc[itimerspec](p)
					return p.Syscall(unix.SYS_TIMER_GETTIME, first, clone.Addr(left)), left
				}

				due := timens.Now(t, id) + far
				set(due)
				p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWTIME)
				p.WriteFile(offsetsFile, ns.Offsets.String())
				setns := p.Setns(children, unix.CLONE_NEWTIME)
				getKept, kept := get()
				set(due + far + ns.Offsets.Of(id))
				getAgain, again := get()

				before := timens.Now(t, id)
				timens.Run(t, timens.Fork, p)
				if err := create.Err(); err != nil || *timer != first {
					t.Fatalf("timer_create: id %d, %v, want %d", *timer, err, first)
				}
				if err := setns.Err(); err != nil {
					t.Fatalf("setns: %v", err)
				}
				checkLeft(t, "timer set before setns()", id, ns.Offsets, getKept, kept, due, before)
				checkLeft(t, "timer set after setns()", id, ns.Offsets, getAgain, again, due+far, before)
			})
		}
	}
}

// checkLeft checks the remaining time of a timer that a child has read. The
// child read it between before and now on the initial clock, on which the timer
// is due at due.
func checkLeft(t *testing.T, what string, id clock.ID, offsets timens.Offsets, get clone.Result, left *itimerspec, due, before time.Duration) {
	t.Helper()
	possible := timens.Interval{Low: due - timens.Now(t, id), High: due - before}
	if err := get.Err(); err != nil {
		t.Fatalf("%s: read what is left: %v", what, err)
	}
	if got := time.Duration(left.value.Nano()); !possible.Contains(got) {
		t.Errorf("%s, of %v (offset %v): %v left, want it in %v", what, id, offsets.Of(id), got, possible)
	}
}
