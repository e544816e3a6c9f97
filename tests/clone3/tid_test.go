// SPDX-License-Identifier: BSD-3-Clause

// The tests in this file pass on kernels with and without a series.

package clone3

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/capability"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/design"
	"timens-vmtest/tests/internal/osthread"
	"timens-vmtest/tests/internal/timens"
)

// set_tid gives the child its PID in each PID namespace that it is in,
// beginning with the innermost.
func TestSetTID(t *testing.T) {
	timens.Need(t)
	outer := freePID(t)
	for _, test := range []struct {
		name        string
		flags       uint64
		tids        []int32
		inner, seen int32 // getpid() of the child, and what clone3() returns; 0 accepts any
	}{
		{"own", 0, []int32{outer}, outer, outer},
		{"PID 1 of a new namespace", unix.CLONE_NEWPID, []int32{1}, 1, 0},
		{"PID 1 and the PID outside", unix.CLONE_NEWPID, []int32{1, outer}, 1, outer},
		{"with other namespaces", unix.CLONE_NEWUTS | unix.CLONE_NEWIPC, []int32{outer}, outer, outer},
	} {
		t.Run(test.name, func(t *testing.T) {
			args := design.NewTime()
			args.Flags |= test.flags
			args.SetTID, args.SetTIDSize = &test.tids[0], uint64(len(test.tids))
			p := timens.NewProgram(t)
			pid, link := p.Syscall(unix.SYS_GETPID), p.ReadLink(current)
			child, err := clone.Start(args, clone.SizeVer1, p)
			if err != nil {
				t.Fatalf("clone3 with set_tid %v: %v", test.tids, err)
			}
			timens.Reap(t, child)
			if got, err := pid.Value(); got != int(test.inner) || err != nil {
				t.Errorf("set_tid %v: getpid of the child is %d, %v, want %d", test.tids, got, err, test.inner)
			}
			if test.seen != 0 && child.PID != int(test.seen) {
				t.Errorf("set_tid %v: clone3 returned %d, want %d", test.tids, child.PID, test.seen)
			}
			if got := timens.Text(t, link); got == threadLink(t, "time") {
				t.Errorf("set_tid %v: the child is in its parent's time namespace %s", test.tids, got)
			}
		})
	}
}

// clone3() refuses a set_tid that is in use, out of range or malformed.
func TestSetTIDRefused(t *testing.T) {
	timens.Need(t)
	most, free := pidMax(t), freePID(t)
	for _, test := range []struct {
		name  string
		flags uint64
		tids  []int32
		want  unix.Errno
	}{
		{"taken", 0, []int32{1}, unix.EEXIST},
		{"one's own", 0, []int32{int32(os.Getpid())}, unix.EEXIST},
		{"zero", 0, []int32{0}, unix.EINVAL},
		{"negative", 0, []int32{-1}, unix.EINVAL},
		{"too large", 0, []int32{most}, unix.EINVAL},
		{"more than PID namespaces", 0, []int32{free, free + 1}, unix.EINVAL},
		{"not 1 in a new PID namespace", unix.CLONE_NEWPID, []int32{2}, unix.EINVAL},
		{"1, but taken outside", unix.CLONE_NEWPID, []int32{1, 1}, unix.EEXIST},
		{"more than the deepest nesting", 0, make([]int32, 33), unix.EINVAL},
	} {
		t.Run(test.name, func(t *testing.T) {
			args := design.NewTime()
			args.Flags |= test.flags
			args.SetTID, args.SetTIDSize = &test.tids[0], uint64(len(test.tids))
			design.RefuseSize(t, args, clone.SizeVer1, test.want)
		})
	}
	t.Run("no numbers", func(t *testing.T) {
		args := design.NewTime()
		args.SetTIDSize = 1
		design.RefuseSize(t, args, clone.SizeVer1, unix.EINVAL)
	})
	t.Run("no size", func(t *testing.T) {
		args := design.NewTime()
		args.SetTID = &free
		design.RefuseSize(t, args, clone.SizeVer1, unix.EINVAL)
	})
	t.Run("unreadable", func(t *testing.T) {
		args := design.NewTime()
		mem := timens.TwoPages(t, unix.PROT_NONE, unix.PROT_NONE)
		args.SetTID, args.SetTIDSize = int32At(mem, 0), 1
		design.RefuseSize(t, args, clone.SizeVer1, unix.EFAULT)
	})
	t.Run("half unreadable", func(t *testing.T) {
		args := design.NewTime()
		mem := timens.TwoPages(t, unix.PROT_READ|unix.PROT_WRITE, unix.PROT_NONE)
		args.SetTID, args.SetTIDSize = int32At(mem, timens.PageSize-4), 2
		design.RefuseSize(t, args, clone.SizeVer1, unix.EFAULT)
	})
}

// clone3() ignores set_tid beyond the size that the caller passes.
func TestSetTIDBeyondSize(t *testing.T) {
	timens.Need(t)
	tids := []int32{-1}
	args := design.NewTime()
	args.SetTID, args.SetTIDSize = &tids[0], 77
	launch := func(p *clone.Program) (*clone.Child, error) { return clone.Start(args, clone.SizeVer0, p) }
	timens.Run(t, launch, timens.NewProgram(t))
}

// set_tid needs CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE, and either is enough. The
// kernel checks this in the user namespace of every PID namespace concerned.
func TestSetTIDNeedsCapability(t *testing.T) {
	timens.Need(t)
	for _, test := range []struct {
		name string
		drop []int
		want error
	}{
		{"both", nil, nil},
		{"CAP_CHECKPOINT_RESTORE", []int{unix.CAP_SYS_ADMIN}, nil},
		{"CAP_SYS_ADMIN", []int{unix.CAP_CHECKPOINT_RESTORE}, nil},
		{"neither", []int{unix.CAP_SYS_ADMIN, unix.CAP_CHECKPOINT_RESTORE}, unix.EPERM},
	} {
		t.Run(test.name, func(t *testing.T) {
			tid := freePID(t)
			err := osthread.Run(func() error {
				for _, id := range test.drop {
					if err := capability.Drop(id); err != nil {
						return err
					}
				}
				args := &clone.Args{ExitSignal: uint64(unix.SIGCHLD), SetTID: &tid, SetTIDSize: 1}
				child, err := clone.Start(args, clone.SizeVer1, timens.NewProgram(t))
				if err != test.want {
					t.Errorf("clone3 with set_tid: %v, want %v", err, test.want)
				}
				if err == nil {
					timens.Reap(t, child)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// freePID returns a PID that is free and will not be used soon.
func freePID(t *testing.T) int32 {
	t.Helper()
	p := timens.NewProgram(t)
	child, err := timens.Fork(p)
	if err != nil {
		t.Fatal(err)
	}
	timens.Reap(t, child)
	free := int32(child.PID + 1000)
	if free >= pidMax(t) {
		free = 1000
	}
	if err := unix.Kill(int(free), 0); err != unix.ESRCH {
		t.Fatalf("kill %d: %v, want %v", free, err, unix.ESRCH)
	}
	return free
}

func pidMax(t *testing.T) int32 {
	t.Helper()
	text, err := os.ReadFile("/proc/sys/kernel/pid_max")
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 32)
	if err != nil {
		t.Fatal(fmt.Errorf("/proc/sys/kernel/pid_max: %w", err))
	}
	return int32(n)
}
