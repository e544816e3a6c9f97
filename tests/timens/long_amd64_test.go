// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"fmt"
	"math"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/lane"
	"timens-vmtest/tests/internal/timens"
)

// The waits in this file take lane.Long, which is a day in the virtual lane by
// default. Their deadlines do not fit into the seconds of 32-bit programs.

// apart is the distance between the deadlines of waiters that run at the same
// time, so that none makes another late.
const apart = 20 * time.Millisecond

// offsetLimit is the greatest value that a clock may be set to by an offset,
// KTIME_SEC_MAX/2. A clock gets beyond it only by running.
const offsetLimit = 4611686018 * time.Second

// longNamespaces are the namespaces of long waits. In the last two the clocks start
// before a limit: the end of a signed and of an unsigned 32-bit time_t, and the
// greatest value that an offset may set a clock to. A long wait crosses the limit
// half way. A short wait only comes near it: half a minute before the limit leaves
// time to make the namespace.
var longNamespaces = []struct {
	name    string
	offsets func(t *testing.T, long time.Duration) timens.Offsets
}{
	{"ahead", fixed(timens.Ahead)},
	{"behind", fixed(timens.Behind)},
	{"across", fixed(timens.Across)},
	{"over 32 bits", before(1<<31*time.Second, 1<<32*time.Second)},
	{"over the limit", before(offsetLimit, offsetLimit-1)},
}

func fixed(o timens.Offsets) func(*testing.T, time.Duration) timens.Offsets {
	return func(*testing.T, time.Duration) timens.Offsets { return o }
}

func before(monotonic, boottime time.Duration) func(*testing.T, time.Duration) timens.Offsets {
	return func(t *testing.T, long time.Duration) timens.Offsets {
		margin := max(long/2, 30*time.Second)
		return timens.Offsets{
			Monotonic: monotonic - margin - timens.Now(t, clock.Monotonic),
			Boottime:  boottime - margin - timens.Now(t, clock.Boottime),
		}
	}
}

// longWait is a way to wait. It adds steps that wait until the clock shows
// spec.value, or for that long, and returns the last step and the error that
// this must return.
type longWait struct {
	name  string
	ticks bool // counted in ticks, and rounded up by at most an eighth
	steps func(p *clone.Program, id clock.ID, flags uintptr, spec *itimerspec) (clone.Result, error)
}

var longWaits = []longWait{
	{"clock_nanosleep", false, func(p *clone.Program, id clock.ID, flags uintptr, spec *itimerspec) (clone.Result, error) {
		return p.Syscall(unix.SYS_CLOCK_NANOSLEEP, uintptr(id), flags, clone.Addr(&spec.value), 0), nil
	}},
	{"POSIX timer", false, func(p *clone.Program, id clock.ID, flags uintptr, spec *itimerspec) (clone.Result, error) {
		// It sends SIGALRM, which a child blocks. The first timer of a
		// process has ID 0.
		set := clone.Alloc[uint64](p)
		*set = 1 << (unix.SIGALRM - 1)
		p.Syscall(unix.SYS_TIMER_CREATE, uintptr(id), 0, clone.Addr(clone.Alloc[int32](p)))
		p.Syscall(unix.SYS_TIMER_SETTIME, 0, flags, clone.Addr(spec), 0)
		return p.Syscall(unix.SYS_RT_SIGTIMEDWAIT, clone.Addr(set), 0, 0, 8), nil
	}},
}

// longFutex takes absolute deadlines on CLOCK_MONOTONIC only.
var longFutex = longWait{"futex", false, func(p *clone.Program, _ clock.ID, _ uintptr, spec *itimerspec) (clone.Result, error) {
	const matchAny = 0xffffffff
	return p.Syscall(unix.SYS_FUTEX, clone.Addr(clone.Alloc[uint32](p)), futexWaitBitset, 0, clone.Addr(&spec.value), 0, matchAny), unix.ETIMEDOUT
}}

// longReceive has a timeout in jiffies. Their lower 32 bits wrap five minutes
// after boot, and every 198 days from then on. kernel/time/timer.c explains how
// the kernel rounds them.
var longReceive = longWait{"recv", true, func(p *clone.Program, _ clock.ID, _ uintptr, spec *itimerspec) (clone.Result, error) {
	timeout := clone.Alloc[unix.Timeval](p)
	*timeout = unix.NsecToTimeval(spec.value.Nano())
	fd := p.Syscall(unix.SYS_SOCKET, unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	p.On(fd, unix.SYS_SETSOCKOPT, unix.SOL_SOCKET, unix.SO_RCVTIMEO, clone.Addr(timeout), unsafe.Sizeof(*timeout))
	return p.On(fd, unix.SYS_RECVFROM, clone.Addr(clone.Alloc[uint64](p)), 8, 0, 0, 0), unix.EAGAIN
}}

// sleeper is a child that waits for a long time.
type sleeper struct {
	name     string
	child    *clone.Child
	length   time.Duration
	due      time.Duration // 0 for a relative wait of length
	wait     clone.Result
	want     error
	ticks    bool
	readings map[clock.Via]clone.Reading // read after the wait
	begun    clone.Reading
}

// Waits of every kind, on every clock and in every namespace, end on time after
// a long wait. All of them run at the same time, so the test takes no longer
// than one.
func TestLongWaits(t *testing.T) {
	timens.Need(t)
	long := lane.Long(t)
	var sleepers []*sleeper
	carillon := newCarillon(t, long, len(longNamespaces))
	for i, ns := range longNamespaces {
		offsets := ns.offsets(t, long)
		start := func(w longWait, id clock.ID, flags uintptr) {
			s := &sleeper{name: fmt.Sprintf("%s/%s %v", ns.name, w.name, id), length: long + time.Duration(len(sleepers))*apart, ticks: w.ticks}
			s.start(t, offsets, w, id, flags)
			sleepers = append(sleepers, s)
		}
		timens.WithPending(t, offsets, func() {
			for _, w := range longWaits {
				start(w, clock.Monotonic, unix.TIMER_ABSTIME)
				start(w, clock.Boottime, unix.TIMER_ABSTIME)
				start(w, timens.Clocks[i%2], 0)
			}
			start(longFutex, clock.Monotonic, unix.TIMER_ABSTIME)
			start(longReceive, clock.Monotonic, 0)
			carillon.set(t, offsets, i)
		})
	}
	began, before := timens.Now(t, clock.Monotonic), timesNow(t)
	carillon.listen(t)
	latest := time.Duration(math.MinInt64)
	for _, s := range sleepers {
		latest = max(latest, s.finish(t))
	}
	lane.Lateness(t, latest)
	carillon.checkSilent(t)
	passed, counted := timens.Now(t, clock.Monotonic)-began, timesNow(t)-before
	if d := passed - counted; d < -timesSlack || d > timesSlack {
		t.Errorf("times() went on by %v while CLOCK_MONOTONIC went on by %v, want them within %v", counted, passed, timesSlack)
	}
}

// start starts the sleeper from a thread whose children enter a namespace with
// these offsets.
func (s *sleeper) start(t *testing.T, offsets timens.Offsets, w longWait, id clock.ID, flags uintptr) {
	t.Helper()
	p := timens.NewProgram(t)
	spec := clone.Alloc[itimerspec](p)
	spec.value = unix.NsecToTimespec(int64(s.length))
	if flags == unix.TIMER_ABSTIME {
		s.name += " absolute"
		s.due = timens.Now(t, id) + offsets.Of(id) + s.length
		spec.value = unix.NsecToTimespec(int64(s.due))
	}
	s.begun = p.ClockGettime(id, clock.Syscall)
	s.wait, s.want = w.steps(p, id, flags, spec)
	s.readings = make(map[clock.Via]clone.Reading)
	for _, via := range []clock.Via{clock.Syscall, clock.VDSO} {
		s.readings[via] = p.ClockGettime(id, via)
	}
	var err error
	if s.child, err = timens.Fork(p); err != nil {
		t.Fatalf("%s: start a child: %v", s.name, err)
	}
}

// finish waits for the child's end, checks what it measured, and returns how
// late it was beyond the kernel's rounding.
func (s *sleeper) finish(t *testing.T) time.Duration {
	t.Helper()
	if _, err := s.child.Wait(s.length + timens.Patience); err != nil {
		t.Errorf("%s: %v", s.name, err)
		return 0
	}
	if err := s.wait.Err(); err != s.want {
		t.Errorf("%s: the wait returned %v, want %v", s.name, err, s.want)
	}
	due, early, rounded := s.due, time.Duration(0), time.Duration(0)
	if due == 0 {
		due = timens.Time(t, s.begun) + s.length
	}
	if s.ticks {
		early, rounded = earlyByTicks(s.length), s.length/7
	}
	latest := time.Duration(math.MinInt64)
	for via, r := range s.readings {
		lateness := timens.Time(t, r) - due
		checkLate(t, fmt.Sprintf("%s for %v to %v, by %v", s.name, s.length, due, via), lateness, early, lane.MostLate()+rounded)
		latest = max(latest, lateness-rounded)
	}
	return latest
}

// checkLate checks how late a wait ended. It may have ended before its deadline
// by at most early.
func checkLate(t *testing.T, what string, late, early, limit time.Duration) {
	t.Helper()
	switch {
	case late < -early:
		t.Errorf("%s: ended %v early", what, -late)
	case lane.Virtual() && late > limit:
		t.Errorf("%s: ended %v late, want at most %v", what, late, limit)
	}
}

// timesNow returns times(), which counts jiffies in hundredths of a second.
func timesNow(t *testing.T) time.Duration {
	t.Helper()
	n, _, errno := unix.Syscall(unix.SYS_TIMES, 0, 0, 0)
	if errno != 0 {
		t.Fatalf("times: %v", errno)
	}
	return time.Duration(n) * 10 * time.Millisecond
}

// timesSlack is the allowed difference between what times() and CLOCK_MONOTONIC
// counted. A busy host may stop the guest between the two readings.
const timesSlack = 2 * time.Second
