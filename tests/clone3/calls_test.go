// SPDX-License-Identifier: BSD-3-Clause

// The tests in this file pass on kernels with and without a series.

package clone3

import (
	"fmt"
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/bits"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/design"
	"timens-vmtest/tests/internal/timens"
)

// registerBits is how many bits the flags of a call have that are passed in a register.
const registerBits = 8 * int(unsafe.Sizeof(uintptr(0)))

// kindLinks are the links below /proc/self/ns that show which namespaces a process is
// in, or its children will be in.
var kindLinks = map[uint64]string{
	unix.CLONE_NEWTIME: "time_for_children", unix.CLONE_NEWNS: "mnt", unix.CLONE_NEWCGROUP: "cgroup", unix.CLONE_NEWUTS: "uts",
	unix.CLONE_NEWIPC: "ipc", unix.CLONE_NEWUSER: "user", unix.CLONE_NEWPID: "pid_for_children", unix.CLONE_NEWNET: "net",
}

// answered is a call with one flag that a child has made.
type answered struct {
	flag   uint64
	result clone.Result
	link   string // shows the effect; "" if the flag has none
	before clone.Contents
	after  clone.Contents
}

// tryFlag adds a call with one flag, and links that show its effect.
func tryFlag(p *clone.Program, flag uint64, nr uintptr, args ...uintptr) answered {
	a := answered{flag: flag, link: kindLinks[flag]}
	if a.link != "" {
		a.before = p.ReadLink("/proc/self/ns/" + a.link)
	}
	a.result = p.Syscall(nr, args...)
	if a.link != "" {
		a.after = p.ReadLink("/proc/self/ns/" + a.link)
	}
	return a
}

// check checks the result of a call that succeeds where it takes or ignores the flag.
func (a answered) check(t *testing.T, want bits.Answer) {
	t.Helper()
	var err error
	if want == bits.Refused {
		err = unix.EINVAL
	}
	if got := a.result.Err(); got != err {
		t.Errorf("flag %#x %s: %v, want it %v", a.flag, bits.Name(a.flag), got, want)
	}
}

// changed reports whether the call has changed the namespace. The link of the PID
// namespace for children cannot be read until there is a child in it.
func (a answered) changed() bool {
	before, err1 := a.before.Text()
	after, err2 := a.after.Text()
	return before != after || (err1 == nil) != (err2 == nil)
}

// unshare() of a process with one thread takes the flags of all namespaces and of what
// threads share, and refuses all other bits with EINVAL.
func TestUnshareBits(t *testing.T) {
	timens.Need(t)
	defined, err := design.CloneFlags()
	if err != nil {
		t.Fatal(err)
	}
	p := timens.NewProgram(t)
	var all []answered
	for bit := range registerBits {
		if flag := uint64(1) << bit; flag != bits.UnshareEmptyMntns {
			all = append(all, tryFlag(p, flag, unix.SYS_UNSHARE, uintptr(flag)))
		}
	}
	all = append(all, tryFlag(p, bits.UnshareEmptyMntns, unix.SYS_UNSHARE, bits.UnshareEmptyMntns)) // no /proc after it
	timens.Run(t, timens.Fork, p)
	for _, a := range all {
		a.check(t, bits.Unshare(defined).Answer(a.flag))
		if a.link != "" && !a.changed() {
			t.Errorf("unshare(%#x) has not changed the link %s", a.flag, a.link)
		}
	}
}

// unshare() of a thread refuses with EINVAL to unshare memory and signal handlers.
func TestUnshareBitsOfThread(t *testing.T) {
	timens.Need(t)
	for _, flag := range []int{unix.CLONE_THREAD, unix.CLONE_SIGHAND, unix.CLONE_VM} {
		for _, more := range []int{0, unix.CLONE_NEWTIME} {
			if err := unix.Unshare(flag | more); err != unix.EINVAL {
				t.Errorf("unshare(%#x) in a process with threads: %v, want %v", flag|more, err, unix.EINVAL)
			}
		}
	}
}

// setns() takes exactly the flag of the namespace for a descriptor of a time namespace,
// the flags of all namespaces for a pidfd, and refuses the other lower 32 bits with
// EINVAL. It ignores the upper 32.
func TestSetnsBits(t *testing.T) {
	timens.Need(t)
	args := &clone.Args{Flags: bits.Namespaces, ExitSignal: uint64(unix.SIGCHLD)}
	target := startPaused(t, design.Launch(args))
	defer endPaused(t, target)
	pidfd, err := unix.PidfdOpen(target.PID, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pidfd)
	ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/time", target.PID))
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	for _, by := range []struct {
		call bits.Call
		fd   uintptr
	}{{bits.SetnsTime(), ns.Fd()}, {bits.SetnsPidfd(), uintptr(pidfd)}} {
		for _, more := range []uintptr{0, unix.CLONE_NEWTIME} {
			t.Run(fmt.Sprintf("%s and %#x", by.call.Name, more), func(t *testing.T) {
				p := timens.NewProgram(t)
				var all []answered
				for bit := range registerBits {
					if flag := uint64(1) << bit; more != 0 || flag < 1<<32 { // the upper bits alone are no flags
						all = append(all, tryFlag(p, flag, unix.SYS_SETNS, by.fd, uintptr(flag)|more))
					}
				}
				timens.Run(t, timens.Fork, p)
				for _, a := range all {
					want := by.call.Answer(a.flag)
					a.check(t, want)
					if link := targetLink(a.link); want == bits.Taken && link != "" && link != "pid_for_children" {
						if got, want := timens.Text(t, a.after), processLink(t, target.PID, link); got != want {
							t.Errorf("after setns(%#x) the link %s is %s, want %s", a.flag, a.link, got, want)
						}
					}
				}
			})
		}
	}
}

// targetLink returns the link of the namespace that setns() enters, for a link that it
// changes.
func targetLink(link string) string {
	if link == "time_for_children" {
		return "time"
	}
	return link
}

// beside are the flags that the old clone() needs beside a flag.
var beside = map[uint64]uintptr{
	unix.CLONE_SIGHAND: unix.CLONE_VM,
	unix.CLONE_THREAD:  unix.CLONE_VM | unix.CLONE_SIGHAND,
}

// The old clone() takes all flags of its lower 32 bits above the exit signal, and
// ignores CLONE_DETACHED. With the flag CLONE_PIDFD, which makes these calls fail at
// their end, it refuses the two flags that use the same argument.
func TestLegacyCloneBits(t *testing.T) {
	timens.Need(t)
	call := bits.Clone()
	p := timens.NewProgram(t)
	tries := make(map[uint64]clone.Result)
	for bit := range 32 {
		if flag := uint64(1) << bit; flag != unix.CLONE_NEWTIME { // TestLegacyCloneChecksSignal
			tries[flag] = p.Syscall(unix.SYS_CLONE, uintptr(flag)|beside[flag]|unix.CLONE_PIDFD, 0, 0, 0, 0)
		}
	}
	timens.Run(t, timens.Fork, p)
	for flag, result := range tries {
		want := error(taken)
		if flag == unix.CLONE_PARENT_SETTID || flag == bits.Detached {
			want = unix.EINVAL
		} else if call.Answer(flag) == bits.Refused {
			t.Errorf("flag %#x %s is said to be refused", flag, bits.Name(flag))
		}
		if got := result.Err(); got != want {
			t.Errorf("clone(%#x) with CLONE_PIDFD %s: %v, want %v", flag, bits.Name(flag), got, want)
		}
	}

	for _, flag := range []uintptr{0, unix.CLONE_PARENT_SETTID, bits.Detached} {
		p := timens.NewProgram(t)
		tid := p.Word()
		// Both processes run the same steps: first the child, and after its end the parent,
		// whose results remain.
		fork := p.Syscall(unix.SYS_CLONE, flag|unix.CLONE_VFORK|uintptr(unix.SIGCHLD), 0, tid.Addr(), 0, 0)
		wait := p.Syscall(unix.SYS_WAIT4, ^uintptr(0), 0, 0, 0)
		timens.Run(t, timens.Fork, p)
		pid, err := fork.Value()
		if waited, err2 := wait.Value(); err != nil || err2 != nil || pid != waited {
			t.Errorf("clone(%#x): %d, %v, and wait4: %d, %v", flag, pid, err, waited, err2)
		}
		want := 0
		if flag == unix.CLONE_PARENT_SETTID {
			want = pid
		}
		if got := tid.Value(); got != want {
			t.Errorf("clone(%#x) stored %d for the parent, want %d", flag, got, want)
		}
	}
}

// The old clone() refuses an exit signal that does not exist with EINVAL. CLONE_NEWTIME
// is one.
func TestLegacyCloneChecksSignal(t *testing.T) {
	timens.Need(t)
	for _, signal := range []uintptr{65, 0x7f, unix.CLONE_NEWTIME, unix.CLONE_NEWTIME | uintptr(unix.SIGCHLD), 0xff} {
		if err := legacySignal(t, signal); err != unix.EINVAL {
			t.Errorf("clone() with the exit signal %#x and an address for the pidfd that cannot be written: %v, want %v", signal, err, unix.EINVAL)
		}
	}
}

// legacySignal returns the error of an old clone() with an exit signal and, behind it, an
// address for the pidfd that cannot be written.
func legacySignal(t *testing.T, signal uintptr) error {
	p := timens.NewProgram(t)
	call := p.Syscall(unix.SYS_CLONE, signal|unix.CLONE_PIDFD, 0, 0, 0, 0)
	timens.Run(t, timens.Fork, p)
	return call.Err()
}

// signalCheckedLate reports whether clone3() checks an exit signal of eight bits only after
// it has read all its arguments. It does so if the check is in kernel_clone(), which the old
// clone() calls, too. TestLegacyCloneChecksSignal says which kernels are so.
func signalCheckedLate(t *testing.T) bool { return legacySignal(t, 65) == unix.EINVAL }
