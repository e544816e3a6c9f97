// SPDX-License-Identifier: BSD-3-Clause

// The tests in this file need a series with offsets.

package clone3

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/capability"
	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/design"
	"timens-vmtest/tests/internal/osthread"
	"timens-vmtest/tests/internal/timens"
)

// /proc/self/timens_offsets of the child shows the offsets given to clone3(),
// to the nanosecond.
func TestOffsetsFileReadBack(t *testing.T) {
	kernel := design.Need(t)
	for _, ns := range namespaces {
		t.Run(ns.name, func(t *testing.T) {
			p := timens.NewProgram(t)
			file := p.ReadFile(offsetsFile)
			timens.Run(t, design.Launch(kernel.Args(ns.offsets)), p)
			if got, want := timens.Text(t, file), ns.offsets.String(); got != want {
				t.Errorf("%s is\n%swant\n%s", offsetsFile, got, want)
			}
		})
	}
}

// Offsets set by clone3() are final: neither the child nor its parent can write
// timens_offsets afterwards.
func TestOffsetsFrozen(t *testing.T) {
	kernel := design.Need(t)
	timens.CheckFrozen(t, design.Launch(kernel.Args(timens.Ahead)), timens.Ahead)
}

// A clone3() with offsets does not move its caller or change the caller's clocks.
// A namespace that the caller has unshared for later children keeps its offsets
// and still accepts writes.
func TestOffsetsLeaveParentAlone(t *testing.T) {
	kernel := design.Need(t)
	p := timens.NewProgram(t)
	now, next := p.ReadLink(current), p.ReadLink(children)
	timens.WithPending(t, timens.Ahead, func() {
		parentNow, parentNext := threadLink(t, "time"), threadLink(t, "time_for_children")
		before := timens.Now(t, clock.Boottime)
		timens.Run(t, design.Launch(kernel.Args(timens.Behind)), p)
		if after := timens.Now(t, clock.Boottime); after < before || after > before+timens.Patience {
			t.Errorf("the parent's boottime went from %v to %v", before, after)
		}
		if got := threadLink(t, "time"); got != parentNow {
			t.Errorf("the parent went from %s to %s", parentNow, got)
		}
		if got := threadLink(t, "time_for_children"); got != parentNext {
			t.Errorf("the parent's children went from %s to %s", parentNext, got)
		}
		child := timens.Text(t, now)
		if child == parentNow || child == parentNext || child != timens.Text(t, next) {
			t.Errorf("the child is in %s with children in %s, the parent in %s with children in %s: want a third",
				child, timens.Text(t, next), parentNow, parentNext)
		}
		if got, want := pendingOffsets(t), timens.Ahead.String(); got != want {
			t.Errorf("the pending offsets are\n%swant\n%s", got, want)
		}
		if err := timens.Write(unix.Gettid(), timens.Behind.String()); err != nil {
			t.Errorf("write to the pending offsets: %v", err)
		}
	})
}

// A child that shares its parent's memory (CLONE_VM) stays in the parent's time
// namespace until execve(), which enters the new one.
func TestOffsetsAtExec(t *testing.T) {
	kernel := design.Need(t)
	for name, flags := range sharedMemory {
		t.Run(name, func(t *testing.T) {
			args := kernel.Args(timens.Across)
			args.Flags |= flags
			p := timens.NewProgram(t)
			link, file := p.ReadLink(current), p.ReadFile(offsetsFile)
			early := p.ClockGettime(clock.Boottime, clock.VDSO)

			before := timens.Now(t, clock.Boottime)
			got := timens.MeasureExec(t, design.Launch(args), p, "clocks", nil)
			after := timens.Now(t, clock.Boottime)
			for _, via := range clock.Vias {
				timens.CheckShifts(t, got[via], timens.Across)
			}
			if got, want := timens.Text(t, link), threadLink(t, "time"); got != want {
				t.Errorf("before execve() the child is in %s, want %s", got, want)
			}
			if got := timens.Text(t, file); got != timens.Across.String() {
				t.Errorf("before execve() the pending offsets are\n%swant\n%s", got, timens.Across)
			}
			if now := timens.Time(t, early); now < before || now > after {
				t.Errorf("before execve() boottime is %v, want it in [%v, %v]", now, before, after)
			}
		})
	}
}

// A child with CLONE_VM can change its offsets through timens_offsets until it
// calls execve().
func TestOffsetsPendingUntilExec(t *testing.T) {
	kernel := design.Need(t)
	for name, flags := range sharedMemory {
		t.Run(name, func(t *testing.T) {
			args := kernel.Args(timens.Ahead)
			args.Flags |= flags
			sec, nsec := timens.Split(timens.Behind.Monotonic)
			p := timens.NewProgram(t)
			write := p.WriteFile(offsetsFile, fmt.Sprintf("monotonic %d %d\n", sec, nsec))
			got := timens.MeasureExec(t, design.Launch(args), p, "clocks", nil)
			if err := write.Err(); err != nil {
				t.Errorf("write to %s before execve(): %v", offsetsFile, err)
			}
			for _, via := range clock.Vias {
				timens.CheckShifts(t, got[via], timens.Offsets{Monotonic: timens.Behind.Monotonic, Boottime: timens.Ahead.Boottime})
			}
		})
	}
}

var sharedMemory = map[string]uint64{
	"vm":    unix.CLONE_VM,
	"vfork": unix.CLONE_VM | unix.CLONE_VFORK,
}

// A child with CLONE_VFORK but without CLONE_VM has memory of its own and
// starts in the new namespace.
func TestOffsetsWithVforkOnly(t *testing.T) {
	kernel := design.Need(t)
	args := kernel.Args(timens.Across)
	args.Flags |= unix.CLONE_VFORK
	for _, via := range clock.Vias {
		timens.CheckShifts(t, timens.Measure(t, design.Launch(args), via, timens.Clocks...), timens.Across)
	}
}

// With CLONE_NEWUSER in the same clone3() call, the caller needs no capability to
// set offsets: the child's user namespace owns the child's time namespace.
func TestOffsetsInNewUserNamespace(t *testing.T) {
	kernel := design.Need(t)
	args := kernel.Args(timens.Across)
	args.Flags |= unix.CLONE_NEWUSER
	unprivileged := func(p *clone.Program) (child *clone.Child, err error) {
		err = osthread.Run(func() error {
			for _, id := range []int{unix.CAP_SYS_TIME, unix.CAP_SYS_ADMIN} {
				if err := capability.Drop(id); err != nil {
					return err
				}
			}
			child, err = design.Launch(args)(p)
			return err
		})
		return child, err
	}
	for _, via := range clock.Vias {
		timens.CheckShifts(t, timens.Measure(t, unprivileged, via, timens.Clocks...), timens.Across)
	}
	child := startPaused(t, unprivileged)
	defer endPaused(t, child)
	if got, want := ownerOf(t, fmt.Sprintf("/proc/%d/ns/time", child.PID)), processLink(t, child.PID, "user"); got != want {
		t.Errorf("the child's time namespace is owned by %s, want %s", got, want)
	}
}

// ownerOf returns the user namespace that owns a namespace, as a link of /proc shows
// it.
func ownerOf(t *testing.T, path string) string {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	owner, err := unix.IoctlRetInt(int(file.Fd()), unix.NS_GET_USERNS)
	if err != nil {
		t.Fatalf("NS_GET_USERNS of %s: %v", path, err)
	}
	defer unix.Close(owner)
	link, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", owner))
	if err != nil {
		t.Fatal(err)
	}
	return link
}

// One clone3() call can set the child's PID and its offsets, as CRIU needs.
func TestOffsetsWithSetTID(t *testing.T) {
	kernel := design.Need(t)
	tids := []int32{1}
	args := kernel.Args(timens.Across)
	args.Flags |= unix.CLONE_NEWPID
	args.SetTID, args.SetTIDSize = &tids[0], uint64(len(tids))
	p := timens.NewProgram(t)
	pid := p.Syscall(unix.SYS_GETPID)
	mono := p.ClockGettime(clock.Monotonic, clock.VDSO)
	before := timens.Now(t, clock.Monotonic)
	timens.Run(t, design.Launch(args), p)
	after := timens.Now(t, clock.Monotonic)
	if got, err := pid.Value(); err != nil || got != 1 {
		t.Errorf("getpid is %d, %v, want 1", got, err)
	}
	now := timens.Time(t, mono)
	if shift := (timens.Interval{Low: now - after, High: now - before}); !shift.Contains(timens.Across.Monotonic) {
		t.Errorf("monotonic is off by %v, want %v", shift, timens.Across.Monotonic)
	}
}

// Another process can enter the child's namespace with setns() at once, and
// sees its offsets.
func TestOffsetsNamespaceCanBeJoined(t *testing.T) {
	kernel := design.Need(t)
	owner := timens.NewProgram(t)
	if err := owner.Pause(); err != nil {
		t.Fatal(err)
	}
	child, err := clone.Start(kernel.Args(timens.Across), clone.SizeVer3, owner)
	if err != nil {
		t.Fatalf("clone3: %v", err)
	}
	guest := timens.NewProgram(t)
	setns := guest.Setns(fmt.Sprintf("/proc/%d/ns/time", child.PID), unix.CLONE_NEWTIME)
	mono := guest.ClockGettime(clock.Monotonic, clock.VDSO)
	before := timens.Now(t, clock.Monotonic)
	timens.Run(t, timens.Fork, guest)
	after := timens.Now(t, clock.Monotonic)
	if err := child.Resume(); err != nil {
		t.Error(err)
	}
	timens.Reap(t, child)
	if err := setns.Err(); err != nil {
		t.Fatalf("setns: %v", err)
	}
	now := timens.Time(t, mono)
	if shift := (timens.Interval{Low: now - after, High: now - before}); !shift.Contains(timens.Across.Monotonic) {
		t.Errorf("monotonic is off by %v, want %v", shift, timens.Across.Monotonic)
	}
}
