// SPDX-License-Identifier: BSD-3-Clause

// The tests in this file pass on kernels with and without a series.

package clone3

import (
	"fmt"
	"math"
	"math/bits"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/design"
	"timens-vmtest/tests/internal/timens"
)

// Callers with an older struct clone_args keep working, and callers with a newer
// one work if its new members are zero.
func TestSizes(t *testing.T) {
	timens.Need(t)
	for _, size := range []uintptr{
		clone.SizeVer0, clone.SizeVer1, clone.SizeVer2, clone.SizeVer2 + 8, clone.SizeVer3, clone.SizeVer3 + 8, clone.MaxSize,
		clone.SizeVer0 + 4, clone.SizeVer1 - 1, clone.SizeVer2 + 1, clone.SizeVer3 - 1,
	} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			p := timens.NewProgram(t)
			link := p.ReadLink(current)
			launch := func(p *clone.Program) (*clone.Child, error) { return clone.Start(design.NewTime(), size, p) }
			timens.Run(t, launch, p)
			if got, parent := timens.Text(t, link), threadLink(t, "time"); got == parent {
				t.Errorf("the child is in its parent's namespace %s", got)
			}
		})
	}
}

// Every size of clone_args is either accepted or refused as the rules say, and an
// unknown byte that is not zero is refused wherever it is. The kernel follows one
// bad pointer in the arguments late, so that accepted calls make no child.
func TestEverySize(t *testing.T) {
	timens.Need(t)
	args := design.NewTime()
	args.SetTID, args.SetTIDSize = (*int32)(unsafe.Pointer(&timens.TwoPages(t, unix.PROT_NONE, unix.PROT_NONE)[0])), 1
	p := timens.NewProgram(t)
	refuse := func(size uintptr, want unix.Errno) { design.RefuseProgram(t, p, args, size, want) }
	for size := range uintptr(clone.SizeVer0) {
		refuse(size, unix.EINVAL)
	}
	for size := uintptr(clone.SizeVer1); size <= clone.MaxSize; size++ {
		refuse(size, unix.EFAULT)
	}
	for size := uintptr(clone.MaxSize + 1); size < clone.MaxSize+200; size++ {
		refuse(size, unix.E2BIG)
	}
	for _, size := range []uintptr{2 * clone.MaxSize, 1 << 31, 1<<(bits.UintSize-1) + clone.SizeVer2, math.MaxUint} {
		refuse(size, unix.E2BIG)
	}
	tail := unsafe.Slice((*byte)(unsafe.Pointer(args)), clone.MaxSize)
	for at := uintptr(clone.SizeVer3); at < clone.MaxSize; at += nextByte(at) {
		tail[at] = 0x80
		refuse(at, unix.EFAULT)
		refuse(at+1, unix.E2BIG)
		refuse(clone.MaxSize, unix.E2BIG)
		tail[at] = 0
	}
}

// nextByte visits all bytes near either end, and some of the others.
func nextByte(at uintptr) uintptr {
	if at < clone.SizeVer3+32 || at > clone.MaxSize-32 {
		return 1
	}
	return 29
}

// clone3() ignores members beyond the size that the caller passes.
func TestMembersBeyondSizeIgnored(t *testing.T) {
	timens.Need(t)
	args := design.NewTime()
	args.Offsets = [2]uint64{1 << 63, 1 << 63} // invalid in every design
	args.Tail[0] = 1
	for _, size := range []uintptr{clone.SizeVer0, clone.SizeVer1, clone.SizeVer2} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			launch := func(p *clone.Program) (*clone.Child, error) { return clone.Start(args, size, p) }
			timens.CheckShifts(t, timens.Measure(t, launch, clock.VDSO, timens.Clocks...), timens.Offsets{})
		})
	}
}

// clone3(NULL) fails with EFAULT.
func TestArgumentsUnreadable(t *testing.T) {
	timens.Need(t)
	p := timens.NewProgram(t)
	nowhere := p.Clone3At(nil, clone.SizeVer3)
	timens.Run(t, timens.Fork, p)
	if err := nowhere.Err(); err != unix.EFAULT {
		t.Errorf("clone3(NULL): %v, want %v", err, unix.EFAULT)
	}
}
