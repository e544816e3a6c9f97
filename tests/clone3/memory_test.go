// SPDX-License-Identifier: BSD-3-Clause

// The tests in this file pass on kernels with and without a series.

package clone3

import (
	"fmt"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/timens"
)

// clone3() reads exactly as many bytes as the size says: arguments that end where
// readable memory ends are accepted, and one byte more fails with EFAULT.
func TestArgumentsAtEndOfMemory(t *testing.T) {
	timens.Need(t)
	args := late()
	text := unsafe.Slice((*byte)(unsafe.Pointer(args)), clone.MaxSize)
	for _, size := range []int{clone.SizeVer0, clone.SizeVer1, clone.SizeVer2, clone.SizeVer2 + 1, clone.SizeVer3, clone.SizeVer3 + 8, clone.MaxSize} {
		for more, want := range []unix.Errno{taken, unix.EFAULT} {
			if size+more > clone.MaxSize {
				continue
			}
			t.Run(fmt.Sprintf("%d and %d", size, more), func(t *testing.T) {
				mem := timens.TwoPages(t, unix.PROT_READ, unix.PROT_NONE, text[:size]...)
				p := timens.NewProgram(t)
				call := p.Syscall(sysClone3, uintptr(unsafe.Pointer(&mem[timens.PageSize-size])), uintptr(size+more))
				timens.Run(t, timens.Fork, p)
				if err := call.Err(); err != want {
					t.Errorf("clone3 with %d bytes of which %d are readable: %v, want %v", size+more, size, err, want)
				}
			})
		}
	}
}

// Every byte of clone_args beyond the members that the kernel knows must be zero:
// any other value fails with E2BIG.
func TestTailByteByByte(t *testing.T) {
	timens.Need(t)
	mem := timens.TwoPages(t, unix.PROT_READ|unix.PROT_WRITE, unix.PROT_NONE)
	args := late()
	copy(mem, unsafe.Slice((*byte)(unsafe.Pointer(args)), clone.MaxSize))
	for _, at := range []int{clone.SizeVer3, clone.SizeVer3 + 1, clone.SizeVer3 + 7, 255, 256, 1023, 4000, clone.MaxSize - 1} {
		mem[at] = 1
		for _, size := range []int{at, at + 1, clone.MaxSize} {
			want := unix.E2BIG
			if size <= at {
				want = taken
			}
			p := timens.NewProgram(t)
			call := p.Syscall(sysClone3, uintptr(unsafe.Pointer(&mem[0])), uintptr(size))
			timens.Run(t, timens.Fork, p)
			if err := call.Err(); err != want {
				t.Errorf("clone3 with %d bytes of which number %d is not zero: %v, want %v", size, at, err, want)
			}
		}
		mem[at] = 0
	}
}
