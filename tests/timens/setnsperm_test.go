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

// Entering needs CAP_SYS_ADMIN where one is.
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

// The user namespace of the one that enters, and that which owns the namespace
// to be entered, both have a say: one's own powers do not reach outside, and
// powers over what one has made are none where one is.
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
				t.Errorf("setns by %s to what user %d has made, from where the user may do nothing: %v, want %v", name, user, err, unix.EPERM)
			}
		}
	})
	withRootless(t, func(made *clone.Child) {
		ns := openNamespace(t, made.PID, "time")
		err := osthread.Run(func() error { return joinBy(t, ns, unix.CLONE_NEWTIME) })
		if err != nil {
			t.Errorf("root's setns to what user %d has made: %v", user, err)
		}
	})
}

// Both together can be entered by who has made them, with the power over the
// user namespace that entering it gives.
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

// A stranger may not even look.
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

// withRootless calls fn on a thread of an ordinary user's, and with a child of
// it that is in a user namespace and a time namespace that the user has made.
func withRootless(t *testing.T, fn func(made *clone.Child)) {
	t.Helper()
	if _, err := clock.VDSOFunc(clock.VDSO.Gettime()); err != nil { // looked up by root, who may read /proc/self/mem
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
