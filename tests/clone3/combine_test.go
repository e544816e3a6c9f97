// SPDX-License-Identifier: BSD-3-Clause

// The tests in this file need a series with offsets.

package clone3

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/design"
	"timens-vmtest/tests/internal/timens"
)

// allNamespaces has the clone3() flag of every kind of namespace but time and
// user.
var allNamespaces = map[string]uint64{
	"mount": unix.CLONE_NEWNS, "uts": unix.CLONE_NEWUTS, "ipc": unix.CLONE_NEWIPC,
	"pid": unix.CLONE_NEWPID, "net": unix.CLONE_NEWNET, "cgroup": unix.CLONE_NEWCGROUP,
}

// Offsets take effect whatever other namespaces and flags the clone3() call has.
func TestOffsetsWithOtherFlags(t *testing.T) {
	kernel := design.Need(t)
	flags := map[string]uint64{
		"vfork":          unix.CLONE_VFORK,
		"clear sighand":  unix.CLONE_CLEAR_SIGHAND,
		"shared files":   unix.CLONE_FILES | unix.CLONE_FS | unix.CLONE_IO | unix.CLONE_SYSVSEM,
		"user":           unix.CLONE_NEWUSER,
		"all namespaces": unix.CLONE_NEWUSER,
	}
	for name, flag := range allNamespaces {
		flags[name] = flag
		flags["all namespaces"] |= flag
	}
	tell := newTelling(t)
	for name, flag := range flags {
		args := kernel.Args(timens.Across)
		args.Flags |= flag
		tell.add(name, args, timens.Across)
	}
	tell.check(t)
}

// One clone3() call can put a child into a cgroup and into a time namespace with
// offsets.
func TestOffsetsIntoCgroup(t *testing.T) {
	kernel := design.Need(t)
	args := kernel.Args(timens.Across)
	args.Flags |= unix.CLONE_INTO_CGROUP
	args.Cgroup = mountHierarchy(t).make(t, "into")
	p := timens.NewProgram(t)
	member := p.ReadFile("/proc/self/cgroup")
	checkProfileOfRun(t, timens.Across, p, func() { timens.Run(t, design.Launch(args), p) })
	if text := timens.Text(t, member); !strings.Contains(text, "0::/into\n") {
		t.Errorf("the child's cgroup is %q, want 0::/into", text)
	}
}

// With CLONE_PARENT the child becomes a sibling of the caller and has a time
// namespace of its own with the offsets.
func TestOffsetsForSibling(t *testing.T) {
	kernel := design.Need(t)
	args := kernel.Args(timens.Across)
	args.Flags |= unix.CLONE_PARENT
	args.ExitSignal = 0
	p, inner := timens.NewProgram(t), timens.NewProgram(t)
	parent := inner.Syscall(unix.SYS_GETPPID)
	fork := p.Fork(args, clone.SizeVer3, inner)
	checkProfileOfRun(t, timens.Across, inner, func() {
		timens.Run(t, timens.Fork, p)
		pid, err := fork.Value()
		if err != nil {
			t.Fatalf("clone3 by a child: %v", err)
		}
		if _, err := unix.Wait4(pid, nil, unix.WALL, nil); err != nil {
			t.Errorf("wait for the sibling: %v", err)
		}
	})
	if ppid, err := parent.Value(); err != nil || ppid != os.Getpid() {
		t.Errorf("the sibling's parent is %d, %v, want %d", ppid, err, os.Getpid())
	}
}

// The parent can enter the child's time namespace through the pidfd that
// clone3() returns, before the child has done anything.
func TestOffsetsJoinedThroughPidfd(t *testing.T) {
	kernel := design.Need(t)
	p, inner := timens.NewProgram(t), timens.NewProgram(t)
	inner.Syscall(unix.SYS_PAUSE)
	pidfd := p.Word()
	args := kernel.Args(timens.Across)
	args.Flags |= unix.CLONE_PIDFD
	args.Pidfd = pidfd.Int32()
	fork := p.Fork(args, clone.SizeVer3, inner)
	setns := p.On(pidfd, unix.SYS_SETNS, unix.CLONE_NEWTIME)
	checkProfileOfRun(t, timens.Across, p, func() {
		p.On(pidfd, unix.SYS_PIDFD_SEND_SIGNAL, uintptr(unix.SIGKILL), 0, 0)
		p.Wait(fork)
		timens.Run(t, timens.Fork, p)
		for name, call := range map[string]clone.Result{"clone3": fork, "setns": setns} {
			if err := call.Err(); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	})
}

// An unprivileged user can set the offsets of a new time namespace if the call
// also makes a user namespace, and not without it.
func TestOffsetsRootless(t *testing.T) {
	kernel := design.Need(t)
	const nobody = 65534
	args := kernel.Args(timens.Across)
	args.Flags |= unix.CLONE_NEWUSER
	var without clone.Result
	checkProfileOfFork(t, timens.Across, timens.Fork, func(p, inner *clone.Program) clone.Result {
		p.Syscall(unix.SYS_SETRESGID, nobody, nobody, nobody)
		p.Syscall(unix.SYS_SETRESUID, nobody, nobody, nobody)
		without = p.Clone3(kernel.Args(timens.Across), clone.SizeVer3)
		return p.Fork(args, clone.SizeVer3, inner)
	})
	if err := without.Err(); err != unix.EPERM {
		t.Errorf("clone3 without a user namespace: %v, want %v", err, unix.EPERM)
	}
}

// The first process of a new user namespace can set offsets, even before any user
// ID is mapped into it.
func TestOffsetsInsideUserNamespace(t *testing.T) {
	kernel := design.Need(t)
	launch := func(p *clone.Program) (*clone.Child, error) {
		args := clone.Args{Flags: unix.CLONE_NEWUSER, ExitSignal: uint64(unix.SIGCHLD)}
		return clone.Start(&args, clone.SizeVer0, p)
	}
	checkProfileOfFork(t, timens.Across, launch, func(p, inner *clone.Program) clone.Result {
		return p.Fork(kernel.Args(timens.Across), clone.SizeVer3, inner)
	})
}
