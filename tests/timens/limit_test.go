// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/timens"
)

// maxTimeNamespaces is the file with the limit. Tests set it in a user
// namespace of the child, not for the machine.
const maxTimeNamespaces = "/proc/sys/user/max_time_namespaces"

// unshareUser adds steps that put the child into a new user namespace with a
// limit of time namespaces.
func unshareUser(p *clone.Program, limit int) steps {
	unshare := p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWUSER)
	s := becomeRoot(p, limit)
	s["unshare(CLONE_NEWUSER)"] = unshare
	return s
}

// becomeRoot adds steps that make the child root of its new user namespace and
// set the limit of time namespaces there.
func becomeRoot(p *clone.Program, limit int) steps {
	return steps{
		"write uid_map":             p.WriteFile("/proc/self/uid_map", "0 0 1\n"),
		"write setgroups":           p.WriteFile("/proc/self/setgroups", "deny"),
		"write gid_map":             p.WriteFile("/proc/self/gid_map", "0 0 1\n"),
		"write max_time_namespaces": p.WriteFile(maxTimeNamespaces, fmt.Sprint(limit)),
	}
}

// steps have to succeed before a test can begin.
type steps map[string]interface{ Err() error }

func (s steps) check(t *testing.T) {
	t.Helper()
	for what, step := range s {
		if err := step.Err(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// A time namespace counts against the limit from when it is made, even if no task
// is in it. A process that makes another one needs room for both.
func TestMaxTimeNamespaces(t *testing.T) {
	timens.Need(t)
	for limit := range 4 {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			p := timens.NewProgram(t)
			before := unshareUser(p, limit)
			// An open descriptor keeps each namespace.
			var made []clone.Result
			for range limit {
				made = append(made, p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWTIME))
				p.Open(children, unix.O_RDONLY)
			}
			byUnshare := p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWTIME)
			byBoth := p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWTIME|unix.CLONE_NEWUTS)
			byClone := p.Clone3(&clone.Args{Flags: unix.CLONE_NEWTIME, ExitSignal: uint64(unix.SIGCHLD)}, clone.SizeVer0)
			byVfork := p.Clone3(&clone.Args{Flags: unix.CLONE_NEWTIME | unix.CLONE_VFORK, ExitSignal: uint64(unix.SIGCHLD)}, clone.SizeVer0)
			timens.Run(t, timens.Fork, p)
			before.check(t)
			for i, step := range made {
				if err := step.Err(); err != nil {
					t.Errorf("unshare(CLONE_NEWTIME) number %d of %d allowed: %v", i+1, limit, err)
				}
			}
			for what, step := range map[string]clone.Result{
				"unshare(CLONE_NEWTIME)": byUnshare, "unshare(CLONE_NEWTIME|CLONE_NEWUTS)": byBoth,
				"clone3(CLONE_NEWTIME)": byClone, "clone3(CLONE_NEWTIME|CLONE_VFORK)": byVfork,
			} {
				if err := step.Err(); err != unix.ENOSPC {
					t.Errorf("%s with %d of %d: %v, want %v", what, limit, limit, err, unix.ENOSPC)
				}
			}
		})
	}
}

// The limits of time namespaces of all outer user namespaces also apply, so the
// lowest one decides.
func TestMaxTimeNamespacesOfParents(t *testing.T) {
	timens.Need(t)
	for _, test := range []struct {
		name           string
		outer, between int
		inner, want    int
	}{
		{"outer", 1, 3, 3, 1},
		{"between", 3, 1, 3, 1},
		{"inner", 3, 3, 1, 1},
		{"all", 2, 2, 2, 2},
		{"outer none", 0, 3, 3, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := timens.NewProgram(t)
			var before []steps
			for _, limit := range []int{test.outer, test.between, test.inner} {
				before = append(before, unshareUser(p, limit))
			}
			var tries []clone.Result
			for range test.want + 1 {
				tries = append(tries, p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWTIME))
				p.Open(children, unix.O_RDONLY)
			}
			timens.Run(t, timens.Fork, p)
			for _, steps := range before {
				steps.check(t)
			}
			for i, try := range tries {
				var want error
				if i == test.want {
					want = unix.ENOSPC
				}
				if err := try.Err(); err != want {
					t.Errorf("number %d with limits of %d, %d and %d (outermost first): %v, want %v",
						i+1, test.outer, test.between, test.inner, err, want)
				}
			}
		})
	}
}

// A time namespace that an outer limit refuses does not count against the inner
// limit. When the outer limit is raised, the inner user namespace has room for
// all of its own.
func TestMaxTimeNamespacesRaised(t *testing.T) {
	timens.Need(t)
	const attempts = 8
	p := timens.NewProgram(t)
	outer := unshareUser(p, 0)
	owner := p.Open("/proc/self/ns/user", unix.O_RDONLY)
	inner := unshareUser(p, 1)
	var refused []clone.Result
	for range attempts {
		refused = append(refused, p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWTIME))
	}
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	allowed := p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWTIME)
	beyond := p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWTIME)

	child := start(t, timens.Fork, p)
	outer.check(t)
	inner.check(t)
	fd, err := owner.Value()
	if err != nil {
		t.Fatalf("open the outer user namespace: %v", err)
	}
	raise := timens.NewProgram(t)
	setns := raise.Setns(fmt.Sprintf("/proc/%d/fd/%d", child.PID, fd), unix.CLONE_NEWUSER)
	write := raise.WriteFile(maxTimeNamespaces, "5")
	timens.Run(t, timens.Fork, raise)
	steps{"setns into the outer user namespace": setns, "raise its limit": write}.check(t)
	finish(t, child)

	for i, try := range refused {
		if err := try.Err(); err != unix.ENOSPC {
			t.Errorf("namespace %d with an outer limit of 0: %v, want %v", i+1, err, unix.ENOSPC)
		}
	}
	if err := allowed.Err(); err != nil {
		t.Errorf("after %d refusals and a higher limit: %v", attempts, err)
	}
	if err := beyond.Err(); err != unix.ENOSPC {
		t.Errorf("beyond the inner limit of 1: %v, want %v", err, unix.ENOSPC)
	}
}

// noSetuidFixup is SECBIT_NO_SETUID_FIXUP: capabilities survive setuid().
const noSetuidFixup = 1 << 2

// Time namespaces count for each user separately: for the effective user ID of
// the process that made them.
func TestMaxTimeNamespacesPerUser(t *testing.T) {
	timens.Need(t)
	p := timens.NewProgram(t)
	before := steps{
		"unshare(CLONE_NEWUSER)":    p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWUSER),
		"write max_time_namespaces": p.WriteFile(maxTimeNamespaces, "1"),
	}
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	first := p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWTIME)
	p.Open(children, unix.O_RDONLY)
	second := p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWTIME)
	keep := p.Syscall(unix.SYS_PRCTL, unix.PR_SET_SECUREBITS, noSetuidFixup) // the user needs CAP_SYS_ADMIN afterwards
	const same = ^uintptr(0)
	change := p.Syscall(unix.SYS_SETRESUID, same, user, user)
	other := p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWTIME)
	p.Open(children, unix.O_RDONLY)
	otherSecond := p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWTIME)

	child := start(t, timens.Fork, p)
	before.check(t)
	users := fmt.Sprintf("0 0 1\n%d %d 1\n", user, user)
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/uid_map", child.PID), []byte(users), 0); err != nil {
		t.Fatal(err)
	}
	finish(t, child)
	steps{"prctl(PR_SET_SECUREBITS)": keep, "setresuid": change}.check(t)
	for _, try := range []struct {
		what string
		step clone.Result
		want error
	}{
		{"root's first", first, nil}, {"root's second", second, unix.ENOSPC},
		{"the user's first", other, nil}, {"the user's second", otherSecond, unix.ENOSPC},
	} {
		if err := try.step.Err(); err != try.want {
			t.Errorf("%s time namespace of one allowed: %v, want %v", try.what, err, try.want)
		}
	}
}

// If unshare() fails with ENOSPC for the time namespace, which is made last, the
// kernel frees the other namespaces of the same call. PID and network namespaces
// are not tested, because the kernel frees them with a delay.
func TestMaxTimeNamespacesKeepsNothing(t *testing.T) {
	timens.Need(t)
	const attempts = 5
	for name, flag := range map[string]uintptr{
		"uts": unix.CLONE_NEWUTS, "ipc": unix.CLONE_NEWIPC, "mnt": unix.CLONE_NEWNS, "cgroup": unix.CLONE_NEWCGROUP,
	} {
		t.Run(name, func(t *testing.T) {
			p := timens.NewProgram(t)
			before := unshareUser(p, 0)
			before["limit the other kind"] = p.WriteFile(fmt.Sprintf("/proc/sys/user/max_%s_namespaces", name), "1")
			var refused []clone.Result
			for range attempts {
				refused = append(refused,
					p.Syscall(unix.SYS_UNSHARE, flag|unix.CLONE_NEWTIME),
					p.Clone3(&clone.Args{Flags: uint64(flag) | unix.CLONE_NEWTIME, ExitSignal: uint64(unix.SIGCHLD)}, clone.SizeVer0))
			}
			alone := p.Syscall(unix.SYS_UNSHARE, flag)
			timens.Run(t, timens.Fork, p)
			before.check(t)
			for i, try := range refused {
				if err := try.Err(); err != unix.ENOSPC {
					t.Errorf("call %d, with no time namespace allowed: %v, want %v", i+1, err, unix.ENOSPC)
				}
			}
			if err := alone.Err(); err != nil {
				t.Errorf("unshare of %s alone, with a limit of 1, after %d refusals: %v", name, len(refused), err)
			}
		})
	}
}

// Writing max_time_namespaces needs CAP_SYS_RESOURCE, and each user namespace has
// a limit of its own.
func TestMaxTimeNamespacesFile(t *testing.T) {
	timens.Need(t)
	p := timens.NewProgram(t)
	before := unshareUser(p, 5)
	good := p.ReadFile(maxTimeNamespaces)
	var bad []clone.Written
	for _, text := range []string{"-1", "2147483648", "x"} {
		bad = append(bad, p.WriteFile(maxTimeNamespaces, text))
	}
	after := p.ReadFile(maxTimeNamespaces)
	timens.Run(t, timens.Fork, p)
	before.check(t)
	for when, file := range map[string]clone.Contents{"after 5 was written": good, "after bad numbers were written": after} {
		if got, want := timens.Text(t, file), "5\n"; got != want {
			t.Errorf("%s %s is %q, want %q", when, maxTimeNamespaces, got, want)
		}
	}
	for i, write := range bad {
		if err := write.Err(); err != unix.EINVAL {
			t.Errorf("write of bad number %d: %v, want %v", i+1, err, unix.EINVAL)
		}
	}
	mine, err := os.ReadFile(maxTimeNamespaces)
	if err != nil || string(mine) == "5\n" {
		t.Errorf("outside the user namespace %s is %q, %v, want the limit of the machine", maxTimeNamespaces, mine, err)
	}
	err = withoutCapability(unix.CAP_SYS_RESOURCE, func() error { return openAndClose(maxTimeNamespaces, unix.O_WRONLY) })
	if err != unix.EACCES {
		t.Errorf("open for writing without CAP_SYS_RESOURCE: %v, want %v", err, unix.EACCES)
	}
}
