// SPDX-License-Identifier: BSD-3-Clause

// Package profile lets a child report everything that shows its time namespace:
// all clocks, the kernel's reports of the time since boot, the offsets file, and
// the namespace's links. Each time becomes a shift against the initial clocks.
// CLOCK_REALTIME, which no namespace shifts, is read before and after each time,
// so the shift is known to within that short interval.
package profile

import (
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/timens"
)

// Steps are the steps of one child. Its program may run several times.
type Steps struct {
	vias              []clock.Via
	shifts            []func(*reader) Shift
	offsets           clone.Contents
	current, children clone.Contents
	write             clone.Written
}

// clocks are those that a program may use as the time since boot, and those that
// must not be shifted.
var clocks = []clock.ID{
	clock.Monotonic, clock.Boottime, clock.MonotonicRaw, clock.MonotonicCoarse,
	clock.Realtime, clock.RealtimeCoarse, clock.TAI,
}

// beside returns the clock to read before and after another clock. For a coarse
// clock it is a coarse one: coarse clocks move only at a tick, all at once.
func beside(id clock.ID) clock.ID {
	if id == clock.MonotonicCoarse || id == clock.RealtimeCoarse {
		return clock.RealtimeCoarse
	}
	return clock.Realtime
}

// Add lets the child of p report all it can. If a clock with about these offsets
// does not fit into the seconds of a way of reading, it is not read that way.
func Add(p *clone.Program, about timens.Offsets) *Steps {
	s := &Steps{vias: clock.ViasFor(about.Monotonic, about.Boottime)}
	for _, id := range clocks {
		s.addClock(p, id)
	}
	s.addStart(p)
	s.addUptime(p)
	if len(s.vias) == len(clock.Vias) { // otherwise a 32-bit long overflows
		s.addSysinfo(p)
	}
	s.addBtime(p)
	s.addNamespace(p)
	return s
}

// AddBrief is Add for the namespace and its two clocks only. It takes a tenth
// of the time.
func AddBrief(p *clone.Program, about timens.Offsets) *Steps {
	s := &Steps{vias: clock.ViasFor(about.Monotonic, about.Boottime)}
	for _, id := range timens.Clocks {
		s.addClock(p, id)
	}
	s.addNamespace(p)
	return s
}

// bracketed adds two readings of a clock that is never shifted, before and
// after a step.
func bracketed(p *clone.Program, id clock.ID, step func()) bracket {
	before := p.ClockGettime(beside(id), clock.Syscall)
	step()
	return bracket{before, p.ClockGettime(beside(id), clock.Syscall)}
}

func (s *Steps) add(name string, of clock.ID, by func(*reader) timens.Interval) {
	s.shifts = append(s.shifts, func(r *reader) Shift { return Shift{name, of, by(r)} })
}

func (s *Steps) addClock(p *clone.Program, id clock.ID) {
	for _, via := range s.vias {
		var now clone.Reading
		b := bracketed(p, id, func() { now = p.ClockGettime(id, via) })
		s.add(id.String()+" by "+via.String(), id, func(r *reader) timens.Interval {
			return r.shift(b, id, r.time(now), 0)
		})
	}
}

// tick is the resolution of /proc/uptime and of the start time in
// /proc/PID/stat.
const tick = 10 * time.Millisecond

func (s *Steps) addStart(p *clone.Program) {
	stat := p.ReadFile("/proc/self/stat")
	now := p.ClockGettime(clock.Realtime, clock.Syscall)
	s.add("start time", clock.Boottime, func(r *reader) timens.Interval {
		return r.between(r.began, r.time(now), clock.Boottime, r.startTime(stat), tick)
	})
}

func (s *Steps) addUptime(p *clone.Program) {
	var file clone.Contents
	b := bracketed(p, clock.Boottime, func() { file = p.ReadFile("/proc/uptime") })
	s.add("/proc/uptime", clock.Boottime, func(r *reader) timens.Interval {
		return r.shift(b, clock.Boottime, r.uptime(file), tick)
	})
}

func (s *Steps) addSysinfo(p *clone.Program) {
	info := clone.Alloc[unix.Sysinfo_t](p)
	var call clone.Result
	b := bracketed(p, clock.Boottime, func() { call = p.Syscall(unix.SYS_SYSINFO, clone.Addr(info)) })
	s.add("sysinfo", clock.Boottime, func(r *reader) timens.Interval {
		r.note(call.Err())
		up := time.Duration(info.Uptime) * time.Second // the kernel rounds up
		return r.shift(b, clock.Boottime, up-time.Second, time.Second)
	})
}

func (s *Steps) addBtime(p *clone.Program) {
	stat := p.ReadFileSize("/proc/stat", 8<<10)
	s.add("btime", clock.Boottime, func(r *reader) timens.Interval { return r.bootTime(stat) })
}

func (s *Steps) addNamespace(p *clone.Program) {
	s.offsets = p.ReadFile("/proc/self/timens_offsets")
	s.current, s.children = p.ReadLink("/proc/self/ns/time"), p.ReadLink("/proc/self/ns/time_for_children")
	s.write = p.WriteFile("/proc/self/timens_offsets", "monotonic 1 0\n")
}

// Profile is what a child reported.
type Profile struct {
	Shifts            []Shift
	Offsets           string // of the namespace for its children
	Current, Children string // its namespace and the one for its children
	Write             error  // of a write to the offsets file
}

// Shift is how much a reported time is shifted, and the clock whose offset it
// must have.
type Shift struct {
	Name string
	Of   clock.ID
	By   timens.Interval
}

// Read returns what the child reported. began is the CLOCK_REALTIME when the
// child was started. base is the distance of the initial clocks from
// CLOCK_REALTIME.
func (s *Steps) Read(began time.Duration, base Base) (Profile, error) {
	r := reader{began: began, base: base}
	var out Profile
	for _, shift := range s.shifts {
		out.Shifts = append(out.Shifts, shift(&r))
	}
	out.Offsets, out.Current, out.Children = r.text(s.offsets), r.text(s.current), r.text(s.children)
	out.Write = s.write.Err()
	return out, r.err
}

// Base is how much the initial clocks are ahead of CLOCK_REALTIME.
type Base map[clock.ID]timens.Interval

// rounds is the number of measurements. At least one of that many is
// undisturbed.
const rounds = 20

// MeasureBase reads the clocks of the calling process, which must be in the
// initial namespace.
func MeasureBase() (Base, error) {
	base := make(Base)
	for range rounds {
		for _, id := range clocks {
			var read [3]time.Duration
			for i, which := range []clock.ID{beside(id), id, beside(id)} {
				now, err := clock.Read(which, clock.Syscall)
				if err != nil {
					return nil, err
				}
				read[i] = now
			}
			got := timens.Interval{Low: read[1] - read[2], High: read[1] - read[0]}
			if best, ok := base[id]; !ok || got.High-got.Low < best.High-best.Low {
				base[id] = got
			}
		}
	}
	return base, nil
}

// Or returns intervals that contain both bases. CLOCK_MONOTONIC_RAW is not
// adjusted like the others and drifts between two measurements.
func (b Base) Or(other Base) Base {
	out := make(Base)
	for id, i := range b {
		out[id] = timens.Interval{Low: min(i.Low, other[id].Low), High: max(i.High, other[id].High)}
	}
	return out
}
