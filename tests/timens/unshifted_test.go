// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/timens"
)

// Clocks that do not count from boot are not shifted. The tests compare
// readings of three children, one after the other; the second is in the
// namespace.

func TestClockReadUnshifted(t *testing.T) {
	ids := []clock.ID{clock.Realtime, clock.RealtimeCoarse, clock.TAI}
	testUnshifted(t, func(p *clone.Program, via clock.Via) map[string]func() (time.Duration, error) {
		return readings(p, via, ids)
	})
}

func TestGettimeofdayUnshifted(t *testing.T) {
	testUnshifted(t, func(p *clone.Program, via clock.Via) map[string]func() (time.Duration, error) {
		tv := clone.Alloc[unix.Timeval](p)
		call := p.Call(via, clock.Gettimeofday, unix.SYS_GETTIMEOFDAY, clone.Addr(tv), 0)
		return map[string]func() (time.Duration, error){
			"gettimeofday()": func() (time.Duration, error) { return time.Duration(tv.Nano()), call.Err() },
		}
	})
}

func TestTimeUnshifted(t *testing.T) {
	testUnshifted(t, func(p *clone.Program, via clock.Via) map[string]func() (time.Duration, error) {
		sec := clone.Alloc[unix.Time_t](p)
		call := p.Call(via, clock.SecondsSince, unix.SYS_TIME, clone.Addr(sec))
		return map[string]func() (time.Duration, error){
			"time()": func() (time.Duration, error) { return time.Duration(*sec) * time.Second, call.Err() },
		}
	})
}

func readings(p *clone.Program, via clock.Via, ids []clock.ID) map[string]func() (time.Duration, error) {
	values := make(map[string]func() (time.Duration, error))
	for _, id := range ids {
		values[id.String()] = p.ClockGettime(id, via).Time
	}
	return values
}

// testUnshifted runs the steps of add outside a namespace, inside one and
// outside again. Each value read inside must lie between the other two.
func testUnshifted(t *testing.T, add func(*clone.Program, clock.Via) map[string]func() (time.Duration, error)) {
	timens.Need(t)
	for _, ns := range timens.Examples {
		for _, via := range clock.Vias {
			read := func(launch clone.Launcher) map[string]time.Duration {
				p := timens.NewProgram(t)
				values := add(p, via)
				timens.Run(t, launch, p)
				out := make(map[string]time.Duration)
				for name, value := range values {
					var err error
					if out[name], err = value(); err != nil {
						t.Fatalf("%s by %v in the child: %v", name, via, err)
					}
				}
				return out
			}
			before, inside, after := read(timens.Fork), read(timens.Unshared(ns.Offsets)), read(timens.Fork)
			for name, got := range inside {
				possible := timens.Interval{Low: before[name], High: after[name]}
				if !possible.Contains(got) {
					t.Errorf("%s by %v in a namespace with\n%sis %v, want it in %v as outside", name, via, ns.Offsets, got, possible)
				}
			}
		}
	}
}

// A process's CPU time is not shifted: it counts from the start of the process.
func TestClockReadCPUUnshifted(t *testing.T) {
	timens.Need(t)
	for _, ns := range timens.Examples {
		for _, via := range clock.Vias {
			p := timens.NewProgram(t)
			ids := []clock.ID{clock.ProcessCPU, clock.ThreadCPU}
			used := make(map[clock.ID]clone.Reading)
			for _, id := range ids {
				used[id] = p.ClockGettime(id, via)
			}
			before := timens.Now(t, clock.MonotonicRaw)
			timens.Run(t, timens.Unshared(ns.Offsets), p)
			life := timens.Interval{High: timens.Now(t, clock.MonotonicRaw) - before}
			for _, id := range ids {
				if got := timens.Time(t, used[id]); got == 0 || !life.Contains(got) {
					t.Errorf("%v by %v in a namespace with\n%sis %v, want more than 0 and no more than the child's life of %v",
						id, via, ns.Offsets, got, life.High)
				}
			}
		}
	}
}

func TestClockGetresUnshifted(t *testing.T) {
	timens.Need(t)
	ids := append([]clock.ID{clock.Realtime, clock.RealtimeCoarse, clock.TAI, clock.ProcessCPU, clock.ThreadCPU}, timens.Shifted...)
	read := func(launch clone.Launcher, via clock.Via) map[clock.ID]time.Duration {
		p := timens.NewProgram(t)
		calls, res := make(map[clock.ID]clone.Result), make(map[clock.ID]*unix.Timespec)
		for _, id := range ids {
			res[id] = clone.Alloc[unix.Timespec](p)
			calls[id] = p.Call(via, clock.Getres, unix.SYS_CLOCK_GETRES, uintptr(id), clone.Addr(res[id]))
		}
		timens.Run(t, launch, p)
		out := make(map[clock.ID]time.Duration)
		for _, id := range ids {
			if err := calls[id].Err(); err != nil {
				t.Errorf("clock_getres %v by %v: %v", id, via, err)
			}
			out[id] = time.Duration(res[id].Nano())
		}
		return out
	}
	outside := read(timens.Fork, clock.Syscall)
	for _, ns := range timens.Examples {
		for _, via := range clock.Vias {
			for id, got := range read(timens.Unshared(ns.Offsets), via) {
				if got != outside[id] || got <= 0 {
					t.Errorf("clock_getres %v by %v in a namespace with\n%sis %v, want %v as outside", id, via, ns.Offsets, got, outside[id])
				}
			}
		}
	}
}

// gettimeofday() in a time namespace returns the kernel's time zone. The test
// sets one: most systems have none, and a vDSO that reads the wrong page would
// also return none.
func TestGettimeofdayTimezoneUnshifted(t *testing.T) {
	timens.Need(t)
	type timezone struct{ MinutesWest, DST int32 }
	read := func(launch clone.Launcher, via clock.Via) timezone {
		p := timens.NewProgram(t)
		zone := clone.Alloc[timezone](p)
		call := p.Call(via, clock.Gettimeofday, unix.SYS_GETTIMEOFDAY, 0, clone.Addr(zone))
		timens.Run(t, launch, p)
		if err := call.Err(); err != nil {
			t.Errorf("gettimeofday by %v: %v", via, err)
		}
		return *zone
	}
	set := func(zone timezone) error {
		p := timens.NewProgram(t)
		arg := clone.Alloc[timezone](p)
		*arg = zone
		call := p.Syscall(unix.SYS_SETTIMEOFDAY, 0, clone.Addr(arg))
		timens.Run(t, timens.Fork, p)
		if err := call.Err(); err != nil {
			return fmt.Errorf("settimeofday(%+v): %w", zone, err)
		}
		return nil
	}
	initial := read(timens.Fork, clock.Syscall)
	// The first settimeofday() with a time zone since boot moves the clock.
	if err := set(initial); err != nil {
		t.Fatal(err)
	}
	want := timezone{MinutesWest: -61, DST: 3}
	if err := set(want); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := set(initial); err != nil {
			t.Error(err)
		}
	}()
	for _, via := range clock.Vias {
		if got := read(timens.Unshared(timens.Ahead), via); got != want {
			t.Errorf("the time zone by %v in a namespace is %+v, want %+v as outside", via, got, want)
		}
	}
}
