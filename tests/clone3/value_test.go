// SPDX-License-Identifier: BSD-3-Clause

// The tests in this file need a series with offsets.

package clone3

import (
	"fmt"
	"testing"
	"time"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/design"
	"timens-vmtest/tests/internal/timens"
)

// The first instructions of a child read the clocks by the vDSO with the
// offsets.
func TestOffsetsReadVDSO(t *testing.T) { testOffsetsRead(t, clock.VDSOs) }

// The first instructions of a child read the clocks by the system call with the
// offsets.
func TestOffsetsReadSyscall(t *testing.T) { testOffsetsRead(t, clock.Syscalls) }

// testOffsetsRead checks what the first instructions of a child read.
func testOffsetsRead(t *testing.T, vias []clock.Via) {
	kernel := design.Need(t)
	for _, ns := range namespaces {
		for _, via := range vias {
			t.Run(ns.name+"/"+via.String(), func(t *testing.T) {
				args := kernel.Args(ns.offsets)
				timens.CheckShifts(t, timens.Measure(t, design.Launch(args), via, timens.Clocks...), ns.offsets)
			})
		}
	}
}

// A reading by the system call lies between two readings by the vDSO, to the
// nanosecond, and all of them have the offset.
func TestOffsetsVDSOAgreesWithSyscall(t *testing.T) {
	kernel := design.Need(t)
	for _, ns := range namespaces {
		for _, id := range timens.Clocks {
			t.Run(ns.name+"/"+id.String(), func(t *testing.T) {
				timens.CheckOrder(t, design.Launch(kernel.Args(ns.offsets)), id)
			})
		}
	}
}

// Offsets in clone3() count from the initial clocks: they replace the offsets that
// the child would inherit and are not added to them.
func TestOffsetsReplaceInherited(t *testing.T) {
	kernel := design.Need(t)
	for _, ns := range namespaces[1:] {
		for _, via := range clock.Vias {
			t.Run(ns.name+"/"+via.String(), func(t *testing.T) {
				launch := design.PendingLaunch(t, timens.Ahead, kernel.Args(ns.offsets))
				timens.CheckShifts(t, timens.Measure(t, launch, via, timens.Clocks...), ns.offsets)
			})
		}
	}
}

// The offset of one clock can be given alone, and 0 is an offset like any other. The other
// clock inherits its offset.
func TestOffsetsOfOneClock(t *testing.T) {
	kernel := design.Need(t)
	for _, pending := range []timens.Offsets{{}, timens.Ahead, timens.Behind} {
		for _, set := range []timens.Offsets{{}, timens.Across} {
			for _, id := range timens.Clocks {
				want := pending
				if id == clock.Monotonic {
					want.Monotonic = set.Monotonic
				} else {
					want.Boottime = set.Boottime
				}
				args := design.NewTime()
				kernel.SetOnly(args, set, id)
				for _, via := range clock.Vias {
					t.Run(fmt.Sprintf("%v %v over %v/%v", id, set.Of(id), pending.Of(id), via), func(t *testing.T) {
						launch := design.PendingLaunch(t, pending, args)
						timens.CheckShifts(t, timens.Measure(t, launch, via, timens.Clocks...), want)
					})
				}
			}
		}
	}
}

// A caller inside a time namespace gets the same child for the same offsets: they
// and their range count from the initial clocks.
func TestOffsetsFromInsideNamespace(t *testing.T) {
	kernel := design.Need(t)
	for _, outer := range namespaces[:2] {
		for _, inner := range namespaces {
			t.Run(inner.name+" in "+outer.name, func(t *testing.T) {
				p := timens.NewProgram(t)
				got := timens.MeasureExec(t, timens.Unshared(outer.offsets), p, "nested", design.Nested{Kernel: kernel, Offsets: inner.offsets})
				for _, via := range clock.Vias {
					timens.CheckShifts(t, got[via], inner.offsets)
				}
			})
		}
	}
}

// A negative offset is rounded down to whole seconds plus nanoseconds that are
// not negative. Negative nanoseconds in the vDSO's data would make a reading
// take minutes.
func TestOffsetsRoundDown(t *testing.T) {
	kernel := design.Need(t)
	const most = -2*time.Second - 1
	beUpFor(t, -most)
	for _, offset := range []time.Duration{
		-1, -999999999, -time.Second, -time.Second - 1, -2*time.Second + 1, -2 * time.Second, most,
		1, 999999999, time.Second, time.Second + 1, -most,
	} {
		t.Run(offset.String(), func(t *testing.T) {
			want := timens.Offsets{Monotonic: offset, Boottime: -offset}
			p := timens.NewProgram(t)
			file := p.ReadFile(offsetsFile)
			timens.Run(t, design.Launch(kernel.Args(want)), p)
			if got := timens.Text(t, file); got != want.String() {
				t.Errorf("%s is\n%swant\n%s", offsetsFile, got, want)
			}
			for _, via := range clock.Vias {
				timens.CheckShifts(t, timens.Measure(t, design.Launch(kernel.Args(want)), via, timens.Clocks...), want)
			}
		})
	}
}
