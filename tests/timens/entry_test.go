// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/capability"
	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/osthread"
	"timens-vmtest/tests/internal/timens"
)

const (
	current  = "/proc/self/ns/time"
	children = "/proc/self/ns/time_for_children"
)

// A child with memory of its own enters the time namespace that its parent has
// unshared. The parent stays in its own namespace.
func TestEntryByFork(t *testing.T) {
	timens.Need(t)
	for name, launch := range map[string]clone.Launcher{
		"fork":        timens.Fork,
		"vfork alone": launcher(unix.CLONE_VFORK, unix.SIGCHLD),
		"no signal":   launcher(0, 0),
		"new UTS":     launcher(unix.CLONE_NEWUTS, unix.SIGCHLD),
		"new PID":     launcher(unix.CLONE_NEWPID, unix.SIGCHLD),
		"new user":    launcher(unix.CLONE_NEWUSER, unix.SIGCHLD),
	} {
		t.Run(name, func(t *testing.T) {
			timens.WithPending(t, timens.Across, func() {
				parentNow, parentNext := threadLinks(t)
				p := timens.NewProgram(t)
				v := newVisit(t, p)
				timens.Run(t, launch, p)
				v.check(t, "from its first instruction", parentNext, parentNext, timens.Across)
				if now, next := threadLinks(t); now != parentNow || next != parentNext || now == next {
					t.Errorf("the parent went from (%s, %s) to (%s, %s)", parentNow, parentNext, now, next)
				}
			})
		})
	}
}

// A child that shares its parent's memory, and so the vDSO's data page, stays
// in the parent's namespace. Its own children will enter the namespace that the
// parent's children would.
func TestSharedMemoryStays(t *testing.T) {
	timens.Need(t)
	for name, launch := range map[string]clone.Launcher{
		"thread": thread, "vfork": vfork,
		"shared memory":         launcher(unix.CLONE_VM, unix.SIGCHLD),
		"shared memory and UTS": launcher(unix.CLONE_VM|unix.CLONE_NEWUTS, unix.SIGCHLD),
	} {
		t.Run(name, func(t *testing.T) {
			timens.WithPending(t, timens.Across, func() {
				parentNow, parentNext := threadLinks(t)
				p := timens.NewProgram(t)
				v := newVisit(t, p)
				timens.Run(t, launch, p)
				v.check(t, "in its parent's memory", parentNow, parentNext, timens.Offsets{})
			})
		})
	}
}

// A child that shares its parent's memory enters the pending namespace with
// execve(); the parent does not.
func TestEntryByVforkAndExec(t *testing.T) {
	timens.Need(t)
	for name, launch := range map[string]clone.Launcher{"vfork": vfork, "shared memory": launcher(unix.CLONE_VM, unix.SIGCHLD)} {
		t.Run(name, func(t *testing.T) {
			timens.WithPending(t, timens.Across, func() {
				parentNow, parentNext := threadLinks(t)
				got := measurePlace(t, launch, timens.NewProgram(t), "place")
				got.check(t, "after vfork() and execve()", parentNext, timens.Across)
				if now, next := threadLinks(t); now != parentNow || next != parentNext {
					t.Errorf("the parent went from (%s, %s) to (%s, %s)", parentNow, parentNext, now, next)
				}
			})
		})
	}
}

// execve() enters the pending time namespace without any fork(), but only if it
// succeeds.
func TestEntryByExec(t *testing.T) {
	timens.Need(t)
	for _, ns := range timens.Examples {
		t.Run(ns.Name, func(t *testing.T) {
			p := timens.NewProgram(t)
			p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWTIME)
			write := p.WriteFile(offsetsFile, ns.Offsets.String())
			pending := p.ReadLink(children)
			early := newVisit(t, p)
			got := measurePlace(t, timens.Fork, p, "place")
			if err := write.Err(); err != nil {
				t.Fatalf("write %s: %v", offsetsFile, err)
			}
			link := timens.Text(t, pending)
			early.check(t, "before execve()", taskLink(t, os.Getpid(), "time"), link, timens.Offsets{})
			got.check(t, "after execve()", link, ns.Offsets)
		})
	}
}

// A failed execve() does not enter the pending time namespace.
func TestEntryByExecFailed(t *testing.T) {
	timens.Need(t)
	p := timens.NewProgram(t)
	p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWTIME)
	pending := p.ReadLink(children)
	exec := p.TryExec("/proc/self/comm")
	write := p.WriteFile(offsetsFile, timens.Across.String())
	v := newVisit(t, p)
	timens.Run(t, timens.Fork, p)
	if err := exec.Err(); err != unix.EACCES {
		t.Fatalf("execve of a file that is no program: %v, want %v", err, unix.EACCES)
	}
	v.check(t, "after an execve() that failed", taskLink(t, os.Getpid(), "time"), timens.Text(t, pending), timens.Offsets{})
	if err := write.Err(); err != nil {
		t.Errorf("write to the pending offsets after it: %v", err)
	}
}

// When a thread calls execve(), the program enters the namespace pending for
// that thread, because the other threads end.
func TestEntryByExecOfThread(t *testing.T) {
	timens.Need(t)
	for name, want := range map[string]timens.Offsets{"exec": timens.Across, "exec-other": {}} {
		t.Run(name, func(t *testing.T) {
			got := measurePlace(t, timens.Fork, timens.NewProgram(t), name)
			link := got.Next
			if want == (timens.Offsets{}) {
				link = taskLink(t, os.Getpid(), "time")
			} else if link == taskLink(t, os.Getpid(), "time") {
				t.Errorf("the program is in %s, the test's own namespace", link)
			}
			got.check(t, "after execve()", link, want)
		})
	}
}

// execInThread is a probe that unshares a namespace and then executes the probe
// "place", on the same thread or on another one.
func execInThread(same bool) func(any) (place, error) {
	exec := func() error {
		return unix.Exec("/proc/self/exe", []string{os.Args[0], "probe:place", "null"}, nil)
	}
	return func(any) (place, error) {
		return place{}, osthread.Run(func() error {
			if err := timens.Unshare(timens.Across); err != nil {
				return err
			}
			if same {
				return exec()
			}
			return osthread.Run(exec)
		})
	}
}

// A fork() inside a time namespace makes a child in the same namespace.
func TestEntryOfGrandchild(t *testing.T) {
	timens.Need(t)
	p := timens.NewProgram(t)
	link := p.ReadLink(current)
	got := measurePlace(t, timens.Unshared(timens.Across), p, "grandchild")
	got.check(t, "in a child's child", timens.Text(t, link), timens.Across)
}

// unshare(CLONE_NEWTIME) does not move the caller or shift its clocks. It changes
// only the namespace for children of the calling thread.
func TestUnshareKeepsCaller(t *testing.T) {
	timens.Need(t)
	otherNow, otherNext := threadLinks(t)
	before := timens.Now(t, clock.Boottime)
	timens.WithPending(t, timens.Ahead, func() {
		if now, next := threadLinks(t); now != otherNow || next == otherNext {
			t.Errorf("the caller went from (%s, %s) to (%s, %s), want a change of the second only",
				otherNow, otherNext, now, next)
		}
		for _, via := range clock.Vias {
			boot, err := clock.Read(clock.Boottime, via)
			if err != nil || boot < before || boot > before+timens.Patience {
				t.Errorf("the caller's boottime by %v went from %v to %v, %v", via, before, boot, err)
			}
		}
	})
	if now, next := threadLinks(t); now != otherNow || next != otherNext {
		t.Errorf("another thread went from (%s, %s) to (%s, %s)", otherNow, otherNext, now, next)
	}
}

// A second unshare(CLONE_NEWTIME) makes another namespace with the offsets of the
// first. unshare() of another kind of namespace does not change the pending time
// namespace.
func TestUnshareAgain(t *testing.T) {
	timens.Need(t)
	timens.WithPending(t, timens.Across, func() {
		now, first := threadLinks(t)
		for name, flags := range map[string]int{"UTS": unix.CLONE_NEWUTS, "mount": unix.CLONE_NEWNS, "PID": unix.CLONE_NEWPID} {
			if err := unix.Unshare(flags); err != nil {
				t.Fatalf("unshare of %s: %v", name, err)
			}
			if nowAfter, next := threadLinks(t); nowAfter != now || next != first {
				t.Errorf("unshare of %s: went from (%s, %s) to (%s, %s)", name, now, first, nowAfter, next)
			}
		}
		if err := unix.Unshare(unix.CLONE_NEWTIME); err != nil {
			t.Fatalf("second unshare(CLONE_NEWTIME): %v", err)
		}
		if nowAfter, second := threadLinks(t); nowAfter != now || second == first || second == now {
			t.Errorf("second unshare(CLONE_NEWTIME): went from (%s, %s) to (%s, %s), want a third", now, first, nowAfter, second)
		}
		if got := pendingText(t); got != timens.Across.String() {
			t.Errorf("after it the pending offsets are\n%swant\n%s", got, timens.Across)
		}
	})
}

// unshare() refuses the bits that clone() uses for the exit signal, even with
// CLONE_NEWTIME.
func TestUnshareRefusesSignal(t *testing.T) {
	timens.Need(t)
	for bit := range 7 {
		for _, more := range []int{0, unix.CLONE_NEWTIME} {
			flags := 1<<bit | more
			if err := osthread.Run(func() error { return unix.Unshare(flags) }); err != unix.EINVAL {
				t.Errorf("unshare(%#x): %v, want %v", flags, err, unix.EINVAL)
			}
		}
	}
}

// unshare(CLONE_NEWTIME) needs CAP_SYS_ADMIN. It does not need CAP_SYS_TIME.
func TestUnshareNeedsCapSysAdmin(t *testing.T) {
	timens.Need(t)
	err := withoutCapability(unix.CAP_SYS_ADMIN, func() error { return unix.Unshare(unix.CLONE_NEWTIME) })
	if err != unix.EPERM {
		t.Errorf("unshare(CLONE_NEWTIME) without CAP_SYS_ADMIN: %v, want %v", err, unix.EPERM)
	}
	err = withoutCapability(unix.CAP_SYS_TIME, func() error { return unix.Unshare(unix.CLONE_NEWTIME) })
	if err != nil {
		t.Errorf("unshare(CLONE_NEWTIME) without CAP_SYS_TIME: %v", err)
	}
}

// unshare(CLONE_NEWTIME) and setns() need CAP_SYS_ADMIN and no other capability. To set
// the offsets, CAP_SYS_ADMIN is not enough.
func TestUnshareNeedsOnlyCapSysAdmin(t *testing.T) {
	timens.Need(t)
	target := resident(t, timens.Unshared(timens.Behind))
	file, there := openNamespace(t, target.PID, "time"), taskLink(t, target.PID, "time")
	err := osthread.Run(func() error {
		if err := capability.DropAllBut(unix.CAP_SYS_ADMIN); err != nil {
			return err
		}
		if err := unix.Unshare(unix.CLONE_NEWTIME); err != nil {
			return fmt.Errorf("unshare(CLONE_NEWTIME) with CAP_SYS_ADMIN and nothing else: %w", err)
		}
		if err := timens.Write(unix.Gettid(), timens.Ahead.String()); err != unix.EPERM {
			t.Errorf("write of offsets with CAP_SYS_ADMIN and nothing else: %v, want %v", err, unix.EPERM)
		}
		_, pending := threadLinks(t)
		p := timens.NewProgram(t)
		entered := newVisit(t, p)
		setns := p.Syscall(unix.SYS_SETNS, file.Fd(), unix.CLONE_NEWTIME)
		joined := newVisit(t, p)
		timens.Run(t, timens.Fork, p)
		entered.check(t, "after fork()", pending, pending, timens.Offsets{})
		if err := setns.Err(); err != nil {
			t.Errorf("setns with CAP_SYS_ADMIN and nothing else: %v", err)
		}
		joined.check(t, "after setns()", there, there, timens.Behind)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// A nested time namespace starts with the offsets of the outer one. A write
// replaces them and is not added to them: offsets count from the initial clock.
func TestNestedNamespaceInherits(t *testing.T) {
	timens.Need(t)
	outer := timens.Ahead
	inner := timens.Offsets{Monotonic: -200000009, Boottime: outer.Boottime}
	sec, nsec := timens.Split(inner.Monotonic)

	p := timens.NewProgram(t)
	p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWTIME)
	inherited := p.ReadFile(offsetsFile)
	p.WriteFile(offsetsFile, fmt.Sprintf("monotonic %d %d\n", sec, nsec))
	pending := p.ReadLink(children)
	p.Setns(children, unix.CLONE_NEWTIME)
	result := p.ReadFile(offsetsFile)
	v := newVisit(t, p)
	timens.Run(t, timens.Unshared(outer), p)
	if got := timens.Text(t, inherited); got != outer.String() {
		t.Errorf("inherited\n%swant\n%s", got, outer)
	}
	if got := timens.Text(t, result); got != inner.String() {
		t.Errorf("after the write\n%swant\n%s", got, inner)
	}
	link := timens.Text(t, pending)
	v.check(t, "in the inner namespace", link, link, inner)
}

// threadLinks returns the calling thread's time namespace and that of its
// children.
func threadLinks(t *testing.T) (now, next string) {
	t.Helper()
	return taskLink(t, unix.Gettid(), "time"), taskLink(t, unix.Gettid(), "time_for_children")
}
