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

// asBytes returns the structure as bytes.
func asBytes(o timens.Offsets) []byte {
	b := binary.NativeEndian.AppendUint64(nil, uint64(o.Monotonic))
	return binary.NativeEndian.AppendUint64(b, uint64(o.Boottime))
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
	for _, size := range []int{16, 17, 23, 24, 32, 256, timens.PageSize - 1, timens.PageSize} {
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
		15:                  unix.EINVAL,
		timens.PageSize + 1: unix.E2BIG,
		1<<32 + 16:          unix.E2BIG,
		1 << 63:             unix.E2BIG,
		math.MaxUint64:      unix.E2BIG,
	} {
		t.Run(fmt.Sprint(size), func(t *testing.T) { design.Refuse(t, pointer(&mem[0], size), want) })
	}
}

// A size without a structure is refused.
func TestSizeWithoutPointer(t *testing.T) {
	design.NeedOnly(t, design.Namespaces)
	for _, size := range []uint64{1, 16, timens.PageSize, timens.PageSize + 1, math.MaxUint64} {
		t.Run(fmt.Sprint(size), func(t *testing.T) { design.Refuse(t, pointer(nil, size), unix.EINVAL) })
	}
}

// A byte of the structure that the kernel does not know is refused if it is not
// zero, wherever it is.
func TestUnknownMembers(t *testing.T) {
	design.NeedOnly(t, design.Namespaces)
	for _, at := range []int{16, 17, 23, 24, 255, timens.PageSize - 1} {
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

// User space can find out which members the kernel knows without making a
// child: without CLONE_NEWTIME a known one gives EINVAL and an unknown one
// E2BIG.
func TestUnknownMembersWithoutNewTime(t *testing.T) {
	design.NeedOnly(t, design.Namespaces)
	for word, want := range map[uint64]unix.Errno{0: unix.EINVAL, 1: unix.E2BIG} {
		mem := binary.NativeEndian.AppendUint64(asBytes(timens.Across), word)
		for _, flags := range []uint64{0, unix.CLONE_NEWUTS, unix.CLONE_VM | unix.CLONE_VFORK} {
			args := pointer(&mem[0], uint64(len(mem)))
			args.Flags = flags
			design.Refuse(t, args, want)
		}
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
		{"all", page, 16},
		{"second member", page - 8, 16},
		{"last byte", page - 15, 16},
		{"first byte beyond the known members", page - 16, 17},
		{"all bytes beyond the known members", page - 16, page},
		{"last byte beyond the known members", page - 24, 25},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			design.Refuse(t, pointer(&mem[test.at], test.size), unix.EFAULT)
		})
	}
	t.Run("kernel", func(t *testing.T) {
		args := design.NewTime()
		args.Offsets = [2]uint64{0xffffffff81000000, 16}
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

// A structure sets both clocks: an offset of 0 leaves the clock at that of the
// initial namespace, even if the caller's children would inherit an offset.
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
