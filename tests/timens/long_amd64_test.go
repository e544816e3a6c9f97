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

// What waits for lane.Long, a day in the virtual lane. Its deadlines are beyond
// what a 32-bit program can ask for.

// apart is how far the deadlines of waiters that wait at the same time lie
// apart, so that none is late because of another.
const apart = 20 * time.Millisecond

// offsetLimit is the greatest value that a clock may be set to by an offset,
// KTIME_SEC_MAX/2. A clock gets beyond it only by going on.
const offsetLimit = 4611686018 * time.Second

// longNamespaces are those of long waits, by the time that their clocks are at
// when one is made: in the last two each clock then crosses a limit on its way,
// that of a 32-bit time_t, that of an unsigned one, and that of offsets. Short
// waits come near it: half a minute leaves time to make the namespace.
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

// longWait is a way to wait. Its steps wait until the clock shows spec.value, or
// for as long. The last of them is returned, and what it is to return.
type longWait struct {
	name  string
	ticks bool // is counted in ticks, and rounded up by as much as an eighth
	steps func(p *clone.Program, id clock.ID, flags uintptr, spec *itimerspec) (clone.Result, error)
}

var longWaits = []longWait{
	{"clock_nanosleep", false, func(p *clone.Program, id clock.ID, flags uintptr, spec *itimerspec) (clone.Result, error) {
		return p.Syscall(unix.SYS_CLOCK_NANOSLEEP, uintptr(id), flags, clone.Addr(&spec.value), 0), nil
	}},
	{"POSIX timer", false, func(p *clone.Program, id clock.ID, flags uintptr, spec *itimerspec) (clone.Result, error) {
		// It sends SIGALRM, which is blocked in a child. The first timer of a
		// process is number 0.
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

// longReceive has a timeout in jiffies, whose lower 32 bits wrap around five
// minutes after the boot and every 198 days from then on. See
// kernel/time/timer.c for how the kernel rounds them.
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
	due      time.Duration // 0 if it waits for length from where it begins
	wait     clone.Result
	want     error
	ticks    bool
	readings map[clock.Via]clone.Reading // after the wait
	begun    clone.Reading
}

// TestLongWaits waits in every way on every clock in every namespace, all at
// the same time, which costs no more than one of them alone.
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

// start starts the sleeper from a thread whose children go into the namespace
// with these offsets.
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

// finish waits for the child's end, judges what it measured, and returns how
// late it was beyond what the kernel rounds.
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

// checkLate judges how late a wait was over, which may have been before its time
// by as much as early says.
func checkLate(t *testing.T, what string, late, early, limit time.Duration) {
	t.Helper()
	switch {
	case late < -early:
		t.Errorf("%s: over %v early", what, -late)
	case lane.Virtual() && late > limit:
		t.Errorf("%s: over %v late, want at most %v", what, late, limit)
	}
}

// timesNow is what times() returns, which counts jiffies in hundredths of a second.
func timesNow(t *testing.T) time.Duration {
	t.Helper()
	n, _, errno := unix.Syscall(unix.SYS_TIMES, 0, 0, 0)
	if errno != 0 {
		t.Fatalf("times: %v", errno)
	}
	return time.Duration(n) * 10 * time.Millisecond
}

// timesSlack bounds how far two of them are from what has passed between
// them, and a busy host may stop the guest between two clocks.
const timesSlack = 2 * time.Second
