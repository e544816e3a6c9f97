// The tests in this file need the series timens-offset.

package clone3

import (
	"testing"
	"time"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/design"
	"timens-vmtest/tests/internal/timens"
)

// The very first instructions of a child read clocks by the vDSO with the offsets.
func TestOffsetsReadVDSO(t *testing.T) { testOffsetsRead(t, clock.VDSOs) }

// So do they by the system call.
func TestOffsetsReadSyscall(t *testing.T) { testOffsetsRead(t, clock.Syscalls) }

// testOffsetsRead checks what the very first instructions of a child read.
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

// A reading by the system call lies between two by the vDSO, to the nanosecond,
// and all of them are shifted.
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

// The offsets are against the initial clocks. They replace what the child would
// have inherited and are not added to it.
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

// A caller that is itself in a time namespace means the same by a value, and is
// held to the range of the initial clock, which it cannot even see.
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

// Nanoseconds of a negative offset are rounded down to a second and the rest,
// or they reach the vDSO with a sign, which makes it count for minutes.
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
