// SPDX-License-Identifier: BSD-3-Clause

// Package inlinens tests what only the design inline-ns has: numbers in struct
// clone_args itself, where 0 means that the child inherits the offset. It is
// planned for the series inline-ns only, and has to fail on a kernel without a
// series. Package clone3 tests what all designs share.
package inlinens

import (
	"math"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/capability"
	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/design"
	"timens-vmtest/tests/internal/osthread"
	"timens-vmtest/tests/internal/probe"
	"timens-vmtest/tests/internal/timens"
)

func TestMain(m *testing.M) {
	probe.Main(m, probe.Table{"nested": probe.Func(design.ReadNested)})
}

// inline returns the arguments of a child in a new time namespace with these
// two numbers.
func inline(o timens.Offsets) *clone.Args {
	args := design.NewTime()
	args.Offsets = design.Inline(o)
	return args
}

// zeros has offsets with at least one 0, and the offsets that the child must have
// if those of the caller's children are Ahead.
var zeros = []struct {
	name      string
	set, want timens.Offsets
}{
	{"boottime", timens.Offsets{Monotonic: timens.Behind.Monotonic},
		timens.Offsets{Monotonic: timens.Behind.Monotonic, Boottime: timens.Ahead.Boottime}},
	{"monotonic", timens.Offsets{Boottime: timens.Behind.Boottime},
		timens.Offsets{Monotonic: timens.Ahead.Monotonic, Boottime: timens.Behind.Boottime}},
	{"nearly", timens.Offsets{Monotonic: -1}, timens.Offsets{Monotonic: -1, Boottime: timens.Ahead.Boottime}},
}

// In the initial namespace an offset of 0 leaves the clock unshifted.
func TestZeroIsZero(t *testing.T) {
	design.NeedOnly(t, design.InlineNS)
	for _, test := range zeros {
		for _, via := range clock.Vias {
			t.Run(test.name+"/"+via.String(), func(t *testing.T) {
				got := timens.Measure(t, design.Launch(inline(test.set)), via, timens.Clocks...)
				timens.CheckShifts(t, got, test.set)
			})
		}
	}
}

// If the namespace for the caller's children has an offset, 0 does not remove it:
// the child inherits it. The kernel cannot tell this 0 from the one that it assumes
// for a caller with an older, shorter struct clone_args.
func TestZeroInherits(t *testing.T) {
	design.NeedOnly(t, design.InlineNS)
	for _, test := range zeros {
		for _, via := range clock.Vias {
			t.Run(test.name+"/"+via.String(), func(t *testing.T) {
				launch := design.PendingLaunch(t, timens.Ahead, inline(test.set))
				timens.CheckShifts(t, timens.Measure(t, launch, via, timens.Clocks...), test.want)
			})
		}
	}
}

// For a caller inside a time namespace, 0 does not remove the offset: the child
// inherits it.
func TestZeroInheritsNested(t *testing.T) {
	design.NeedOnly(t, design.InlineNS)
	for _, test := range append(zeros, struct {
		name      string
		set, want timens.Offsets
	}{"both", timens.Offsets{}, timens.Ahead}) {
		t.Run(test.name, func(t *testing.T) {
			p := timens.NewProgram(t)
			in := design.Nested{Kernel: design.InlineNS, Offsets: test.set}
			got := timens.MeasureExec(t, timens.Unshared(timens.Ahead), p, "nested", in)
			for _, via := range clock.Vias {
				timens.CheckShifts(t, got[via], test.want)
			}
		})
	}
}

// Setting one of the two offsets needs CAP_SYS_TIME; two zeros do not.
func TestOneClockNeedsCapSysTime(t *testing.T) {
	design.NeedOnly(t, design.InlineNS)
	err := osthread.Run(func() error {
		if err := capability.Drop(unix.CAP_SYS_TIME); err != nil {
			return err
		}
		design.Refuse(t, inline(timens.Offsets{Monotonic: 1}), unix.EPERM)
		design.Refuse(t, inline(timens.Offsets{Boottime: 1}), unix.EPERM)
		design.Refuse(t, inline(timens.Offsets{Boottime: math.MinInt64}), unix.EPERM)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// One offset other than 0 is refused with EINVAL without CLONE_NEWTIME, and for a
// thread.
func TestOneClockRefusedWithoutNewTime(t *testing.T) {
	design.NeedOnly(t, design.InlineNS)
	for _, o := range []timens.Offsets{{Monotonic: 1}, {Boottime: 1}, {Monotonic: -1}, {Boottime: math.MinInt64}} {
		args := inline(o)
		args.Flags = 0
		design.Refuse(t, args, unix.EINVAL)
		args = inline(o)
		args.Flags |= unix.CLONE_VM | unix.CLONE_SIGHAND | unix.CLONE_THREAD
		args.ExitSignal = 0
		design.Refuse(t, args, unix.EINVAL)
	}
}

// A number that is far out of range is refused with ERANGE, for either clock. The
// smallest number has no positive counterpart and cannot be negated.
func TestOneClockRefusedRange(t *testing.T) {
	design.NeedOnly(t, design.InlineNS)
	for _, bad := range []time.Duration{math.MinInt64, math.MinInt64 + 1, -1 << 62, 1 << 62, math.MaxInt64} {
		t.Run(bad.String(), func(t *testing.T) {
			design.Refuse(t, inline(timens.Offsets{Monotonic: bad}), unix.ERANGE)
			design.Refuse(t, inline(timens.Offsets{Boottime: bad}), unix.ERANGE)
		})
	}
}

// If struct clone_args ends between the two members, the first one takes
// effect.
func TestFirstMemberAlone(t *testing.T) {
	design.NeedOnly(t, design.InlineNS)
	launch := func(p *clone.Program) (*clone.Child, error) {
		return clone.Start(inline(timens.Across), clone.SizeVer2+8, p)
	}
	for _, via := range clock.Vias {
		got := timens.Measure(t, launch, via, timens.Clocks...)
		timens.CheckShifts(t, got, timens.Offsets{Monotonic: timens.Across.Monotonic})
	}
}
