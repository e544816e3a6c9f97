// SPDX-License-Identifier: BSD-3-Clause

// Package inlinens tests what only the design inline-ns has: numbers in struct
// clone_args itself, and a flag for each that says that it is given. It is
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
// two numbers, and the flags of these clocks.
func inline(o timens.Offsets, ids ...clock.ID) *clone.Args {
	args := design.NewTime()
	flags, _ := design.Inline(o, ids...)
	_, args.Offsets = design.Inline(o, timens.Clocks...)
	args.Flags |= flags
	return args
}

// zeros has offsets of some clocks, at least one of them 0, and the offsets that the child
// must have if those of the caller's children are Ahead.
var zeros = []struct {
	name      string
	ids       []clock.ID
	set, want timens.Offsets
}{
	{"both", timens.Clocks, timens.Offsets{}, timens.Offsets{}},
	{"monotonic of both", timens.Clocks, timens.Offsets{Boottime: timens.Behind.Boottime}, timens.Offsets{Boottime: timens.Behind.Boottime}},
	{"boottime of both", timens.Clocks, timens.Offsets{Monotonic: timens.Behind.Monotonic}, timens.Offsets{Monotonic: timens.Behind.Monotonic}},
	{"monotonic", timens.Clocks[:1], timens.Offsets{}, timens.Offsets{Boottime: timens.Ahead.Boottime}},
	{"boottime", timens.Clocks[1:], timens.Offsets{}, timens.Offsets{Monotonic: timens.Ahead.Monotonic}},
	{"none", nil, timens.Offsets{}, timens.Ahead},
}

// An offset of 0 with its flag removes the offset that the child would inherit. A clock
// without its flag inherits its offset.
func TestZeroIsZero(t *testing.T) {
	design.NeedOnly(t, design.InlineNS)
	for _, test := range zeros {
		for _, via := range clock.Vias {
			t.Run(test.name+"/"+via.String(), func(t *testing.T) {
				launch := design.PendingLaunch(t, timens.Ahead, inline(test.set, test.ids...))
				timens.CheckShifts(t, timens.Measure(t, launch, via, timens.Clocks...), test.want)
			})
		}
	}
}

// For a caller inside a time namespace, an offset of 0 sets the child's clock to that of
// the initial namespace.
func TestZeroIsZeroNested(t *testing.T) {
	design.NeedOnly(t, design.InlineNS)
	for _, want := range []timens.Offsets{{}, {Monotonic: timens.Behind.Monotonic}, {Boottime: timens.Behind.Boottime}} {
		p := timens.NewProgram(t)
		in := design.Nested{Kernel: design.InlineNS, Offsets: want}
		got := timens.MeasureExec(t, timens.Unshared(timens.Ahead), p, "nested", in)
		for _, via := range clock.Vias {
			timens.CheckShifts(t, got[via], want)
		}
	}
}

// Setting one of the two offsets needs CAP_SYS_TIME, and 0 is an offset.
func TestOneClockNeedsCapSysTime(t *testing.T) {
	design.NeedOnly(t, design.InlineNS)
	err := osthread.Run(func() error {
		if err := capability.Drop(unix.CAP_SYS_TIME); err != nil {
			return err
		}
		for _, id := range timens.Clocks {
			design.Refuse(t, inline(timens.Offsets{}, id), unix.EPERM)
		}
		design.Refuse(t, inline(timens.Offsets{Monotonic: 1}, clock.Monotonic), unix.EPERM)
		design.Refuse(t, inline(timens.Offsets{Boottime: math.MinInt64}, clock.Boottime), unix.EPERM)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// One offset is refused with EINVAL without CLONE_NEWTIME, and for a thread, also if it
// is 0.
func TestOneClockRefusedWithoutNewTime(t *testing.T) {
	design.NeedOnly(t, design.InlineNS)
	for _, id := range timens.Clocks {
		for _, offset := range []time.Duration{0, 1, -1, math.MinInt64} {
			o := timens.Offsets{Monotonic: offset}
			if id == clock.Boottime {
				o = timens.Offsets{Boottime: offset}
			}
			args := inline(o, id)
			args.Flags &^= unix.CLONE_NEWTIME
			design.Refuse(t, args, unix.EINVAL)
			args = inline(o, id)
			args.Flags |= unix.CLONE_VM | unix.CLONE_SIGHAND | unix.CLONE_THREAD
			args.ExitSignal = 0
			design.Refuse(t, args, unix.EINVAL)
		}
	}
}

// An offset other than 0 without its flag is refused with EINVAL: a program that forgets
// the flag would get a child without the offset.
func TestOffsetWithoutFlag(t *testing.T) {
	design.NeedOnly(t, design.InlineNS)
	both := timens.Offsets{Monotonic: 1, Boottime: math.MinInt64}
	for _, ids := range [][]clock.ID{nil, timens.Clocks[:1], timens.Clocks[1:]} {
		design.Refuse(t, inline(both, ids...), unix.EINVAL)
	}
	design.Refuse(t, inline(timens.Offsets{Monotonic: -1}), unix.EINVAL)
	design.Refuse(t, inline(timens.Offsets{Boottime: 1}), unix.EINVAL)
}

// A number that is far out of range is refused with ERANGE, for either clock. The
// smallest number has no positive counterpart and cannot be negated.
func TestOneClockRefusedRange(t *testing.T) {
	design.NeedOnly(t, design.InlineNS)
	for _, bad := range []time.Duration{math.MinInt64, math.MinInt64 + 1, -1 << 62, 1 << 62, math.MaxInt64} {
		t.Run(bad.String(), func(t *testing.T) {
			design.Refuse(t, inline(timens.Offsets{Monotonic: bad}, clock.Monotonic), unix.ERANGE)
			design.Refuse(t, inline(timens.Offsets{Boottime: bad}, clock.Boottime), unix.ERANGE)
		})
	}
}

// The flags are refused with EINVAL if struct clone_args is too short to have both members.
// Otherwise a caller with an older structure would set an offset of 0.
func TestFlagsNeedMembers(t *testing.T) {
	design.NeedOnly(t, design.InlineNS)
	for _, ids := range [][]clock.ID{timens.Clocks[:1], timens.Clocks[1:], timens.Clocks} {
		for size := uintptr(clone.SizeVer0); size < clone.SizeVer3; size++ {
			design.RefuseSize(t, inline(timens.Offsets{}, ids...), size, unix.EINVAL)
		}
		for _, via := range clock.Vias {
			launch := func(p *clone.Program) (*clone.Child, error) {
				return clone.Start(inline(timens.Offsets{}, ids...), clone.SizeVer3, p)
			}
			timens.CheckShifts(t, timens.Measure(t, launch, via, timens.Clocks...), timens.Offsets{})
		}
	}
}
