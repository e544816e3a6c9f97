// The tests in this file need the series timens-offset.

package clone3

import (
	"fmt"
	"testing"
	"time"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/timens"
)

func TestOffsetsReadVDSO(t *testing.T)    { testOffsetsRead(t, clock.VDSO) }
func TestOffsetsReadSyscall(t *testing.T) { testOffsetsRead(t, clock.Syscall) }

// testOffsetsRead checks what the very first instructions of a child read.
func testOffsetsRead(t *testing.T, via clock.Via) {
	needSeries(t)
	for _, ns := range namespaces {
		t.Run(ns.name, func(t *testing.T) {
			args := newTime(elements(ns.offsets)...)
			checkShifts(t, timens.Measure(t, launch(args), via, bothClocks...), ns.offsets)
		})
	}
}

// A reading by the system call lies between two by the vDSO, to the nanosecond,
// and all of them are shifted.
func TestOffsetsVDSOAgreesWithSyscall(t *testing.T) {
	needSeries(t)
	for _, ns := range namespaces {
		for _, id := range bothClocks {
			t.Run(ns.name+"/"+id.String(), func(t *testing.T) {
				p := timens.NewProgram(t)
				first := p.ClockGettime(id, clock.VDSO)
				syscall := p.ClockGettime(id, clock.Syscall)
				last := p.ClockGettime(id, clock.VDSO)
				timens.Run(t, launch(newTime(elements(ns.offsets)...)), p)
				low, got, high := timens.Time(t, first), timens.Time(t, syscall), timens.Time(t, last)
				if got < low || got > high {
					t.Errorf("read %v by vDSO, %v by system call, %v by vDSO: out of order", low, got, high)
				}
			})
		}
	}
}

// The order of the elements means nothing.
func TestOffsetsInEitherOrder(t *testing.T) {
	needSeries(t)
	args := newTime(element(clock.Boottime, across.Boottime), element(clock.Monotonic, across.Monotonic))
	for _, via := range clock.Vias {
		checkShifts(t, timens.Measure(t, launch(args), via, bothClocks...), across)
	}
}

// A clock that is left out has the offset that any other child would have.
func TestOffsetOfOneClock(t *testing.T) {
	needSeries(t)
	tests := []struct {
		name    string
		pending timens.Offsets
		set     clone.TimensOffset
		want    timens.Offsets
	}{
		{"monotonic", timens.Offsets{}, element(clock.Monotonic, behind.Monotonic),
			timens.Offsets{Monotonic: behind.Monotonic}},
		{"boottime", timens.Offsets{}, element(clock.Boottime, ahead.Boottime),
			timens.Offsets{Boottime: ahead.Boottime}},
		{"monotonic beside inherited", ahead, element(clock.Monotonic, behind.Monotonic),
			timens.Offsets{Monotonic: behind.Monotonic, Boottime: ahead.Boottime}},
		{"boottime beside inherited", ahead, element(clock.Boottime, behind.Boottime),
			timens.Offsets{Monotonic: ahead.Monotonic, Boottime: behind.Boottime}},
		{"zero over inherited", ahead, element(clock.Monotonic, 0),
			timens.Offsets{Boottime: ahead.Boottime}},
	}
	for _, test := range tests {
		for _, via := range clock.Vias {
			t.Run(test.name+"/"+via.String(), func(t *testing.T) {
				launch := pendingLaunch(t, test.pending, newTime(test.set))
				checkShifts(t, timens.Measure(t, launch, via, bothClocks...), test.want)
			})
		}
	}
}

// The offsets are against the initial clocks. They replace what the child would
// have inherited and are not added to it.
func TestOffsetsReplaceInherited(t *testing.T) {
	needSeries(t)
	for _, ns := range namespaces[1:] {
		for _, via := range clock.Vias {
			t.Run(ns.name+"/"+via.String(), func(t *testing.T) {
				launch := pendingLaunch(t, ahead, newTime(elements(ns.offsets)...))
				checkShifts(t, timens.Measure(t, launch, via, bothClocks...), ns.offsets)
			})
		}
	}
}

// A caller that is itself in a time namespace means the same by a value, and is
// held to the range of the initial clock, which it cannot even see.
func TestOffsetsFromInsideNamespace(t *testing.T) {
	needSeries(t)
	for _, outer := range namespaces[:2] {
		for _, inner := range namespaces {
			t.Run(inner.name+" in "+outer.name, func(t *testing.T) {
				p := timens.NewProgram(t)
				got := timens.MeasureExec(t, timens.Unshared(outer.offsets), p, "nested", inner.offsets)
				for _, via := range clock.Vias {
					checkShifts(t, got[via], inner.offsets)
				}
			})
		}
	}
}

// readNested is the probe "nested": the readings of a child's child.
func readNested(offsets timens.Offsets) (timens.Readings, error) {
	p, err := clone.NewProgram()
	if err != nil {
		return nil, err
	}
	defer p.Close()
	steps := make(map[clock.Via]map[clock.ID]clone.Reading)
	for _, via := range clock.Vias {
		steps[via] = make(map[clock.ID]clone.Reading)
		for _, id := range bothClocks {
			steps[via][id] = p.ClockGettime(id, via)
		}
	}
	child, err := launch(newTime(elements(offsets)...))(p)
	if err != nil {
		return nil, fmt.Errorf("clone3: %w", err)
	}
	if _, err := child.Wait(timens.Patience); err != nil {
		return nil, err
	}
	out := make(timens.Readings)
	for _, via := range clock.Vias {
		out[via] = make(map[clock.ID]time.Duration)
		for _, id := range bothClocks {
			if out[via][id], err = steps[via][id].Time(); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// The largest and the smallest offset that clone3() has to take.
func TestOffsetsAtLimits(t *testing.T) {
	needSeries(t)
	mono, boot := timens.Now(t, clock.Monotonic), timens.Now(t, clock.Boottime)
	limits := map[string]timens.Offsets{
		"lowest":  {Monotonic: -mono + 1, Boottime: -boot + 2},
		"highest": {Monotonic: maxClock - mono - time.Hour, Boottime: maxClock - boot - time.Hour - time.Second},
	}
	for name, offsets := range limits {
		for _, via := range clock.Vias {
			t.Run(name+"/"+via.String(), func(t *testing.T) {
				launch := launch(newTime(elements(offsets)...))
				checkShifts(t, timens.Measure(t, launch, via, bothClocks...), offsets)
			})
		}
	}
}

// A 32-bit program hands over the same structures, without any translation.
func TestOffsetsFromI386(t *testing.T) {
	needSeries(t)
	launch := func(p *clone.Program) (*clone.Child, error) {
		return clone.StartI386(newTime(elements(across)...), clone.SizeVer3, p)
	}
	for _, via := range clock.Vias {
		checkShifts(t, timens.Measure(t, launch, via, bothClocks...), across)
	}
}

func TestOffsetsShowInUptime(t *testing.T) {
	needSeries(t)
	for _, ns := range namespaces {
		t.Run(ns.name, func(t *testing.T) {
			p := timens.NewProgram(t)
			file := p.ReadFile("/proc/uptime")
			before := timens.Now(t, clock.Boottime)
			timens.Run(t, launch(newTime(elements(ns.offsets)...)), p)
			after := timens.Now(t, clock.Boottime)
			got, err := timens.ParseUptime(timens.Text(t, file))
			if err != nil {
				t.Fatal(err)
			}
			low, high := (before + ns.offsets.Boottime).Truncate(10*time.Millisecond), after+ns.offsets.Boottime
			if got < low || got > high {
				t.Errorf("uptime is %v, want it in [%v, %v]", got, low, high)
			}
		})
	}
}
