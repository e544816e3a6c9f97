// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/osthread"
	"timens-vmtest/tests/internal/timens"
)

// setns() enters the time namespace at once, with any kind of descriptor: both
// links change, and the vDSO uses the new offsets.
func TestSetns(t *testing.T) {
	timens.Need(t)
	for _, ns := range timens.Examples {
		target := resident(t, timens.Unshared(ns.Offsets))
		link := taskLink(t, target.PID, "time")
		pidfd := openPID(t, target.PID)
		for _, way := range []struct {
			name  string
			file  *os.File
			flags int
		}{
			{"time", openNamespace(t, target.PID, "time"), unix.CLONE_NEWTIME},
			{"time of any type", openNamespace(t, target.PID, "time"), 0},
			{"time_for_children", openNamespace(t, target.PID, "time_for_children"), unix.CLONE_NEWTIME},
			{"pidfd", pidfd, unix.CLONE_NEWTIME},
			{"pidfd and UTS", pidfd, unix.CLONE_NEWTIME | unix.CLONE_NEWUTS},
			{"ioctl of the pidfd", namespaceOf(t, pidfd, pidfdGetTime), unix.CLONE_NEWTIME},
			{"ioctl of the pidfd, for children", namespaceOf(t, pidfd, pidfdGetTimeForChildren), 0},
		} {
			t.Run(ns.Name+"/"+way.name, func(t *testing.T) {
				p := timens.NewProgram(t)
				p.ClockGettime(clock.Monotonic, clock.VDSO)
				setns := p.Syscall(unix.SYS_SETNS, way.file.Fd(), uintptr(way.flags))
				v := newVisit(t, p)
				timens.Run(t, timens.Fork, p)
				if err := setns.Err(); err != nil {
					t.Fatalf("setns: %v", err)
				}
				v.check(t, "after setns()", link, link, ns.Offsets)
			})
		}
	}
}

// setns() to another time namespace replaces the offsets, and setns() to the
// initial one removes them.
func TestSetnsAgain(t *testing.T) {
	timens.Need(t)
	home := taskLink(t, os.Getpid(), "time")
	other := resident(t, timens.Unshared(timens.Behind))
	initial, behind := openNamespace(t, os.Getpid(), "time"), openNamespace(t, other.PID, "time")

	p := timens.NewProgram(t)
	first := p.Syscall(unix.SYS_SETNS, behind.Fd(), unix.CLONE_NEWTIME)
	inBehind := newVisit(t, p)
	second := p.Syscall(unix.SYS_SETNS, initial.Fd(), unix.CLONE_NEWTIME)
	inInitial := newVisit(t, p)
	third := p.Syscall(unix.SYS_SETNS, initial.Fd(), unix.CLONE_NEWTIME)
	timens.Run(t, timens.Unshared(timens.Ahead), p)
	for i, step := range []clone.Result{first, second, third} {
		if err := step.Err(); err != nil {
			t.Fatalf("setns number %d: %v", i+1, err)
		}
	}
	link := taskLink(t, other.PID, "time")
	inBehind.check(t, "after setns() to another namespace", link, link, timens.Behind)
	inInitial.check(t, "after setns() to the initial namespace", home, home, timens.Offsets{})
}

// setns() with a pidfd enters the time namespace that the task is in. setns()
// with the file time_for_children enters the one for the task's children.
func TestSetnsPending(t *testing.T) {
	timens.Need(t)
	p := timens.NewProgram(t)
	unshare := p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWTIME)
	write := p.WriteFile(offsetsFile, timens.Behind.String())
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	target := start(t, timens.Unshared(timens.Ahead), p)
	if err := unshare.Err(); err != nil {
		t.Fatalf("unshare: %v", err)
	}
	if err := write.Err(); err != nil {
		t.Fatalf("write %q: %v", timens.Behind, err)
	}
	now, next := taskLink(t, target.PID, "time"), taskLink(t, target.PID, "time_for_children")
	if now == next {
		t.Errorf("after unshare() the target and its children have the same namespace %s", now)
	}
	pidfd, pending := openPID(t, target.PID), openNamespace(t, target.PID, "time_for_children")

	guest := timens.NewProgram(t)
	byPID := guest.Syscall(unix.SYS_SETNS, pidfd.Fd(), unix.CLONE_NEWTIME)
	first := newVisit(t, guest)
	byFile := guest.Syscall(unix.SYS_SETNS, pending.Fd(), unix.CLONE_NEWTIME)
	second := newVisit(t, guest)
	timens.Run(t, timens.Fork, guest)
	for what, step := range map[string]clone.Result{"pidfd": byPID, "time_for_children": byFile} {
		if err := step.Err(); err != nil {
			t.Fatalf("setns by %s: %v", what, err)
		}
	}
	first.check(t, "after setns() by pidfd", now, now, timens.Ahead)
	second.check(t, "after setns() by time_for_children", next, next, timens.Behind)
	finish(t, target)
}

// setns() to a time namespace fails with EUSERS in a process that shares its
// memory with threads or other processes.
func TestSetnsRefusesSharedMemory(t *testing.T) {
	timens.Need(t)
	target := resident(t, timens.Unshared(timens.Ahead))
	for name, file := range map[string]*os.File{
		"initial":  openNamespace(t, os.Getpid(), "time"),
		"other":    openNamespace(t, target.PID, "time"),
		"children": openNamespace(t, target.PID, "time_for_children"),
		"pidfd":    openPID(t, target.PID),
	} {
		t.Run("thread by "+name, func(t *testing.T) {
			err := osthread.Run(func() error {
				if err := unix.Setns(int(file.Fd()), unix.CLONE_NEWTIME); err != unix.EUSERS {
					t.Errorf("setns in a process with threads: %v, want %v", err, unix.EUSERS)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		})
		t.Run("vfork by "+name, func(t *testing.T) {
			p := timens.NewProgram(t)
			setns := p.Syscall(unix.SYS_SETNS, file.Fd(), unix.CLONE_NEWTIME)
			timens.Run(t, vfork, p)
			if err := setns.Err(); err != unix.EUSERS {
				t.Errorf("setns in a child that shares its parent's memory: %v, want %v", err, unix.EUSERS)
			}
		})
	}
	now, next := threadLinks(t)
	if now != next {
		t.Errorf("after the refusals the test is in %s, with children in %s", now, next)
	}
}

// setns() to several namespaces enters all of them or none.
func TestSetnsAllOrNothing(t *testing.T) {
	timens.Need(t)
	target := resident(t, func(p *clone.Program) (*clone.Child, error) {
		return clone.Start(&clone.Args{Flags: unix.CLONE_NEWTIME | unix.CLONE_NEWUTS, ExitSignal: uint64(unix.SIGCHLD)}, clone.SizeVer0, p)
	})
	pidfd := openPID(t, target.PID)
	before := taskLink(t, os.Getpid(), "uts")
	err := osthread.Run(func() error {
		if err := unix.Setns(int(pidfd.Fd()), unix.CLONE_NEWUTS|unix.CLONE_NEWTIME); err != unix.EUSERS {
			t.Errorf("setns in a process with threads: %v, want %v", err, unix.EUSERS)
		}
		if got := taskLink(t, unix.Gettid(), "uts"); got != before {
			t.Errorf("the refused setns() went from %s to %s", before, got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// setns() refuses descriptors that do not fit its flags, and flags that are no
// namespaces.
func TestSetnsRefuses(t *testing.T) {
	timens.Need(t)
	dead, deadFD := zombie(t)
	ns, pidfd := openNamespace(t, os.Getpid(), "time"), openPID(t, os.Getpid())
	uts := openNamespace(t, os.Getpid(), "uts")
	file, err := os.Open(offsetsFile)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	const noFile = 1 << 20
	for _, test := range []struct {
		name  string
		fd    uintptr
		flags int
		want  unix.Errno
	}{
		{"time for UTS", ns.Fd(), unix.CLONE_NEWUTS, unix.EINVAL},
		{"time for time and UTS", ns.Fd(), unix.CLONE_NEWTIME | unix.CLONE_NEWUTS, unix.EINVAL},
		{"UTS for time", uts.Fd(), unix.CLONE_NEWTIME, unix.EINVAL},
		{"pidfd for nothing", pidfd.Fd(), 0, unix.EINVAL},
		{"pidfd for another flag", pidfd.Fd(), unix.CLONE_NEWTIME | unix.CLONE_VM, unix.EINVAL},
		{"file", file.Fd(), unix.CLONE_NEWTIME, unix.EINVAL},
		{"no file", noFile, unix.CLONE_NEWTIME, unix.EBADF},
		{"zombie", deadFD.Fd(), unix.CLONE_NEWTIME, unix.ESRCH},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := joinFD(t, timens.Fork, test.fd, test.flags); err != test.want {
				t.Errorf("setns with flags %#x: %v, want %v", test.flags, err, test.want)
			}
		})
	}
	timens.Reap(t, dead)
	if err := joinFD(t, timens.Fork, deadFD.Fd(), unix.CLONE_NEWTIME); err != unix.ESRCH {
		t.Errorf("setns to a process that is gone: %v, want %v", err, unix.ESRCH)
	}
}

// joinBy lets a child of the calling thread call setns(), and returns its
// error.
func joinBy(t *testing.T, file *os.File, flags int) error {
	t.Helper()
	return joinFD(t, timens.Fork, file.Fd(), flags)
}

func joinFD(t *testing.T, launch clone.Launcher, fd uintptr, flags int) error {
	t.Helper()
	p := timens.NewProgram(t)
	setns := p.Syscall(unix.SYS_SETNS, fd, uintptr(flags))
	timens.Run(t, launch, p)
	return setns.Err()
}

// taskLink resolves a namespace link of a process or thread.
func taskLink(t *testing.T, tid int, name string) string {
	t.Helper()
	link, err := os.Readlink(namespacePath(tid, name))
	if err != nil {
		t.Error(err)
	}
	return link
}

// openNamespace opens a namespace of a process or thread.
func openNamespace(t *testing.T, tid int, name string) *os.File {
	t.Helper()
	file, err := os.Open(namespacePath(tid, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return file
}

// openPID returns a pidfd.
func openPID(t *testing.T, pid int) *os.File {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatalf("pidfd_open %d: %v", pid, err)
	}
	file := os.NewFile(uintptr(fd), fmt.Sprintf("pidfd of %d", pid))
	t.Cleanup(func() { file.Close() })
	return file
}
