// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/abi"
	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/lane"
	"timens-vmtest/tests/internal/timens"
)

// end is the end of a 32-bit time_t. CLOCK_REALTIME reaches it in January 2038;
// in a time namespace the other clocks can reach it at any time.
const end = 1 << 31 * time.Second

// When a clock has passed the end of a 32-bit time_t, the old calls return the
// lower 32 bits of the seconds, as outside a namespace. The new calls return all
// bits.
func TestTime32Wraps(t *testing.T) {
	for _, id := range timens.Clocks {
		t.Run(id.String(), func(t *testing.T) {
			p := timens.NewProgram(t)
			before := addWrapped(p, id)
			sleep := addSleep(p, id, unix.TIMER_ABSTIME, end-1)
			after := addWrapped(p, id)
			timens.Run(t, nearEnd(t, near), p)
			before.check(t)
			after.check(t)
			checkSlept(t, fmt.Sprintf("clock_nanosleep of %v until %v", id, end-1), sleep, after.first(t)-(end-1))
		})
	}
}

// A relative wait with 32-bit seconds ends on time if the clock passes the end of
// a 32-bit time_t during the wait.
func TestTime32SleepAcrossEnd(t *testing.T) {
	for _, id := range timens.Clocks {
		t.Run(id.String(), func(t *testing.T) {
			p := timens.NewProgram(t)
			before := addWrapped(p, id)
			sleep := addSleep(p, id, 0, 2*near)
			after := addWrapped(p, id)
			timens.Run(t, nearEnd(t, near), p)
			before.check(t)
			after.check(t)
			checkSlept(t, fmt.Sprintf("clock_nanosleep of %v for %v", id, 2*near), sleep, after.first(t)-before.last(t)-2*near)
		})
	}
}

// nearEnd returns a launcher into a namespace whose clocks are this far from
// the end.
func nearEnd(t *testing.T, far time.Duration) clone.Launcher {
	t.Helper()
	timens.Need(t)
	return timens.Unshared(timens.Offsets{
		Monotonic: end - far - timens.Now(t, clock.Monotonic),
		Boottime:  end - far - timens.Now(t, clock.Boottime),
	})
}

func addSleep(p *clone.Program, id clock.ID, flags uintptr, d time.Duration) clone.Result {
	ts := clone.Alloc[abi.Timespec](p)
	*ts = abi.Time32.Timespec(d)
	return p.Syscall(abi.Time32.Nr(abi.ClockNanosleep), uintptr(id), flags, clone.Addr(ts), 0)
}

func checkSlept(t *testing.T, what string, sleep clone.Result, lateness time.Duration) {
	t.Helper()
	if err := sleep.Err(); err != nil {
		t.Errorf("%s: %v", what, err)
	}
	if limit := lane.MostLate(); lateness < 0 || lateness > limit {
		t.Errorf("%s: ended %v late, want from 0 to %v", what, lateness, limit)
	}
}

// wrapped are readings of a clock in all ways, those of 32 bits between two of
// 64 bits.
type wrapped struct {
	id            clock.ID
	begin, finish clone.Reading
	old           map[clock.Via]clone.Reading
}

func addWrapped(p *clone.Program, id clock.ID) wrapped {
	r := wrapped{id: id, begin: p.ClockGettime(id, clock.Syscall), old: make(map[clock.Via]clone.Reading)}
	for _, via := range []clock.Via{clock.Syscall32, clock.VDSO32} {
		r.old[via] = p.ClockGettime(id, via)
	}
	r.finish = p.ClockGettime(id, clock.Syscall)
	return r
}

func (r wrapped) first(t *testing.T) time.Duration { return timens.Time(t, r.begin) }
func (r wrapped) last(t *testing.T) time.Duration  { return timens.Time(t, r.finish) }

func (r wrapped) check(t *testing.T) {
	t.Helper()
	begin, finish := r.first(t), r.last(t)
	for via, reading := range r.old {
		got := timens.Time(t, reading)
		whole := got
		if got < 0 {
			whole += 2 * end
		}
		if whole < begin || whole > finish {
			t.Errorf("%v by %v: got %v, want the lower 32 bits of the seconds from %v to %v", r.id, via, got, begin, finish)
		}
	}
}
