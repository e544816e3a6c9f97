// SPDX-License-Identifier: BSD-3-Clause

// The tests in this file pass on kernels with and without a series.

package clone3

import (
	"testing"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/capability"
	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/design"
	"timens-vmtest/tests/internal/osthread"
	"timens-vmtest/tests/internal/timens"
)

// clone3(CLONE_NEWTIME) without offsets gives the child the offsets of the
// namespace for its parent's children.
func TestNewTimeInherits(t *testing.T) {
	timens.Need(t)
	for _, pending := range []timens.Offsets{{}, timens.Ahead, timens.Behind} {
		for _, via := range clock.Vias {
			launch := design.PendingLaunch(t, pending, design.NewTime())
			timens.CheckShifts(t, timens.Measure(t, launch, via, timens.Clocks...), pending)
		}
	}
}

// clone3(CLONE_NEWTIME) puts the child into a new namespace: neither its parent's
// nor the one that its parent has unshared.
func TestNewTimeIsNew(t *testing.T) {
	timens.Need(t)
	p := timens.NewProgram(t)
	now, next := p.ReadLink(current), p.ReadLink(children)
	timens.WithPending(t, timens.Ahead, func() {
		timens.Run(t, design.Launch(design.NewTime()), p)
		child := timens.Text(t, now)
		if parent, pending := threadLink(t, "time"), threadLink(t, "time_for_children"); child == parent || child == pending {
			t.Errorf("the child is in %s, want neither %s nor %s", child, parent, pending)
		}
		if got := timens.Text(t, next); got != child {
			t.Errorf("the child's children will be in %s, want %s", got, child)
		}
		if err := timens.Write(unix.Gettid(), timens.Behind.String()); err != nil {
			t.Errorf("write to the pending offsets: %v", err)
		}
	})
}

// The child of clone3(CLONE_NEWTIME) cannot change its offsets.
func TestNewTimeIsFrozen(t *testing.T) {
	timens.Need(t)
	p := timens.NewProgram(t)
	write := p.WriteFile(offsetsFile, "monotonic 1 0\n")
	timens.Run(t, design.Launch(design.NewTime()), p)
	if err := write.Err(); err != unix.EACCES {
		t.Errorf("write to %s: %v, want %v", offsetsFile, err, unix.EACCES)
	}
}

// With CLONE_VM and CLONE_NEWTIME the child enters the new namespace at execve(),
// and can write its timens_offsets until then.
func TestNewTimeAtExec(t *testing.T) {
	timens.Need(t)
	for name, flags := range sharedMemory {
		t.Run(name, func(t *testing.T) {
			args := design.NewTime()
			args.Flags |= flags
			p := timens.NewProgram(t)
			link := p.ReadLink(current)
			write := p.WriteFile(offsetsFile, timens.Across.String())
			got := timens.MeasureExec(t, design.Launch(args), p, "clocks", nil)
			if got, want := timens.Text(t, link), threadLink(t, "time"); got != want {
				t.Errorf("before execve() the child is in %s, want %s", got, want)
			}
			if err := write.Err(); err != nil {
				t.Errorf("write to %s before execve(): %v", offsetsFile, err)
			}
			for _, via := range clock.Vias {
				timens.CheckShifts(t, got[via], timens.Across)
			}
		})
	}
}

func TestNewTimeNeedsCapSysAdmin(t *testing.T) {
	timens.Need(t)
	err := osthread.Run(func() error {
		if err := capability.Drop(unix.CAP_SYS_ADMIN); err != nil {
			return err
		}
		design.RefuseSize(t, design.NewTime(), clone.SizeVer2, unix.EPERM)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// clone3(CLONE_NEWTIME) needs CAP_SYS_ADMIN and no other capability.
func TestNewTimeNeedsOnlyCapSysAdmin(t *testing.T) {
	timens.Need(t)
	err := osthread.Run(func() error {
		if err := capability.DropAllBut(unix.CAP_SYS_ADMIN); err != nil {
			return err
		}
		p := timens.NewProgram(t)
		link := p.ReadLink(current)
		timens.Run(t, design.Launch(design.NewTime()), p)
		if got := timens.Text(t, link); got == threadLink(t, "time") {
			t.Errorf("the child is in its parent's time namespace %s", got)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// clone3(CLONE_NEWTIME) fails with ENOSPC at the limit of time namespaces.
func TestNewTimeOverLimit(t *testing.T) {
	timens.Need(t)
	p := timens.NewProgram(t)
	limitNamespaces(p, "0")
	create := p.Clone3(design.NewTime(), clone.SizeVer2)
	timens.Run(t, timens.Fork, p)
	if err := create.Err(); err != unix.ENOSPC {
		t.Errorf("clone3 over the limit: %v, want %v", err, unix.ENOSPC)
	}
}

// limitNamespaces adds steps that take the child into a new user namespace and
// limit its time namespaces there.
func limitNamespaces(p *clone.Program, limit string) {
	p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWUSER)
	p.WriteFile("/proc/sys/user/max_time_namespaces", limit)
}

// A thread made with CLONE_NEWTIME stays in the time namespace of its process.
func TestNewTimeThreadStays(t *testing.T) {
	timens.Need(t)
	args := design.NewTime()
	args.Flags |= unix.CLONE_VM | unix.CLONE_SIGHAND | unix.CLONE_THREAD
	args.ExitSignal = 0
	p := timens.NewProgram(t)
	link := p.ReadLink("/proc/thread-self/ns/time")
	child, err := clone.Start(args, clone.SizeVer2, p)
	if err != nil {
		t.Fatalf("clone3: %v", err)
	}
	timens.Reap(t, child)
	if got, want := timens.Text(t, link), threadLink(t, "time"); got != want {
		t.Errorf("the thread is in %s, want %s", got, want)
	}
}
