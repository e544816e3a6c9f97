// SPDX-License-Identifier: BSD-3-Clause

// The tests in this file need a series with offsets.

package clone3

import (
	"fmt"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/design"
	"timens-vmtest/tests/internal/timens"
)

// clone3() reads exactly the bytes that the size says, at any alignment and across
// pages, and writes nothing to the arguments.
func TestOffsetsFromAnyMemory(t *testing.T) {
	kernel := design.Need(t)
	args := kernel.Args(timens.Across)
	bytes := unsafe.Slice((*byte)(unsafe.Pointer(args)), clone.SizeVer3)
	places := map[string]uintptr{"at the end of a page": timens.PageSize - clone.SizeVer3}
	for shift := uintptr(1); shift < 8; shift++ {
		places[fmt.Sprintf("misaligned by %d", shift)] = timens.PageSize - clone.SizeVer3 - 8 + shift
	}
	for name, at := range places {
		t.Run(name, func(t *testing.T) {
			mem := timens.TwoPages(t, unix.PROT_READ, unix.PROT_NONE, append(bytes, make([]byte, timens.PageSize-clone.SizeVer3-at)...)...)
			checkForkAt(t, (*clone.Args)(unsafe.Pointer(&mem[at])), timens.Across)
		})
	}
	t.Run("across two pages", func(t *testing.T) {
		mem := timens.TwoPages(t, unix.PROT_READ|unix.PROT_WRITE, unix.PROT_READ|unix.PROT_WRITE)
		copy(mem[timens.PageSize-50:], bytes)
		checkForkAt(t, (*clone.Args)(unsafe.Pointer(&mem[timens.PageSize-50])), timens.Across)
	})
}

// If the size of clone_args ends inside a member of the offsets, clone3() takes the
// bytes beyond the size as zero. Flags that say that a member is given need all of it.
func TestOffsetsCutOff(t *testing.T) {
	kernel := design.Need(t)
	for size := uintptr(clone.SizeVer2 - 4); size <= clone.SizeVer3+8; size++ {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			args := kernel.Args(timens.Ahead)
			want, err := cutOffsets(kernel, args, size)
			if err != 0 {
				design.RefuseSize(t, args, size, err)
				return
			}
			launch := func(p *clone.Program) (*clone.Child, error) { return clone.Start(args, size, p) }
			timens.CheckShifts(t, timens.Measure(t, launch, clock.VDSO, timens.Clocks...), want)
		})
	}
}

// cutOffsets returns the offsets that the first size bytes of args ask for, or the
// error that the call must get. All bytes of args ask for Ahead.
func cutOffsets(kernel design.Name, args *clone.Args, size uintptr) (timens.Offsets, unix.Errno) {
	var cut clone.Args
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&cut)), size), unsafe.Slice((*byte)(unsafe.Pointer(args)), size))
	switch first, second := cut.Offsets[0], cut.Offsets[1]; {
	case kernel == design.InlineNS && size < clone.SizeVer3:
		return timens.Offsets{}, unix.EINVAL
	case second != 0: // the pointer before it is complete
		return timens.Ahead, 0
	case first != 0:
		return timens.Offsets{}, unix.EINVAL
	}
	return timens.Offsets{}, 0
}

// checkForkAt lets a child make a grandchild by args, and checks the offsets of the
// grandchild.
func checkForkAt(t *testing.T, args *clone.Args, want timens.Offsets) {
	t.Helper()
	checkProfileOfFork(t, want, timens.Fork, func(p, inner *clone.Program) clone.Result {
		return p.ForkAt(args, clone.SizeVer3, inner)
	})
}
