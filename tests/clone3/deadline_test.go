// SPDX-License-Identifier: BSD-3-Clause

// The tests in this file need a series with offsets.

package clone3

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/abi"
	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/design"
	"timens-vmtest/tests/internal/lane"
	"timens-vmtest/tests/internal/probe"
	"timens-vmtest/tests/internal/timens"
)

// interval is the time between two deadlines, and from the child's start to the
// first.
const interval = 20 * time.Millisecond

// An absolute deadline in the child is a time of the child's shifted clocks,
// for every system call that takes one.
func TestOffsetsDeadlines(t *testing.T) {
	kernel := design.Need(t)
	for _, ns := range namespaces {
		for _, id := range timens.Clocks {
			t.Run(ns.name+"/"+id.String(), func(t *testing.T) {
				p := timens.NewProgram(t)
				due := timens.Now(t, id) + ns.offsets.Of(id)
				var waits []wait
				for _, add := range waitsOn(id) {
					due += interval
					waits = append(waits, add(p, id, due))
				}
				timens.Run(t, design.Launch(kernel.Args(ns.offsets)), p)
				for _, w := range waits {
					w.check(t)
				}
			})
		}
	}
}

// wait is a step that must not return before its deadline.
type wait struct {
	name string
	want unix.Errno // 0 is success
	call clone.Result
	due  time.Duration
	woke clone.Reading
}

func (w wait) check(t *testing.T) {
	t.Helper()
	if err := w.call.Err(); err != w.want && (err != nil || w.want != 0) {
		t.Errorf("%s: %v, want %v", w.name, err, w.want)
		return
	}
	checkWoke(t, w.name, timens.Time(t, w.woke), w.due)
}

func checkWoke(t *testing.T, name string, woke, due time.Duration) {
	t.Helper()
	if woke < due {
		t.Errorf("%s until %v ended at %v, %v early", name, due, woke, due-woke)
	}
	if woke > due+lane.MostLate() {
		t.Errorf("%s until %v ended at %v, %v late", name, due, woke, woke-due)
	}
}

type addWait func(p *clone.Program, id clock.ID, due time.Duration) wait

// waitsOn returns the calls that take a deadline on a clock.
func waitsOn(id clock.ID) []addWait {
	if id == clock.Monotonic {
		return []addWait{addSleep, addTimerfd, addFutex}
	}
	return []addWait{addSleep, addTimerfd}
}

func addSleep(p *clone.Program, id clock.ID, due time.Duration) wait {
	call := p.Syscall(abi.Time64.Nr(abi.ClockNanosleep), uintptr(id), unix.TIMER_ABSTIME, timespec(p, due), 0)
	return wait{"clock_nanosleep", 0, call, due, p.ClockGettime(id, clock.VDSO)}
}

func addTimerfd(p *clone.Program, id clock.ID, due time.Duration) wait {
	fd := armTimerfd(p, id, unix.TFD_TIMER_ABSTIME, due)
	read := p.On(fd, unix.SYS_READ, p.Word().Addr(), 8)
	return wait{"timerfd", 0, read, due, p.ClockGettime(id, clock.VDSO)}
}

// armTimerfd adds timerfd_create() and timerfd_settime() for one expiration.
func armTimerfd(p *clone.Program, id clock.ID, flags uintptr, due time.Duration) clone.Result {
	fd := p.Syscall(unix.SYS_TIMERFD_CREATE, uintptr(id), 0)
	spec := clone.Bytes(abi.Timespec{}, abi.Time64.Timespec(due))
	p.On(fd, abi.Time64.Nr(abi.TimerfdSettime), flags, p.Data(spec), 0)
	return fd
}

func addFutex(p *clone.Program, id clock.ID, due time.Duration) wait {
	const futexWaitBitset, matchAny = 9, 0xffffffff
	call := p.Syscall(abi.Time64.Nr(abi.Futex), p.Word().Addr(), futexWaitBitset, 0, timespec(p, due), 0, matchAny)
	return wait{"futex", unix.ETIMEDOUT, call, due, p.ClockGettime(id, clock.VDSO)}
}

func timespec(p *clone.Program, d time.Duration) uintptr {
	return p.Data(clone.Bytes(abi.Time64.Timespec(d)))
}

// execTime is enough for a program to get from execve() to its first line, so
// that this happens before its deadline. If it takes longer, the test checks
// less but still passes.
const execTime = 300 * time.Millisecond

// timersAt is the first descriptor of the timers that the child leaves open for
// the program that it executes.
const timersAt = 100

// A timer that was armed before execve() expires at the time it was set to, on
// the clock it was set on. This is the child's own clock if the child was in the
// namespace from the start. It is the parent's clock if execve() enters the
// namespace.
func TestOffsetsDeadlineOverExec(t *testing.T) {
	kernel := design.Need(t)
	births := map[string]uint64{"direct": 0}
	for name, flags := range sharedMemory {
		births[name] = flags
	}
	for name, flags := range births {
		for _, ns := range namespaces {
			if !lane.Virtual() && ns.offsets != timens.Across {
				continue // execve() of a Go program takes too long
			}
			t.Run(name+"/"+ns.name, func(t *testing.T) {
				args := kernel.Args(ns.offsets)
				args.Flags |= flags
				p := timens.NewProgram(t)
				var in []await
				for i, id := range timens.Clocks {
					due := timens.Now(t, id) + execTime + time.Duration(2*i)*interval // in turn
					inside := due + ns.offsets.Of(id)
					if flags == 0 {
						due = inside
					}
					p.On(armTimerfd(p, id, unix.TFD_TIMER_ABSTIME, due), unix.SYS_DUP3, uintptr(timersAt+i), 0)
					in = append(in, await{timersAt + i, id, inside + interval})
				}
				for i, got := range probe.Finish[[]awaited](t, design.Launch(args), p, "await", in) {
					due, id := in[i].Until-interval, in[i].Clock.String()
					if most := execTime + time.Duration(2*i)*interval; got.Left > most {
						t.Errorf("the timer on %s had %v left after execve(), want at most %v", id, got.Left, most)
					}
					checkWoke(t, "timerfd on "+id, got.Expired, due)
					checkWoke(t, "clock_nanosleep on "+id, got.Woke, due+interval)
				}
			})
		}
	}
}

// await is the argument of the probe "await", which waits for a timer and then
// sleeps until a time.
type await struct {
	Timer int
	Clock clock.ID
	Until time.Duration
}

type awaited struct {
	Left          time.Duration // until the timer expires
	Expired, Woke time.Duration // what the clock showed after the timer and after the sleep
}

// awaitTimers is the probe "await".
func awaitTimers(in []await) ([]awaited, error) {
	out := make([]awaited, len(in))
	for i, a := range in {
		var err error
		if out[i], err = awaitTimer(a); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func awaitTimer(in await) (out awaited, err error) {
	var spec unix.ItimerSpec
	if err := unix.TimerfdGettime(in.Timer, &spec); err != nil {
		return out, fmt.Errorf("timerfd_gettime: %w", err)
	}
	out.Left = time.Duration(spec.Value.Nano())
	if _, err := unix.Read(in.Timer, make([]byte, 8)); err != nil {
		return out, fmt.Errorf("read timerfd: %w", err)
	}
	if out.Expired, err = clock.Read(in.Clock, clock.VDSO); err != nil {
		return out, err
	}
	until := unix.NsecToTimespec(int64(in.Until))
	for err = unix.EINTR; err == unix.EINTR; {
		err = unix.ClockNanosleep(int32(in.Clock), unix.TIMER_ABSTIME, &until, nil)
	}
	if err != nil {
		return out, fmt.Errorf("clock_nanosleep: %w", err)
	}
	out.Woke, err = clock.Read(in.Clock, clock.VDSO)
	return out, err
}
