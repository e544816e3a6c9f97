// Package profile has a child tell everything by which it can know its time
// namespace: all clocks, what the kernel reports of the time since boot, the
// offsets file, and the namespace's links. Times become shifts against the
// initial clocks, and narrow ones: realtime, which no namespace shifts, is read
// before and after each.
package profile

import (
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/timens"
)

// Steps are those of one child, whose program may be run several times.
type Steps struct {
	vias              []clock.Via
	shifts            []func(*reader) Shift
	offsets           clone.Contents
	current, children clone.Contents
	write             clone.Written
}

// clocks are all that a program might take for the time since boot, and those
// that must not be shifted.
var clocks = []clock.ID{
	clock.Monotonic, clock.Boottime, clock.MonotonicRaw, clock.MonotonicCoarse,
	clock.Realtime, clock.RealtimeCoarse, clock.TAI,
}

// beside is the clock to read before and after another: the coarse ones move by
// a tick, and together.
func beside(id clock.ID) clock.ID {
	if id == clock.MonotonicCoarse || id == clock.RealtimeCoarse {
		return clock.RealtimeCoarse
	}
	return clock.Realtime
}

// Add has the child of p tell all, from here on, as far as there is room for it
// with about some offsets.
func Add(p *clone.Program, about timens.Offsets) *Steps {
	s := &Steps{vias: clock.ViasFor(about.Monotonic, about.Boottime)}
	for _, id := range clocks {
		s.addClock(p, id)
	}
	s.addStart(p)
	s.addUptime(p)
	if len(s.vias) == len(clock.Vias) { // or it is a long that is too short
		s.addSysinfo(p)
	}
	s.addBtime(p)
	s.addNamespace(p)
	return s
}

// AddBrief is Add for the two clocks and the namespace only, in a tenth of the
// time.
func AddBrief(p *clone.Program, about timens.Offsets) *Steps {
	s := &Steps{vias: clock.ViasFor(about.Monotonic, about.Boottime)}
	for _, id := range timens.Clocks {
		s.addClock(p, id)
	}
	s.addNamespace(p)
	return s
}

// bracketed adds two readings of a clock that is never shifted around a step.
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

// tick is the step of /proc/uptime and of the start time in /proc/PID/stat.
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
		up := time.Duration(info.Uptime) * time.Second // rounded up
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

// Profile is what a child told.
type Profile struct {
	Shifts            []Shift
	Offsets           string // of its children
	Current, Children string // namespaces
	Write             error  // of a write to the offsets file
}

// Shift is by how much some figure is off, and whose offset it should show.
type Shift struct {
	Name string
	Of   clock.ID
	By   timens.Interval
}

// Read returns what the child told, which was started after the initial realtime
// began, and given how far the initial clocks are from realtime.
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

// Base is by how much the initial clocks are ahead of realtime.
type Base map[clock.ID]timens.Interval

// rounds are enough for one of them not to be disturbed.
const rounds = 20

// MeasureBase reads the clocks of the calling process, which is in the initial
// namespace.
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

// Or returns what holds if any of two bases may: monotonic_raw is not steered
// like the others, and drifts.
func (b Base) Or(other Base) Base {
	out := make(Base)
	for id, i := range b {
		out[id] = timens.Interval{Low: min(i.Low, other[id].Low), High: max(i.High, other[id].High)}
	}
	return out
}
