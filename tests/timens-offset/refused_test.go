// SPDX-License-Identifier: BSD-3-Clause

package timensoffset

import (
	"math"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/capability"
	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/design"
	"timens-vmtest/tests/internal/osthread"
	"timens-vmtest/tests/internal/timens"
)

// secMax is the kernel's KTIME_SEC_MAX, the largest offset. A clock may be set
// to at most half of it.
const secMax = (1<<63 - 1) / int64(time.Second)

// known checks that the kernel knows the members. A kernel that does not returns E2BIG
// for every array, so that this error alone would prove nothing.
func known(t *testing.T) {
	t.Helper()
	args := array(second(clock.Monotonic))
	args.Flags = 0
	design.Refuse(t, args, unix.EINVAL)
}

// An array with more elements than there are clocks is refused with E2BIG. A pointer
// without a number and a number without a pointer are refused with EINVAL.
func TestCountRefused(t *testing.T) {
	design.NeedOnly(t, design.TimensOffset)
	three := append(design.Elements(timens.Ahead, timens.Clocks...), second(clock.Boottime))
	tests := []struct {
		name  string
		first *design.Element
		count uint64
		want  unix.Errno
	}{
		{"three", &three[0], 3, unix.E2BIG},
		{"overflowing", &three[0], 1<<63 + 1, unix.E2BIG},
		{"most", &three[0], math.MaxUint64, unix.E2BIG},
		{"pointer without count", &three[0], 0, unix.EINVAL},
		{"count without pointer", nil, 1, unix.EINVAL},
		{"large count without pointer", nil, math.MaxUint64, unix.EINVAL},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			design.Refuse(t, pointer(test.first, test.count), test.want)
		})
	}
}

// An offset of a clock that can have none is refused with E2BIG, and also one of an
// ID that is no clock: a later kernel may know it.
func TestClockRefused(t *testing.T) {
	design.NeedOnly(t, design.TimensOffset)
	known(t)
	for _, id := range []clock.ID{
		clock.Realtime, clock.MonotonicRaw, clock.MonotonicCoarse, clock.TAI,
		unix.CLOCK_PROCESS_CPUTIME_ID, unix.CLOCK_BOOTTIME_ALARM, 64, 1 + 64, -1, math.MaxInt32, math.MinInt32,
	} {
		t.Run(id.String(), func(t *testing.T) {
			design.Refuse(t, array(second(id)), unix.E2BIG)
			design.Refuse(t, array(second(clock.Monotonic), second(id)), unix.E2BIG)
		})
	}
}

// Two offsets for one clock are refused.
func TestTwiceRefused(t *testing.T) {
	design.NeedOnly(t, design.TimensOffset)
	for _, id := range timens.Clocks {
		t.Run(id.String(), func(t *testing.T) { design.Refuse(t, array(second(id), second(id)), unix.EINVAL) })
	}
}

// A flag of an element is refused with E2BIG, because a later kernel may know it.
func TestFlagsRefused(t *testing.T) {
	design.NeedOnly(t, design.TimensOffset)
	known(t)
	for i := range 2 {
		for bit := range 32 {
			list := design.Elements(timens.Ahead, timens.Clocks...)
			list[i].Flags = 1 << bit
			design.Refuse(t, array(list...), unix.E2BIG)
		}
	}
}

// User space can find out what the kernel knows without making a child: without
// CLONE_NEWTIME, what is known gives EINVAL and what is unknown gives E2BIG.
func TestUnknownWithoutNewTime(t *testing.T) {
	design.NeedOnly(t, design.TimensOffset)
	flagged := second(clock.Boottime)
	flagged.Flags = 1
	for name, test := range map[string]struct {
		list []design.Element
		want unix.Errno
	}{
		"known":         {design.Elements(timens.Across, timens.Clocks...), unix.EINVAL},
		"monotonic":     {[]design.Element{second(clock.Monotonic)}, unix.EINVAL},
		"boottime":      {[]design.Element{second(clock.Boottime)}, unix.EINVAL},
		"unknown clock": {[]design.Element{second(clock.Monotonic), second(clock.Realtime)}, unix.E2BIG},
		"unknown flag":  {[]design.Element{flagged}, unix.E2BIG},
		"third clock":   {append(design.Elements(timens.Across, timens.Clocks...), second(clock.TAI)), unix.E2BIG},
	} {
		for _, flags := range []uint64{0, unix.CLONE_NEWUTS, unix.CLONE_VM | unix.CLONE_VFORK} {
			args := array(test.list...)
			args.Flags = flags
			t.Run(name, func(t *testing.T) { design.Refuse(t, args, test.want) })
		}
	}
}

// What is unknown in the first element is reported before what is wrong in the
// second, and the other way round.
func TestFirstElementDecides(t *testing.T) {
	design.NeedOnly(t, design.TimensOffset)
	unknown, wrong := second(clock.TAI), second(clock.Monotonic)
	wrong.Nsec = -1
	design.Refuse(t, array(unknown, wrong), unix.E2BIG)
	design.Refuse(t, array(wrong, unknown), unix.EINVAL)
}

// Nanoseconds that are negative, or a second or more, are refused. In the
// vDSO's data they would make a reading of the clock take minutes.
func TestNanosecondsRefused(t *testing.T) {
	design.NeedOnly(t, design.TimensOffset)
	for i := range 2 {
		for _, nsec := range []int64{-1, 1e9, 1<<32 + 5, math.MaxInt64, math.MinInt64} {
			list := design.Elements(timens.Ahead, timens.Clocks...)
			list[i].Nsec = nsec
			design.Refuse(t, array(list...), unix.EINVAL)
		}
	}
}

// An array that cannot be read to its end is refused.
func TestAddressRefused(t *testing.T) {
	design.NeedOnly(t, design.TimensOffset)
	mem := timens.TwoPages(t, unix.PROT_READ|unix.PROT_WRITE, unix.PROT_NONE)
	at := func(n uintptr) *design.Element { return (*design.Element)(unsafe.Pointer(&mem[n])) }
	const page = timens.PageSize
	last := at(page - unsafe.Sizeof(design.Element{}))
	*last = second(clock.Monotonic)
	tests := []struct {
		name  string
		first *design.Element
		count uint64
	}{
		{"unreadable", at(page), 1},
		{"half readable", at(page - 8), 1},
		{"second unreadable", last, 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			design.Refuse(t, pointer(test.first, test.count), unix.EFAULT)
		})
	}
	t.Run("first readable", func(t *testing.T) {
		got := timens.Measure(t, design.Launch(pointer(last, 1)), clock.Syscall, timens.Clocks...)
		timens.CheckShifts(t, got, timens.Offsets{Monotonic: time.Second})
	})
}

// A number of elements that is too large is refused, even if its lower 32 bits, or
// the lower bits of the array's size, would fit.
func TestEveryCountRefused(t *testing.T) {
	design.NeedOnly(t, design.TimensOffset)
	known(t)
	list := make([]design.Element, 300)
	copy(list, design.Elements(timens.Ahead, timens.Clocks...))
	p := timens.NewProgram(t)
	refuse := func(count uint64) {
		design.RefuseProgram(t, p, pointer(&list[0], count), clone.SizeVer3, unix.E2BIG)
	}
	for count := uint64(3); count < uint64(len(list)); count++ {
		refuse(count)
	}
	for bit := 9; bit < 64; bit++ {
		for count := uint64(0); count <= 2; count++ {
			refuse(1<<bit + count)
		}
	}
}

// Seconds that do not fit into 64 bits of nanoseconds, or that set the clock
// out of range, are refused.
func TestSecondsRefused(t *testing.T) {
	design.NeedOnly(t, design.TimensOffset)
	for _, id := range timens.Clocks {
		up := int64(timens.Now(t, id) / time.Second)
		for name, sec := range map[string]int64{
			"before zero":          -up - 60,
			"smallest offset":      -secMax,
			"offset too small":     -secMax - 1,
			"smallest number":      math.MinInt64,
			"clock too large":      secMax / 2,
			"largest offset":       secMax,
			"offset too large":     secMax + 1,
			"largest number":       math.MaxInt64,
			"wraps to a small one": math.MaxInt64 - up,
		} {
			t.Run(id.String()+"/"+name, func(t *testing.T) {
				bad := design.Element{Clock: int32(id), Sec: sec, Nsec: 999999999}
				design.Refuse(t, array(bad), unix.ERANGE)
			})
		}
	}
}

// One invalid offset is enough for the call to be refused, whichever element
// has it.
func TestTogetherRefused(t *testing.T) {
	design.NeedOnly(t, design.TimensOffset)
	bad, good := design.Element{Clock: int32(clock.Boottime), Sec: -secMax}, second(clock.Monotonic)
	design.Refuse(t, array(bad, good), unix.ERANGE)
	design.Refuse(t, array(good, bad), unix.ERANGE)
}

// Setting an offset needs CAP_SYS_TIME, even if the child would have it anyway.
func TestZeroNeedsCapSysTime(t *testing.T) {
	design.NeedOnly(t, design.TimensOffset)
	err := osthread.Run(func() error {
		if err := capability.Drop(unix.CAP_SYS_TIME); err != nil {
			return err
		}
		design.Refuse(t, array(design.NewElement(clock.Monotonic, 0)), unix.EPERM)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
