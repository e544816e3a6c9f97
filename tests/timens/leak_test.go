// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/osthread"
	"timens-vmtest/tests/internal/probe"
	"timens-vmtest/tests/internal/timens"
)

const (
	room       = 3 // limit of time namespaces in a test of leaks
	rounds     = 6 // twice the limit
	execRounds = 2 // fewer, because execve() of a Go program is slow; a leak shows in the count
)

// No use of a time namespace, and no call that fails, leaves a namespace behind:
// the user namespace then has room for exactly as many as before.
func TestUnshareLeaksNothing(t *testing.T) { testUses(t, "unshare") }
func TestClone3LeaksNothing(t *testing.T)  { testUses(t, "clone3") }
func TestExecLeaksNothing(t *testing.T)    { testUses(t, "exec") }
func TestRefusalsLeakNothing(t *testing.T) { testUses(t, "refused") }

func testUses(t *testing.T, group string) {
	timens.Need(t)
	p := timens.NewProgram(t)
	before := becomeRoot(p, room)
	left := probe.Finish[[]roomLeft](t, launcher(unix.CLONE_NEWUSER|unix.CLONE_NEWPID, unix.SIGCHLD), p, "use", group)
	before.check(t)
	if len(left) != len(uses[group])+1 {
		t.Errorf("only %d of %d uses ended", len(left)-1, len(uses[group]))
	}
	for _, l := range left {
		if l.Room != room {
			t.Errorf("after repeating %q there is room for %d time namespaces, want %d", l.Use, l.Room, room)
		}
	}
}

// roomLeft says for how many namespaces there was room after a use.
type roomLeft struct {
	Use  string
	Room int
}

// useMany is the probe "use": it repeats each use of a group many times and
// counts the room left after each. It is the first process of a PID namespace.
func useMany(group string) ([]roomLeft, error) {
	n, err := countRoom()
	left, times := []roomLeft{{"nothing", n}}, rounds
	if group == "exec" {
		times = execRounds
	}
	for name, use := range uses[group] {
		for range times {
			if err := onThread(use); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
		if n, err = countRoom(); err != nil {
			return nil, err
		}
		left = append(left, roomLeft{name, n})
	}
	return left, err
}

// countRoom unshares namespaces until the limit, and gives them up again.
func countRoom() (n int, err error) {
	err = onThread(func() error {
		for ; ; n++ {
			err := unix.Unshare(unix.CLONE_NEWTIME)
			if err == unix.ENOSPC {
				return nil
			}
			if err != nil {
				return err
			}
			ns, err := os.Open(pendingLink)
			if err != nil {
				return err
			}
			defer ns.Close()
		}
	})
	return n, err
}

// onThread is osthread.Run, but returns only when the thread and its namespaces
// are gone.
func onThread(fn func() error) error {
	tid := 0
	err := osthread.Run(func() error {
		tid = unix.Gettid()
		return fn()
	})
	for unix.Tgkill(unix.Getpid(), tid, 0) == nil {
		time.Sleep(time.Millisecond)
	}
	return err
}

// pendingLink is the link of the calling thread. It does not use the thread's
// ID: in a PID namespace /proc and gettid() have different ones.
const pendingLink = "/proc/thread-self/ns/time_for_children"

// uses are ways to make a namespace and to give it up, or to fail to make one, in
// groups. Each runs on a thread of its own. A use that must fail returns an error
// if it succeeds.
var uses = map[string]map[string]func() error{
	"unshare": {
		"unshare": func() error { return unix.Unshare(unix.CLONE_NEWTIME) },
		"unshare twice": func() error {
			if err := unix.Unshare(unix.CLONE_NEWTIME); err != nil {
				return err
			}
			return unix.Unshare(unix.CLONE_NEWTIME)
		},
		"unshare and fork":           func() error { return use(withPending(timens.Fork)) },
		"unshare and vfork":          func() error { return use(withPending(vfork)) },
		"unshare and thread":         func() error { return use(withPending(thread)) },
		"unshare and setns":          func() error { return use(timens.Fork, unshareInside, enterInside) },
		"unshare, setns and unshare": func() error { return use(timens.Fork, unshareInside, enterInside, unshareInside) },
		"descriptor":                 func() error { return use(timens.Fork, unshareInside, openInside) },
		"read":                       func() error { return use(timens.Fork, unshareInside, readInside) },
		"write":                      func() error { return use(timens.Fork, unshareInside, writeInside) },
		"nested":                     func() error { return use(withPending(newTime(0)), unshareInside) },
	},
	"clone3": {
		"clone3":                    func() error { return use(newTime(0)) },
		"clone3 with UTS":           func() error { return use(newTime(unix.CLONE_NEWUTS)) },
		"clone3 with user":          func() error { return use(newTime(unix.CLONE_NEWUSER)) },
		"clone3 and unshare":        func() error { return use(newTime(0), unshareInside) },
		"clone3, unshare and setns": func() error { return use(newTime(0), unshareInside, enterInside) },
		"clone3, unshare and fork":  func() error { return use(newTime(0), unshareInside, forkInside) },
		"clone3 and PIDFD_GET":      func() error { return use(newTime(0), unshareInside, getInside) },
		"clone3 with shared memory": func() error { return use(newTime(unix.CLONE_VM | unix.CLONE_VFORK)) },
		"clone3 as thread": func() error {
			return use(launcher(unix.CLONE_NEWTIME|unix.CLONE_VM|unix.CLONE_SIGHAND|unix.CLONE_THREAD, 0))
		},
	},
	"exec": {
		"unshare, vfork and exec":  func() error { return useExec(withPending(vfork)) },
		"unshare and exec":         func() error { return useExec(timens.Fork, unshareInside) },
		"clone3 and exec":          func() error { return useExec(newTime(0)) },
		"clone3, unshare and exec": func() error { return useExec(newTime(0), unshareInside) },
		"clone3 with shared memory, and exec": func() error {
			return useExec(newTime(unix.CLONE_VM | unix.CLONE_VFORK))
		},
	},
	"refused": {
		"the PID":        func() error { return refused(withPID(1), unix.EEXIST) },
		"a bad PID":      func() error { return refused(withPID(-1), unix.EINVAL) },
		"the pidfd":      func() error { return refused(withFlags(unix.CLONE_PIDFD), unix.EFAULT) },
		"the cgroup":     func() error { return refused(intoNoCgroup(), unix.EBADF) },
		"IPC":            func() error { return refused(withFlags(unix.CLONE_NEWIPC|unix.CLONE_SYSVSEM), unix.EINVAL) },
		"descriptors":    refusedWithoutDescriptors,
		"over the limit": refusedOverLimit,
		"another kind":   refusedWithUTS,
		"setns":          refusedSetns,
		"and pending":    refusedPending,
		"a write without CAP_SYS_TIME": func() error {
			return use(timens.Fork, unshareInside, dropTimeInside, refuseInside("monotonic 1 0", unix.EPERM))
		},
		"a write out of range": func() error {
			return use(timens.Fork, unshareInside, refuseInside("boottime -9000000000 0", unix.ERANGE))
		},
		"a write that comes late": func() error {
			return use(newTime(0), refuseInside("monotonic 1 0", unix.EACCES))
		},
	},
}
