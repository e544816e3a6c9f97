// SPDX-License-Identifier: BSD-3-Clause

package clone3

import (
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/abi"
	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/lane"
	"timens-vmtest/tests/internal/timens"
)

// image is what a checkpoint stores of a process's time.
type image struct {
	Clocks timens.Offsets               // what the clocks showed, as offsets from 0
	Due    map[clock.ID][]time.Duration // deadlines of its absolute waits, in the order of waitsOn
	Rest   timens.Offsets               // what its relative timers had left
}

// offsets returns the offsets with which the clocks continue from the image, if
// the initial clocks show now.
func (i image) offsets(now timens.Offsets) timens.Offsets {
	return timens.Offsets{Monotonic: i.Clocks.Monotonic - now.Monotonic, Boottime: i.Clocks.Boottime - now.Boottime}
}

// turn is how long after a process begins to wait its n-th wait on a clock is
// due. Number 0 is the relative timer. No two are due at the same time.
func turn(id clock.ID, n int) time.Duration {
	apart := 30 * time.Millisecond
	if lane.Virtual() {
		apart = 100 * time.Millisecond // virtual time costs nothing
	}
	return time.Duration(1+4*slices.Index(timens.Clocks, id)+n) * apart
}

// newImage returns the image of a process that begins to wait when its clocks
// show these times.
func newImage(clocks timens.Offsets) image {
	i := image{Clocks: clocks, Due: make(map[clock.ID][]time.Duration)}
	for _, id := range timens.Clocks {
		for n := range waitsOn(id) {
			i.Due[id] = append(i.Due[id], clocks.Of(id)+turn(id, n+1))
		}
	}
	i.Rest = timens.Offsets{Monotonic: turn(clock.Monotonic, 0), Boottime: turn(clock.Boottime, 0)}
	return i
}

// checkpoint lets a process in a namespace with these offsets begin to wait,
// and returns its image some time later.
func checkpoint(t *testing.T, offsets timens.Offsets) image {
	t.Helper()
	now := initialClocks(t)
	i := newImage(timens.Offsets{Monotonic: now.Monotonic + offsets.Monotonic, Boottime: now.Boottime + offsets.Boottime})
	p := timens.NewProgram(t)
	armed, left := make(map[clock.ID]timers), make(map[clock.ID][2]remaining)
	for _, id := range timens.Clocks {
		armed[id] = arm(p, id, i)
	}
	p.Syscall(abi.Time64.Nr(abi.ClockNanosleep), uintptr(clock.Monotonic), 0, timespec(p, turn(clock.Monotonic, 0)/2), 0)
	for _, id := range timens.Clocks {
		left[id] = [2]remaining{readTimerfd(p, id, armed[id].relative), readTimerfd(p, id, armed[id].absolute)}
	}
	mono, boot := p.ClockGettime(clock.Monotonic, clock.VDSO), p.ClockGettime(clock.Boottime, clock.VDSO)
	timens.Run(t, timens.Unshared(offsets), p)

	for id, both := range left {
		length, due := i.Rest.Of(id), i.Due[id][0]
		both[0].check(t, "relative", timens.Time(t, armed[id].before)+length, timens.Time(t, armed[id].after)+length)
		both[1].check(t, "absolute", due, due)
	}
	i.Clocks = timens.Offsets{Monotonic: timens.Time(t, mono), Boottime: timens.Time(t, boot)}
	i.Rest = timens.Offsets{Monotonic: left[clock.Monotonic][0].value(t), Boottime: left[clock.Boottime][0].value(t)}
	return i
}

// timers are the timers of a process on one clock.
type timers struct {
	before, after      clone.Reading // before and after the timers were armed
	relative, absolute clone.Result
}

func arm(p *clone.Program, id clock.ID, i image) timers {
	s := timers{before: p.ClockGettime(id, clock.VDSO)}
	s.relative = armTimerfd(p, id, 0, i.Rest.Of(id))
	s.absolute = armTimerfd(p, id, unix.TFD_TIMER_ABSTIME, i.Due[id][0])
	s.after = p.ClockGettime(id, clock.VDSO)
	return s
}

// remaining is what a timer had left, read between two readings of its clock.
type remaining struct {
	clock         clock.ID
	before, after clone.Reading
	read          clone.Result
	spec          *abi.Itimerspec
}

func readTimerfd(p *clone.Program, id clock.ID, fd clone.Result) remaining {
	r := remaining{clock: id, before: p.ClockGettime(id, clock.VDSO), spec: clone.Alloc[abi.Itimerspec](p)}
	r.read = p.On(fd, abi.Time64.Nr(abi.TimerfdGettime), clone.Addr(r.spec))
	r.after = p.ClockGettime(id, clock.VDSO)
	return r
}

// value returns the time that the timer had left, and at least a nanosecond:
// timerfd_settime() disarms a timer with 0, and a timer that has just expired
// is due at once.
func (r remaining) value(t *testing.T) time.Duration {
	t.Helper()
	if err := r.read.Err(); err != nil {
		t.Fatalf("timerfd_gettime: %v", err)
	}
	rest, err := abi.Time64.Value(r.spec)
	if err != nil {
		t.Fatal(err)
	}
	return max(rest, 1)
}

// check compares what the timer had left with its deadline, which lies between
// from and to.
func (r remaining) check(t *testing.T, kind string, from, to time.Duration) {
	t.Helper()
	rest := r.value(t)
	least, most := from-timens.Time(t, r.after), to-timens.Time(t, r.before)
	if rest < least || rest > max(most, 1) {
		t.Errorf("timerfd_gettime of a %s timer on %v is %v, want it in [%v, %v]", kind, r.clock, rest, least, most)
	}
}

func initialClocks(t *testing.T) timens.Offsets {
	t.Helper()
	return timens.Offsets{Monotonic: timens.Now(t, clock.Monotonic), Boottime: timens.Now(t, clock.Boottime)}
}
