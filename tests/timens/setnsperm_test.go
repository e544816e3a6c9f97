// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"testing"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/capability"
	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/osthread"
	"timens-vmtest/tests/internal/timens"
)

// setns() to a time namespace needs CAP_SYS_ADMIN in the caller's user namespace.
func TestSetnsNeedsCapSysAdmin(t *testing.T) {
	timens.Need(t)
	target := resident(t, timens.Unshared(timens.Ahead))
	ns, pidfd := openNamespace(t, target.PID, "time"), openPID(t, target.PID)
	err := osthread.Run(func() error {
		if err := capability.Drop(unix.CAP_SYS_ADMIN); err != nil {
			return err
		}
		for name, err := range map[string]error{
			"nsfd":  joinBy(t, ns, unix.CLONE_NEWTIME),
			"pidfd": joinBy(t, pidfd, unix.CLONE_NEWTIME),
		} {
			if err != unix.EPERM {
				t.Errorf("setns by %s without CAP_SYS_ADMIN: %v, want %v", name, err, unix.EPERM)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// setns() to a time namespace needs CAP_SYS_ADMIN in the caller's own user
// namespace and in the one that owns the time namespace. One alone is not enough.
func TestSetnsNeedsBothUserNamespaces(t *testing.T) {
	timens.Need(t)
	foreign := resident(t, timens.Unshared(timens.Ahead))
	ns := openNamespace(t, foreign.PID, "time")
	p := timens.NewProgram(t)
	newUser := p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWUSER)
	into := p.Syscall(unix.SYS_SETNS, ns.Fd(), unix.CLONE_NEWTIME)
	timens.Run(t, timens.Fork, p)
	if err := newUser.Err(); err != nil {
		t.Fatalf("unshare(CLONE_NEWUSER): %v", err)
	}
	if err := into.Err(); err != unix.EPERM {
		t.Errorf("setns from a user namespace to what its parent owns: %v, want %v", err, unix.EPERM)
	}

	withRootless(t, func(made *clone.Child) {
		ns, pidfd := openNamespace(t, made.PID, "time"), openPID(t, made.PID)
		for name, err := range map[string]error{
			"nsfd":  joinBy(t, ns, unix.CLONE_NEWTIME),
			"pidfd": joinBy(t, pidfd, unix.CLONE_NEWTIME),
		} {
			if err != unix.EPERM {
				t.Errorf("setns by %s to a namespace of user %d, from a user namespace in which the user has no capability: %v, want %v", name, user, err, unix.EPERM)
			}
		}
	})
	withRootless(t, func(made *clone.Child) {
		ns := openNamespace(t, made.PID, "time")
		err := osthread.Run(func() error { return joinBy(t, ns, unix.CLONE_NEWTIME) })
		if err != nil {
			t.Errorf("root's setns to a namespace of user %d: %v", user, err)
		}
	})
}

// A user who made a user namespace and its time namespace can enter both in one
// setns(): entering the first gives the capability for the second.
func TestSetnsWithUserNamespace(t *testing.T) {
	timens.Need(t)
	withRootless(t, func(made *clone.Child) {
		owner := taskLink(t, made.PID, "user")
		link := taskLink(t, made.PID, "time")
		pidfd := openPID(t, made.PID)
		p := timens.NewProgram(t)
		setns := p.Syscall(unix.SYS_SETNS, pidfd.Fd(), unix.CLONE_NEWUSER|unix.CLONE_NEWTIME)
		now := p.ReadLink("/proc/self/ns/user")
		v := newVisit(t, p)
		timens.Run(t, timens.Fork, p)
		if err := setns.Err(); err != nil {
			t.Fatalf("setns by pidfd to user and time namespace: %v", err)
		}
		if got := timens.Text(t, now); got != owner {
			t.Errorf("after setns() the child is in %s, want %s", got, owner)
		}
		v.check(t, "after setns()", link, link, timens.Offsets{})
	})
}

// An ordinary user cannot enter root's time namespaces by any kind of descriptor.
func TestSetnsOfStranger(t *testing.T) {
	timens.Need(t)
	target := resident(t, timens.Unshared(timens.Ahead))
	ns, pidfd := openNamespace(t, target.PID, "time"), openPID(t, target.PID)
	err := osthread.Run(func() error {
		if err := capability.SetUser(user); err != nil {
			return err
		}
		for name, err := range map[string]error{
			"nsfd":                    joinBy(t, ns, unix.CLONE_NEWTIME),
			"pidfd":                   joinBy(t, pidfd, unix.CLONE_NEWTIME),
			"pidfd as user namespace": joinBy(t, pidfd, unix.CLONE_NEWUSER|unix.CLONE_NEWTIME),
		} {
			if err != unix.EPERM {
				t.Errorf("setns by %s of user %d to root's: %v, want %v", name, user, err, unix.EPERM)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// withRootless calls fn on a thread of an ordinary user. The user has made a
// child in a user namespace and a time namespace.
func withRootless(t *testing.T, fn func(made *clone.Child)) {
	t.Helper()
	if _, err := clock.VDSOFunc(clock.VDSO.Gettime()); err != nil { // the user may not read /proc/self/mem, so root looks it up
		t.Fatal(err)
	}
	err := osthread.Run(func() error {
		if err := capability.SetUser(user); err != nil {
			return err
		}
		made := start(t, launcher(unix.CLONE_NEWUSER|unix.CLONE_NEWTIME, unix.SIGCHLD), pausing(t))
		defer finish(t, made)
		fn(made)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
