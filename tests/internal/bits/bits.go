// SPDX-License-Identifier: BSD-3-Clause

// Package bits says what each call does with each flag of clone3(). clone(), unshare()
// and setns() share these flags, but each call takes others. What a kernel does follows
// from the flags that its headers define.
package bits

import "golang.org/x/sys/unix"

// Flags that Linux 6.12 does not have.
const (
	Autoreap      = 1 << 34 // CLONE_AUTOREAP: nobody waits for the child
	NNP           = 1 << 35 // CLONE_NNP: the child gets no new privileges
	PidfdAutokill = 1 << 36 // CLONE_PIDFD_AUTOKILL: the child ends with its pidfd
	EmptyMntns    = 1 << 37 // CLONE_EMPTY_MNTNS: the child sees no files

	// The flags that the series inline-ns adds.
	TimensMonotonic = 1 << 38 // CLONE_TIMENS_MONOTONIC: the call gives the offset of CLOCK_MONOTONIC
	TimensBoottime  = 1 << 39 // CLONE_TIMENS_BOOTTIME: the call gives the offset of CLOCK_BOOTTIME

	// UnshareEmptyMntns is UNSHARE_EMPTY_MNTNS: unshare() takes CLONE_EMPTY_MNTNS by the
	// bit that is CLONE_PARENT_SETTID elsewhere.
	UnshareEmptyMntns = unix.CLONE_PARENT_SETTID
)

// Detached is CLONE_DETACHED, which has no meaning any more.
const Detached = 1 << 22

// Namespaces are the flags of all kinds of namespaces.
const Namespaces = unix.CLONE_NEWTIME | unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS |
	unix.CLONE_NEWIPC | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET

// low are the bits that the old clone() looks at: those for the exit signal, and flags.
const (
	signal = 0xff
	low    = 1<<32 - 1
)

// Answer is what a call does with a flag.
type Answer int

const (
	Refused    Answer = iota // the call fails with EINVAL
	Taken                    // the call does what the flag says
	Ignored                  // the call does what it does without the flag
	ExitSignal               // the bit belongs to the number of the child's exit signal
)

func (a Answer) String() string {
	return [...]string{"EINVAL", "taken", "ignored", "exit signal"}[a]
}

// Call is a system call. It refuses the flags that are not listed.
type Call struct {
	Name                   string
	taken, ignored, signal uint64
}

// Answer returns what the call does with a flag.
func (c Call) Answer(flag uint64) Answer {
	switch {
	case flag&c.taken != 0:
		return Taken
	case flag&c.ignored != 0:
		return Ignored
	case flag&c.signal != 0:
		return ExitSignal
	}
	return Refused
}

// Calls returns all calls of a kernel whose headers define these flags of clone3() above
// the lower 32 bits.
func Calls(defined uint64) []Call {
	return []Call{Clone(), Clone3(defined), Unshare(defined), SetnsTime(), SetnsPidfd()}
}

// Clone is the old clone(). An exit signal that does not exist is another matter:
// CLONE_NEWTIME is one.
func Clone() Call {
	return Call{Name: "clone()", taken: low &^ (signal | Detached), ignored: Detached | ^uint64(low), signal: signal}
}

// Clone3 is clone3(). Some flags need others beside them.
func Clone3(defined uint64) Call {
	return Call{Name: "clone3()", taken: low&^(signal|Detached) | unix.CLONE_NEWTIME | defined}
}

// Unshare is unshare() of a process with one thread.
func Unshare(defined uint64) Call {
	taken := uint64(Namespaces | unix.CLONE_THREAD | unix.CLONE_SIGHAND | unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SYSVSEM)
	if defined&EmptyMntns != 0 {
		taken |= UnshareEmptyMntns
	}
	return Call{Name: "unshare()", taken: taken}
}

// SetnsTime is setns() with the descriptor of a time namespace.
func SetnsTime() Call {
	return Call{Name: "setns() by a time namespace", taken: unix.CLONE_NEWTIME, ignored: ^uint64(low)}
}

// SetnsPidfd is setns() with a pidfd.
func SetnsPidfd() Call {
	return Call{Name: "setns() by a pidfd", taken: Namespaces, ignored: ^uint64(low)}
}

// Name returns the kernel's name of a flag, or "" if it has none in any of the calls.
func Name(flag uint64) string { return names[flag] }

var names = map[uint64]string{
	unix.CLONE_NEWTIME:        "CLONE_NEWTIME",
	unix.CLONE_VM:             "CLONE_VM",
	unix.CLONE_FS:             "CLONE_FS",
	unix.CLONE_FILES:          "CLONE_FILES",
	unix.CLONE_SIGHAND:        "CLONE_SIGHAND",
	unix.CLONE_PIDFD:          "CLONE_PIDFD",
	unix.CLONE_PTRACE:         "CLONE_PTRACE",
	unix.CLONE_VFORK:          "CLONE_VFORK",
	unix.CLONE_PARENT:         "CLONE_PARENT",
	unix.CLONE_THREAD:         "CLONE_THREAD",
	unix.CLONE_NEWNS:          "CLONE_NEWNS",
	unix.CLONE_SYSVSEM:        "CLONE_SYSVSEM",
	unix.CLONE_SETTLS:         "CLONE_SETTLS",
	unix.CLONE_PARENT_SETTID:  "CLONE_PARENT_SETTID, UNSHARE_EMPTY_MNTNS",
	unix.CLONE_CHILD_CLEARTID: "CLONE_CHILD_CLEARTID",
	Detached:                  "CLONE_DETACHED",
	unix.CLONE_UNTRACED:       "CLONE_UNTRACED",
	unix.CLONE_CHILD_SETTID:   "CLONE_CHILD_SETTID",
	unix.CLONE_NEWCGROUP:      "CLONE_NEWCGROUP",
	unix.CLONE_NEWUTS:         "CLONE_NEWUTS",
	unix.CLONE_NEWIPC:         "CLONE_NEWIPC",
	unix.CLONE_NEWUSER:        "CLONE_NEWUSER",
	unix.CLONE_NEWPID:         "CLONE_NEWPID",
	unix.CLONE_NEWNET:         "CLONE_NEWNET",
	unix.CLONE_IO:             "CLONE_IO",
	unix.CLONE_CLEAR_SIGHAND:  "CLONE_CLEAR_SIGHAND",
	unix.CLONE_INTO_CGROUP:    "CLONE_INTO_CGROUP",
	Autoreap:                  "CLONE_AUTOREAP",
	NNP:                       "CLONE_NNP",
	PidfdAutokill:             "CLONE_PIDFD_AUTOKILL",
	EmptyMntns:                "CLONE_EMPTY_MNTNS",
	TimensMonotonic:           "CLONE_TIMENS_MONOTONIC",
	TimensBoottime:            "CLONE_TIMENS_BOOTTIME",
}
