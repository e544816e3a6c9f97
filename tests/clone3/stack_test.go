// SPDX-License-Identifier: BSD-3-Clause

// The tests in this file pass on kernels with and without a series.

package clone3

import (
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/design"
	"timens-vmtest/tests/internal/timens"
)

const sysClone3 = 435

// clone3() takes a stack's address and size both or neither, and only in user
// space's part of memory. A child with CLONE_VM needs no stack either.
func TestStack(t *testing.T) {
	timens.Need(t)
	mem := timens.TwoPages(t, unix.PROT_READ|unix.PROT_WRITE, unix.PROT_NONE)
	here := uint64(uintptr(unsafe.Pointer(&mem[0])))
	const (
		page    = timens.PageSize
		userEnd = 1<<47 - page // TASK_SIZE_MAX
	)
	for _, test := range []struct {
		name       string
		addr, size uint64
		want       unix.Errno
	}{
		{"none", 0, 0, taken},
		{"some", here, page, taken},
		{"unaligned", here + 3, 5, taken},
		{"unmapped", page, page, taken},
		{"size alone", 0, page, unix.EINVAL},
		{"a byte alone", 0, 1, unix.EINVAL},
		{"address alone", here, 0, unix.EINVAL},
		{"last page", userEnd - page, page, taken},
		{"beyond the last page", userEnd - page, 1<<63 + page, unix.EINVAL},
		{"the kernel's", 1 << 63, page, unix.EINVAL},
		{"the last page of all", ^uint64(0) - page + 1, page, unix.EINVAL},
		{"overflow", here, ^uint64(0), unix.EINVAL},
	} {
		for name, flags := range map[string]uint64{"own memory": 0, "shared memory": unix.CLONE_VM | unix.CLONE_VFORK} {
			t.Run(test.name+"/"+name, func(t *testing.T) {
				args := late()
				args.Flags |= flags
				args.Stack, args.StackSize = test.addr, test.size
				if err := tryClone3(t, args, clone.SizeVer2); err != test.want {
					t.Errorf("clone3 with a stack of %#x bytes at %#x: %v, want %v", test.size, test.addr, err, test.want)
				}
			})
		}
	}
}

// tryClone3 lets a child call clone3() with args, which must fail, and returns
// the error.
func tryClone3(t *testing.T, args *clone.Args, size uintptr) error {
	t.Helper()
	p := timens.NewProgram(t)
	call := p.Syscall(sysClone3, uintptr(unsafe.Pointer(args)), size)
	timens.Run(t, timens.Fork, p)
	runtime.KeepAlive(args) // until the child has copied them
	return call.Err()
}

// Without a stack the child of clone3() continues on a copy of its parent's stack,
// as after fork().
func TestStackInherited(t *testing.T) {
	timens.Need(t)
	args := design.NewTime()
	args.Flags |= unix.CLONE_VFORK
	p := timens.NewProgram(t)
	// The child runs the same steps first; the results of the parent
	// remain.
	call := p.Syscall(sysClone3, uintptr(unsafe.Pointer(args)), clone.SizeVer0)
	monotonic := p.ClockGettime(clock.Monotonic, clock.VDSO)
	wait := p.Syscall(unix.SYS_WAIT4, ^uintptr(0), 0, 0, 0)
	timens.Run(t, timens.Fork, p)
	runtime.KeepAlive(args)
	timens.Time(t, monotonic)
	pid, err := call.Value()
	if err != nil {
		t.Fatalf("clone3 without a stack: %v", err)
	}
	if got, err := wait.Value(); got != pid || err != nil {
		t.Errorf("wait4: %d, %v, want %d", got, err, pid)
	}
}
