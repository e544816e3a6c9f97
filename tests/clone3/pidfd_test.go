// SPDX-License-Identifier: BSD-3-Clause

// The tests in this file pass on kernels with and without a series.

package clone3

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/design"
	"timens-vmtest/tests/internal/timens"
)

// The pidfd that clone3() returns refers to the child: it shows the child's
// PID, becomes readable when the child ends, and setns() with it enters the
// child's time namespace.
func TestPidfd(t *testing.T) {
	timens.Need(t)
	fd := int32(-1)
	args := design.NewTime()
	args.Flags |= unix.CLONE_PIDFD
	args.Pidfd = &fd
	child := startPaused(t, design.PendingLaunch(t, timens.Across, args))
	defer unix.Close(int(fd))
	if got, want := fdinfoPID(t, fd), fmt.Sprint(child.PID); got != want {
		t.Errorf("fdinfo of descriptor %d says process %s, want %s", fd, got, want)
	}
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); flags != unix.FD_CLOEXEC || err != nil {
		t.Errorf("F_GETFD of the pidfd is %#x, %v, want FD_CLOEXEC", flags, err)
	}

	guest := timens.NewProgram(t)
	setns := guest.Syscall(unix.SYS_SETNS, uintptr(fd), unix.CLONE_NEWTIME)
	link, boot := guest.ReadLink(current), guest.ClockGettime(clock.Boottime, clock.VDSO)
	before := timens.Now(t, clock.Boottime)
	timens.Run(t, timens.Fork, guest)
	after := timens.Now(t, clock.Boottime)
	if err := setns.Err(); err != nil {
		t.Fatalf("setns by the pidfd: %v", err)
	}
	if got, want := timens.Text(t, link), processLink(t, child.PID, "time"); got != want {
		t.Errorf("setns by the pidfd went to %s, want %s", got, want)
	}
	now := timens.Time(t, boot)
	if shift := (timens.Interval{Low: now - after, High: now - before}); !shift.Contains(timens.Across.Boottime) {
		t.Errorf("after setns() boottime by vdso is off by %v, want %v", shift, timens.Across.Boottime)
	}

	if readable(t, fd) {
		t.Error("the pidfd is readable before the child's end")
	}
	endPaused(t, child)
	if !readable(t, fd) {
		t.Error("the pidfd is not readable after the child's end")
	}
}

// The child does not inherit the pidfd of clone3(), unless it shares the
// descriptor table.
func TestPidfdIsParents(t *testing.T) {
	timens.Need(t)
	for name, flags := range map[string]uint64{"copied": 0, "shared": unix.CLONE_FILES} {
		t.Run(name, func(t *testing.T) {
			fd := int32(-1)
			args := design.NewTime()
			args.Flags |= unix.CLONE_PIDFD | flags
			args.Pidfd = &fd
			p := timens.NewProgram(t)
			next := nextDescriptor(t)
			inside := p.Syscall(unix.SYS_FCNTL, uintptr(next), unix.F_GETFD, 0)
			timens.Run(t, design.Launch(args), p)
			defer unix.Close(int(fd))
			if int(fd) != next {
				t.Fatalf("the pidfd is descriptor %d, want %d", fd, next)
			}
			if err := inside.Err(); (err == nil) != (flags != 0) {
				t.Errorf("F_GETFD of the parent's pidfd in the child, whose descriptors are %s: %v", name, err)
			}
		})
	}
}

// The pidfd of a new thread refers to the thread: it has PIDFD_THREAD.
func TestPidfdOfThread(t *testing.T) {
	timens.Need(t)
	fd := int32(-1)
	args := design.NewTime()
	args.Flags |= asThread | unix.CLONE_PIDFD
	args.ExitSignal, args.Pidfd = 0, &fd
	p := timens.NewProgram(t)
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	thread, err := clone.Start(args, clone.SizeVer2, p)
	if err != nil {
		t.Fatalf("clone3: %v", err)
	}
	defer unix.Close(int(fd))
	if got, want := fdinfoPID(t, fd), fmt.Sprint(thread.PID); got != want {
		t.Errorf("fdinfo of the thread's pidfd says %s, want %s", got, want)
	}
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); flags&unix.O_EXCL == 0 || err != nil {
		t.Errorf("F_GETFL of the thread's pidfd is %#x, %v, want PIDFD_THREAD", flags, err)
	}
	endPaused(t, thread)
}

// If the pidfd cannot be written to the caller's memory, clone3() fails and
// leaves neither a descriptor nor a child.
func TestPidfdUndelivered(t *testing.T) {
	timens.Need(t)
	mem := timens.TwoPages(t, unix.PROT_READ, unix.PROT_NONE)
	for name, at := range map[string]*int32{"nowhere": nil, "read-only": int32At(mem, 0), "unmapped": int32At(mem, timens.PageSize)} {
		t.Run(name, func(t *testing.T) {
			args := late()
			args.Pidfd = at
			before, next := countDescriptors(t), nextDescriptor(t)
			for range 3 {
				design.RefuseSize(t, args, clone.SizeVer2, unix.EFAULT)
			}
			if after := countDescriptors(t); after != before {
				t.Errorf("the number of descriptors went from %d to %d by calls that failed", before, after)
			}
			if after := nextDescriptor(t); after != next {
				t.Errorf("the next descriptor went from %d to %d by calls that failed", next, after)
			}
			if pid, err := unix.Wait4(-1, nil, unix.WNOHANG|unix.WALL, nil); err != unix.ECHILD {
				t.Errorf("wait4 after calls that failed: %d, %v, want %v", pid, err, unix.ECHILD)
			}
		})
	}
}

func fdinfoPID(t *testing.T, fd int32) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", fd))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\nPid:\t")
	pid, _, _ := strings.Cut(rest, "\n")
	return pid
}

func readable(t *testing.T, fd int32) bool {
	t.Helper()
	n, err := unix.Poll([]unix.PollFd{{Fd: fd, Events: unix.POLLIN}}, 0)
	if err != nil {
		t.Fatalf("poll: %v", err)
	}
	return n > 0
}

// nextDescriptor returns the lowest free descriptor.
func nextDescriptor(t *testing.T) int {
	t.Helper()
	fd, err := unix.Dup(0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Close(fd); err != nil {
		t.Fatal(err)
	}
	return fd
}

func countDescriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// int32At returns an address in memory that need not be readable.
func int32At(mem []byte, offset int) *int32 { return (*int32)(unsafe.Pointer(&mem[offset])) }
