// SPDX-License-Identifier: BSD-3-Clause

package namespaces

import (
	"math"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/design"
	"timens-vmtest/tests/internal/timens"
)

// A kernel without time namespaces knows nothing of the part for them: the part is refused
// with E2BIG if one byte of it is not 0, with CLONE_NEWTIME and without it. A part of zeros
// is accepted, because it says nothing of the time namespace.
//
//vmtest:config # CONFIG_TIME_NS is not set
func TestWithoutTimeNamespaces(t *testing.T) {
	design.NeedTimeless(t, design.Namespaces)
	args := func(flags uint64, s design.Struct) *clone.Args {
		args := with(s)
		args.Flags = flags
		return args
	}
	timens.Run(t, design.Launch(args(0, design.Struct{})), timens.NewProgram(t))
	design.Refuse(t, args(unix.CLONE_NEWTIME, design.Struct{}), unix.EINVAL) // as without the structure

	for _, flags := range []uint64{0, unix.CLONE_NEWTIME, unix.CLONE_NEWUTS} {
		for _, s := range []design.Struct{
			{Mask: design.MonotonicBit}, {Mask: design.BoottimeBit, Boottime: 1}, {Mask: 4}, {Mask: 1 << 63},
			{Monotonic: 1}, {Boottime: math.MinInt64},
		} {
			design.Refuse(t, args(flags, s), unix.E2BIG)
		}
		for at := range version0 {
			var s design.Struct
			unsafe.Slice((*byte)(unsafe.Pointer(&s)), version0)[at] = 1
			design.Refuse(t, args(flags, s), unix.E2BIG)
		}
	}

	// What does not depend on the part has the same answers as everywhere.
	mem := clone.Bytes(design.Struct{})
	for size, want := range map[uint64]unix.Errno{0: unix.EINVAL, 63: unix.EINVAL, timens.PageSize + 1: unix.E2BIG} {
		design.Refuse(t, pointer(&mem[0], size), want)
	}
	design.Refuse(t, pointer(nil, uint64(version0)), unix.EINVAL)
}
