// SPDX-License-Identifier: BSD-3-Clause

// Package namespaces tests what only the design namespaces has: a pointer to an
// extensible structure. It is planned for the series namespaces only, and has
// to fail on a kernel without a series. Package clone3 tests what all designs
// share.
package namespaces

import (
	"encoding/binary"
	"fmt"
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
	"timens-vmtest/tests/internal/probe"
	"timens-vmtest/tests/internal/timens"
)

func TestMain(m *testing.M) {
	probe.Main(m, probe.Table{"nested": probe.Func(design.ReadNested)})
}

// version0 is the size of struct clone_namespaces in its first version.
const version0 = unsafe.Sizeof(design.Struct{})

// reserved is the first byte of the structure that must be 0.
const reserved = int(unsafe.Offsetof(design.Struct{}.Reserved))

// asBytes returns the structure with both offsets as bytes.
func asBytes(o timens.Offsets) []byte {
	return clone.Bytes(design.NewStruct(o, timens.Clocks...))
}

// with returns the arguments of a child in a new time namespace with a structure.
func with(s design.Struct) *clone.Args {
	args := design.NewTime()
	args.Hold(clone.Bytes(s), uint64(version0))
	return args
}

// known checks that the kernel knows the structure. A kernel that does not returns E2BIG
// for every one, so that this error alone would prove nothing.
func known(t *testing.T) {
	t.Helper()
	args := design.Namespaces.Args(timens.Across)
	args.Flags = 0
	design.Refuse(t, args, unix.EINVAL)
}

// pointer returns the arguments of a child in a new time namespace with a
// pointer to a structure, which may be nil, and a size, which may be wrong.
func pointer(first *byte, size uint64) *clone.Args {
	args := design.NewTime()
	args.Refer(unsafe.Pointer(first), size)
	return args
}

func measure(t *testing.T, args *clone.Args, want timens.Offsets) {
	t.Helper()
	for _, via := range clock.Vias {
		timens.CheckShifts(t, timens.Measure(t, design.Launch(args), via, timens.Clocks...), want)
	}
}

// A structure of any valid size is accepted if the bytes that the kernel does not
// know are zero.
func TestSizes(t *testing.T) {
	design.NeedOnly(t, design.Namespaces)
	for _, size := range []int{64, 65, 71, 72, 80, 256, timens.PageSize - 1, timens.PageSize} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			mem := make([]byte, size)
			copy(mem, asBytes(timens.Across))
			measure(t, pointer(&mem[0], uint64(size)), timens.Across)
		})
	}
}

// A structure smaller than its first version or larger than a page is refused.
func TestSizesRefused(t *testing.T) {
	design.NeedOnly(t, design.Namespaces)
	mem := make([]byte, 2*timens.PageSize)
	copy(mem, asBytes(timens.Across))
	for size, want := range map[uint64]unix.Errno{
		0:                   unix.EINVAL,
		1:                   unix.EINVAL,
		8:                   unix.EINVAL,
		16:                  unix.EINVAL,
		63:                  unix.EINVAL,
		timens.PageSize + 1: unix.E2BIG,
		1<<32 + 64:          unix.E2BIG,
		1 << 63:             unix.E2BIG,
		math.MaxUint64:      unix.E2BIG,
	} {
		t.Run(fmt.Sprint(size), func(t *testing.T) { design.Refuse(t, pointer(&mem[0], size), want) })
	}
}

// A size without a structure is refused.
func TestSizeWithoutPointer(t *testing.T) {
	design.NeedOnly(t, design.Namespaces)
	for _, size := range []uint64{1, 64, timens.PageSize, timens.PageSize + 1, math.MaxUint64} {
		t.Run(fmt.Sprint(size), func(t *testing.T) { design.Refuse(t, pointer(nil, size), unix.EINVAL) })
	}
}

// A byte of the structure that the kernel does not know is refused if it is not
// zero, wherever it is.
func TestUnknownMembers(t *testing.T) {
	design.NeedOnly(t, design.Namespaces)
	for _, at := range []int{64, 65, 71, 72, 255, timens.PageSize - 1} {
		for _, size := range []int{at + 1, timens.PageSize} {
			t.Run(fmt.Sprintf("byte %d of %d", at, size), func(t *testing.T) {
				mem := make([]byte, size)
				copy(mem, asBytes(timens.Across))
				probe := pointer(&mem[0], uint64(size))
				probe.Flags = 0
				design.Refuse(t, probe, unix.EINVAL) // the size is accepted
				mem[at] = 0x80
				design.Refuse(t, probe, unix.E2BIG)
				design.Refuse(t, pointer(&mem[0], uint64(size)), unix.E2BIG)
			})
		}
	}
}

// User space can find out what the kernel knows without making a child: without
// CLONE_NEWTIME, what is known gives EINVAL and what is unknown gives E2BIG.
func TestUnknownMembersWithoutNewTime(t *testing.T) {
	design.NeedOnly(t, design.Namespaces)
	plain := design.NewStruct(timens.Across, timens.Clocks...)
	bit, room := plain, plain
	bit.Mask |= 4
	room.Reserved[0] = 1
	for name, test := range map[string]struct {
		s    design.Struct
		tail uint64
		want unix.Errno
	}{
		"known":         {plain, 0, unix.EINVAL},
		"one clock":     {design.NewStruct(timens.Across, clock.Boottime), 0, unix.EINVAL},
		"unknown part":  {plain, 1, unix.E2BIG},
		"unknown bit":   {bit, 0, unix.E2BIG},
		"reserved room": {room, 0, unix.E2BIG},
	} {
		mem := binary.NativeEndian.AppendUint64(clone.Bytes(test.s), test.tail)
		for _, flags := range []uint64{0, unix.CLONE_NEWUTS, unix.CLONE_VM | unix.CLONE_VFORK} {
			args := pointer(&mem[0], uint64(len(mem)))
			args.Flags = flags
			t.Run(name, func(t *testing.T) { design.Refuse(t, args, test.want) })
		}
	}
}

// A bit of the mask that the kernel does not know is refused with E2BIG, whatever it
// may mean to a later kernel.
func TestUnknownBits(t *testing.T) {
	design.NeedOnly(t, design.Namespaces)
	known(t)
	for bit := 2; bit < 64; bit++ {
		s := design.NewStruct(timens.Across, timens.Clocks...)
		s.Mask |= 1 << bit
		design.Refuse(t, with(s), unix.E2BIG)
		design.Refuse(t, with(design.Struct{Mask: 1 << bit}), unix.E2BIG)
	}
}

// The room for further members must be 0, and is refused with E2BIG otherwise.
func TestReservedRoom(t *testing.T) {
	design.NeedOnly(t, design.Namespaces)
	known(t)
	for i := range (design.Struct{}).Reserved {
		for _, word := range []uint64{1, 1 << 31, 1 << 63, math.MaxUint64} {
			s := design.NewStruct(timens.Across, timens.Clocks...)
			s.Reserved[i] = word
			design.Refuse(t, with(s), unix.E2BIG)
		}
	}
}

// An offset whose bit of the mask is not set is refused with EINVAL: no kernel could know
// what is meant.
func TestOffsetWithoutBit(t *testing.T) {
	design.NeedOnly(t, design.Namespaces)
	for _, s := range []design.Struct{
		{Monotonic: 1}, {Boottime: -1}, {Monotonic: 1, Boottime: 1},
		{Mask: design.MonotonicBit, Monotonic: 1, Boottime: 1}, {Mask: design.BoottimeBit, Monotonic: math.MinInt64, Boottime: 1},
	} {
		design.Refuse(t, with(s), unix.EINVAL)
		args := with(s)
		args.Flags = 0
		design.Refuse(t, args, unix.EINVAL)
	}
}

// A structure that says nothing of the time namespace is like none: it needs neither
// CLONE_NEWTIME nor CAP_SYS_TIME, and the child inherits its offsets. A caller who passes
// it because of another namespace has such a structure.
func TestNothingOfTime(t *testing.T) {
	design.NeedOnly(t, design.Namespaces)
	nothing := with(design.Struct{})
	for _, via := range clock.Vias {
		got := timens.Measure(t, design.PendingLaunch(t, timens.Ahead, nothing), via, timens.Clocks...)
		timens.CheckShifts(t, got, timens.Ahead)
	}
	without := with(design.Struct{})
	without.Flags = 0
	err := osthread.Run(func() error {
		if err := capability.Drop(unix.CAP_SYS_TIME); err != nil {
			return err
		}
		for _, args := range []*clone.Args{nothing, without} {
			timens.Run(t, design.Launch(args), timens.NewProgram(t))
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// Bytes of the structure beyond the size that the caller gives are ignored.
func TestBeyondSizeIgnored(t *testing.T) {
	design.NeedOnly(t, design.Namespaces)
	mem := binary.NativeEndian.AppendUint64(asBytes(timens.Across), math.MaxUint64)
	measure(t, pointer(&mem[0], uint64(version0)), timens.Across)
}

// A structure that cannot be read to its end is refused.
func TestUnreadable(t *testing.T) {
	design.NeedOnly(t, design.Namespaces)
	const page = timens.PageSize
	readable := append(asBytes(timens.Across), make([]byte, 8)...)
	mem := timens.TwoPages(t, unix.PROT_READ, unix.PROT_NONE, readable...)
	tests := []struct {
		name string
		at   uintptr
		size uint64
	}{
		{"all", page, 64},
		{"last member", page - 56, 64},
		{"last byte", page - 63, 64},
		{"first byte beyond the known members", page - 64, 65},
		{"all bytes beyond the known members", page - 64, page},
		{"last byte beyond the known members", page - 72, 73},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			design.Refuse(t, pointer(&mem[test.at], test.size), unix.EFAULT)
		})
	}
	t.Run("kernel", func(t *testing.T) {
		args := design.NewTime()
		args.Offsets = [2]uint64{0xffffffff81000000, 64}
		design.Refuse(t, args, unix.EFAULT)
	})
}

// The kernel reads exactly the structure at the end of a page, and writes
// nothing to it.
func TestReadOnlyAtEndOfPage(t *testing.T) {
	design.NeedOnly(t, design.Namespaces)
	mem := timens.TwoPages(t, unix.PROT_READ, unix.PROT_NONE, asBytes(timens.Across)...)
	measure(t, pointer(&mem[timens.PageSize-version0], uint64(version0)), timens.Across)
}

// The structure need not be aligned.
func TestUnaligned(t *testing.T) {
	design.NeedOnly(t, design.Namespaces)
	for shift := 1; shift < 8; shift++ {
		mem := append(make([]byte, shift), asBytes(timens.Across)...)
		measure(t, pointer(&mem[shift], uint64(version0)), timens.Across)
	}
}

// An offset of 0 leaves the clock at that of the initial namespace, even if the caller's
// children would inherit an offset.
func TestZeroIsZero(t *testing.T) {
	design.NeedOnly(t, design.Namespaces)
	for _, want := range []timens.Offsets{{}, {Monotonic: timens.Behind.Monotonic}, {Boottime: timens.Behind.Boottime}} {
		for _, via := range clock.Vias {
			t.Run(fmt.Sprintf("%v/%v/%v", want.Monotonic, want.Boottime, via), func(t *testing.T) {
				launch := design.PendingLaunch(t, timens.Ahead, design.Namespaces.Args(want))
				timens.CheckShifts(t, timens.Measure(t, launch, via, timens.Clocks...), want)
			})
		}
	}
}

// For a caller inside a time namespace, an offset of 0 sets the child's clock
// to that of the initial namespace.
func TestZeroIsZeroNested(t *testing.T) {
	design.NeedOnly(t, design.Namespaces)
	p := timens.NewProgram(t)
	got := timens.MeasureExec(t, timens.Unshared(timens.Ahead), p, "nested", design.Nested{Kernel: design.Namespaces})
	for _, via := range clock.Vias {
		timens.CheckShifts(t, got[via], timens.Offsets{})
	}
}

// An offset of 0 is an offset: it needs CAP_SYS_TIME, and is refused without
// CLONE_NEWTIME and for a thread.
func TestZeroIsAnOffset(t *testing.T) {
	design.NeedOnly(t, design.Namespaces)
	zero := design.Namespaces.Args(timens.Offsets{})
	zero.Flags = 0
	design.Refuse(t, zero, unix.EINVAL)
	zero = design.Namespaces.Args(timens.Offsets{})
	zero.Flags |= unix.CLONE_VM | unix.CLONE_SIGHAND | unix.CLONE_THREAD
	zero.ExitSignal = 0
	design.Refuse(t, zero, unix.EINVAL)
	err := osthread.Run(func() error {
		if err := capability.Drop(unix.CAP_SYS_TIME); err != nil {
			return err
		}
		design.Refuse(t, design.Namespaces.Args(timens.Offsets{}), unix.EPERM)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// An offset that is far out of range is refused with ERANGE, for either clock. The
// smallest number has no positive counterpart and cannot be negated.
func TestOneClockRefusedRange(t *testing.T) {
	design.NeedOnly(t, design.Namespaces)
	for _, bad := range []time.Duration{math.MinInt64, math.MinInt64 + 1, -1 << 62, 1 << 62, math.MaxInt64} {
		t.Run(bad.String(), func(t *testing.T) {
			design.Refuse(t, design.Namespaces.Args(timens.Offsets{Monotonic: bad}), unix.ERANGE)
			design.Refuse(t, design.Namespaces.Args(timens.Offsets{Boottime: bad}), unix.ERANGE)
		})
	}
}

// If struct clone_args ends between the two members, the pointer has no size
// and is refused.
func TestFirstMemberAlone(t *testing.T) {
	design.NeedOnly(t, design.Namespaces)
	design.RefuseSize(t, design.Namespaces.Args(timens.Across), clone.SizeVer2+8, unix.EINVAL)
}
