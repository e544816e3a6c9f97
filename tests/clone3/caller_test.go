// SPDX-License-Identifier: BSD-3-Clause

package clone3

import (
	"fmt"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/capability"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/timens"
)

// caller is a process that calls clone3(), which must fail, and then checks
// that nothing has changed. It is the first process of a new user and PID
// namespace, has all capabilities there, and has unshared a time namespace for
// its children.
type caller struct {
	*clone.Program
	ready         []step
	calls         []clone.Result
	before, after state
	write         clone.Written // to the offsets of the children's namespace
	unshare       clone.Result  // of one more time namespace
	children      clone.Result  // of wait4() for any child
	ended         clone.Ended
}

// step is a step of a program that may fail.
type step interface{ Err() error }

// state is what a failed clone3() might have changed.
type state struct {
	current, children clone.Contents
	offsets           clone.Contents
	descriptor        clone.Result // the lowest free descriptor
}

func (c *caller) look() state {
	s := state{
		current:    c.ReadLink(current),
		children:   c.ReadLink(children),
		offsets:    c.ReadFile(offsetsFile),
		descriptor: c.Syscall(unix.SYS_FCNTL, 2, unix.F_DUPFD, 3),
	}
	c.On(s.descriptor, unix.SYS_CLOSE)
	return s
}

// need adds a step that has to succeed.
func (c *caller) need(s step) { c.ready = append(c.ready, s) }

// limit sets how many namespaces of a kind the caller may have.
func (c *caller) limit(kind, number string) {
	c.need(c.WriteFile("/proc/sys/user/max_"+kind+"_namespaces", number))
}

// lose drops capabilities of the caller; regain takes all of them back.
func (c *caller) lose(ids ...int) { c.need(capability.LoseInside(c.Program, ids...)) }
func (c *caller) regain()         { c.lose() }

// descriptors sets how many descriptors the caller may have.
func (c *caller) descriptors(max uint64) {
	limit := unix.Rlimit{Cur: max, Max: 1024}
	c.need(c.Syscall(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_NOFILE, c.Data(clone.Bytes(limit)), 0))
}

// newCaller makes a child of nursery a caller. The function spoil adds its
// preparation. call adds one clone3(), and newCaller calls it the given number of
// times.
func newCaller(nursery *clone.Program, spoil func(*caller), times int, call func(*caller) clone.Result) *caller {
	c := &caller{Program: nursery.Sub()}
	c.need(c.WriteFile("/proc/self/uid_map", "0 0 1"))
	c.need(c.WriteFile("/proc/self/setgroups", "deny"))
	c.need(c.WriteFile("/proc/self/gid_map", "0 0 1"))
	c.need(c.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWTIME))
	c.need(c.WriteFile(offsetsFile, timens.Ahead.String()))
	c.before = c.look()
	spoil(c)
	for range times {
		c.calls = append(c.calls, call(c))
	}

	c.descriptors(1024)
	c.regain()
	c.after = c.look()
	c.write = c.WriteFile(offsetsFile, timens.Behind.String())
	c.limit("time", "2") // the old namespace exists until unshare() has made the new one
	c.unshare = c.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWTIME)
	c.children = c.Syscall(unix.SYS_WAIT4, ^uintptr(0), 0, unix.WALL|unix.WNOHANG, 0)

	args := clone.Args{Flags: unix.CLONE_NEWUSER | unix.CLONE_NEWPID, ExitSignal: uint64(unix.SIGCHLD)}
	c.ended = nursery.Wait(nursery.Fork(&args, clone.SizeVer0, c.Program))
	return c
}

// check returns what went wrong in a caller that has run. Each of its calls
// must fail with want and change nothing.
func (c *caller) check(want unix.Errno) []string {
	var wrong []string
	add := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	if status, err := c.ended.Status(); err != nil || status != 0 {
		add("the caller's wait status is %#x, %v, want exit(0)", int(status), err)
	}
	for i, step := range c.ready {
		if err := step.Err(); err != nil {
			add("preparation step %d: %v", i+1, err)
		}
	}
	for i, call := range c.calls {
		if err := call.Err(); err != want {
			add("clone3, call %d of %d: %v, want %v", i+1, len(c.calls), err, want)
			break
		}
	}
	for name, pair := range map[string][2]clone.Contents{
		"time namespace":       {c.before.current, c.after.current},
		"children's namespace": {c.before.children, c.after.children},
		"children's offsets":   {c.before.offsets, c.after.offsets},
	} {
		before, err1 := pair[0].Text()
		after, err2 := pair[1].Text()
		if before != after || err1 != nil || err2 != nil {
			add("the caller's %s changed from %q (%v) to %q (%v)", name, before, err1, after, err2)
		}
	}
	before, err1 := c.before.descriptor.Value()
	after, err2 := c.after.descriptor.Value()
	if err1 != nil || err2 != nil || before != after {
		add("the lowest free descriptor changed from %d (%v) to %d (%v)", before, err1, after, err2)
	}
	if err := c.write.Err(); err != nil {
		add("write to the children's offsets after the failures: %v", err)
	}
	if err := c.unshare.Err(); err != nil {
		add("unshare(CLONE_NEWTIME) after %d failures: %v", len(c.calls), err)
	}
	if err := c.children.Err(); err != unix.ECHILD {
		add("wait4 after the failures: %v, want %v", err, unix.ECHILD)
	}
	return wrong
}
