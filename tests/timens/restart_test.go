// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/abi"
	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/lane"
	"timens-vmtest/tests/internal/timens"
)

// The kernel restarts a wait when its process was stopped and continues. For a
// relative wait it has to keep the deadline on its own clock; for an absolute
// wait it has to convert the deadline again.

// restartable is a wait, as steps of a child.
type restartable struct {
	name     string
	clock    clock.ID
	absolute bool
	nr       uintptr
	ends     error // what the call returns at the end of the wait
	add      func(p *clone.Program, when time.Duration) clone.Result
}

func (r restartable) String() string {
	if r.absolute {
		return fmt.Sprintf("%s until a time of %v, stopped and continued", r.name, r.clock)
	}
	return fmt.Sprintf("%s for a length of time by %v, stopped and continued", r.name, r.clock)
}

// A clock_nanosleep() whose process is stopped and continued ends on time.
func TestClockNanosleepRestarted(t *testing.T) {
	testRestarted(t, restartableSleeps(timens.Clocks...)...)
}

func restartableSleeps(ids ...clock.ID) []restartable {
	var all []restartable
	for _, id := range ids {
		for flags, absolute := range map[uintptr]bool{0: false, unix.TIMER_ABSTIME: true} {
			for _, width := range abi.Times {
				nr := width.Nr(abi.ClockNanosleep)
				all = append(all, restartable{
					name: "clock_nanosleep of " + width.String(), clock: id, absolute: absolute, nr: nr,
					add: func(p *clone.Program, when time.Duration) clone.Result {
						request := clone.Alloc[abi.Timespec](p)
						*request = width.Timespec(when)
						return p.Syscall(nr, uintptr(id), flags, clone.Addr(request), 0)
					},
				})
			}
		}
	}
	return all
}

// A futex wait whose process is stopped and continued ends on time.
func TestFutexRestarted(t *testing.T) {
	futex := func(name string, op uintptr, absolute bool, width abi.Time) restartable {
		nr := width.Nr(abi.Futex)
		return restartable{name + " of " + width.String(), clock.Monotonic, absolute, nr, unix.ETIMEDOUT,
			func(p *clone.Program, when time.Duration) clone.Result {
				word, timeout := clone.Alloc[uint32](p), clone.Alloc[abi.Timespec](p)
				*timeout = width.Timespec(when)
				return p.Syscall(nr, clone.Addr(word), op, 0, clone.Addr(timeout), 0, futexMatchAny)
			}}
	}
	addWaitv := func(p *clone.Program, when time.Duration) clone.Result {
		word, timeout := clone.Alloc[uint32](p), clone.Alloc[kernelTimespec](p)
		waiter := clone.Alloc[futexWaiter](p)
		*waiter = futexWaiter{address: uint64(clone.Addr(word)), flags: futex2SizeU32}
		*timeout = toKernelTimespec(when)
		return p.Syscall(unix.SYS_FUTEX_WAITV, clone.Addr(waiter), 1, 0, clone.Addr(timeout), unix.CLOCK_MONOTONIC)
	}
	all := []restartable{{"futex_waitv", clock.Monotonic, true, unix.SYS_FUTEX_WAITV, unix.ETIMEDOUT, addWaitv}}
	for _, width := range abi.Times {
		all = append(all, futex("FUTEX_WAIT", futexWait, false, width), futex("FUTEX_WAIT_BITSET", futexWaitBitset, true, width))
	}
	testRestarted(t, all...)
}

// testRestarted interrupts one wait after the other, and then lets all of them
// end at the same time.
func testRestarted(t *testing.T, waits ...restartable) {
	t.Helper()
	timens.Need(t)
	for _, ns := range bothSigns {
		t.Run(ns.Name, func(t *testing.T) {
			var all []waiter
			for _, r := range waits {
				all = append(all, r.interrupted(t, ns.Offsets))
			}
			for _, w := range all {
				timens.Reap(t, w.child)
			}
			for _, w := range all {
				w.outcome(t).check(t, w, ns.Offsets.Of(w.clock), 0, lane.MostLate())
			}
		})
	}
}

// waiter is a child that waits.
type waiter struct {
	restartable
	child      *clone.Child
	length     time.Duration
	deadline   time.Duration // of an absolute wait
	start, end clone.Reading
	call       clone.Result
}

// interrupted returns a child that was stopped during its wait and continued.
func (r restartable) interrupted(t *testing.T, offsets timens.Offsets) waiter {
	t.Helper()
	// On a busy host a short wait may end before it can be stopped.
	for _, length := range []time.Duration{2 * near, 10 * near, 60 * near} {
		w := r.launch(t, offsets, length)
		if w.stop(t) {
			if err := unix.Kill(w.child.PID, unix.SIGCONT); err != nil {
				t.Fatal(err)
			}
			return w
		}
		timens.Reap(t, w.child)
	}
	t.Fatalf("%v (offset %v): ended before it could be stopped, three times", r, offsets.Of(r.clock))
	return waiter{}
}

func (r restartable) launch(t *testing.T, offsets timens.Offsets, length time.Duration) waiter {
	t.Helper()
	w, p, when := waiter{restartable: r, length: length}, timens.NewProgram(t), length
	if r.absolute {
		when += timens.Now(t, r.clock) + offsets.Of(r.clock)
		w.deadline = when
	}
	w.start = p.ClockGettime(r.clock, clock.Syscall)
	w.call = r.add(p, when)
	w.end = p.ClockGettime(r.clock, clock.Syscall)
	var err error
	if w.child, err = timens.Unshared(offsets)(p); err != nil {
		t.Fatalf("start a child: %v", err)
	}
	return w
}

// stop stops a child during its wait. It returns false if the wait has ended.
func (w waiter) stop(t *testing.T) bool {
	t.Helper()
	task := fmt.Sprintf("/proc/%d", w.child.PID)
	for !inSyscall(task, int(w.nr)) {
		if state(t, task) == "Z" {
			return false
		}
	}
	if err := unix.Kill(w.child.PID, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for {
		switch state(t, task) {
		case "T":
			return true
		case "Z":
			return false
		}
	}
}

// state returns the letter of the state of the task with this folder in /proc.
func state(t *testing.T, task string) string {
	t.Helper()
	text, err := os.ReadFile(task + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	_, fields, _ := strings.Cut(string(text), ") ")
	letter, _, _ := strings.Cut(fields, " ")
	return letter
}

// outcome returns how the wait of a finished child ended.
func (w waiter) outcome(t *testing.T) outcome {
	t.Helper()
	o := outcome{Due: timens.Time(t, w.start) + w.length, Woke: timens.Time(t, w.end)}
	if w.absolute {
		o.Due = w.deadline
	}
	if err := w.call.Err(); err != w.ends {
		o.Err = fmt.Sprintf("returned %v, want %v", err, w.ends)
	}
	return o
}
