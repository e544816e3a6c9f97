// SPDX-License-Identifier: BSD-3-Clause

package clone3

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/bits"
	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/design"
	"timens-vmtest/tests/internal/profile"
	"timens-vmtest/tests/internal/timens"
)

// situation is what a call's result depends on besides its arguments: who makes
// it, and where. The caller is in the initial PID namespace.
type situation struct {
	now, children     timens.Offsets // offsets of its namespace and of its children's
	pending           bool           // its children's namespace is not its own
	sysAdmin, sysTime bool
	user              bool // in a user namespace that owns the pending time namespace
	limited           bool // may have no further time namespace
	signalLate        bool // the kernel does what signalCheckedLate says
}

// attempt is a call of clone3().
type attempt struct {
	flags, exitSignal uint64
	size              uintptr
	tail              bool // a byte within size that the kernel does not know is not 0
	pids              []int32
	pidSize           uint64 // set_tid_size
	words             [2]uint64
	memory            []byte // what the first member of the offsets points at
}

func (a attempt) String() string {
	return fmt.Sprintf("flags %#x, exit signal %d, %d bytes, unknown %v, PIDs %v (%d), offsets %#x at % x",
		a.flags, a.exitSignal, a.size, a.tail, a.pids, a.pidSize, a.words, a.memory)
}

func (a attempt) has(flags uint64) bool { return a.flags&flags == flags }

const namespaceFlags = unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWPID |
	unix.CLONE_NEWNET | unix.CLONE_NEWCGROUP | unix.CLONE_NEWTIME

// predict returns the error that an attempt must get, in the order in which the
// kernel checks; 0 is none. now is what the initial clocks show, roughly.
func (s situation) predict(a attempt, m design.Meaning, now map[clock.ID]time.Duration) unix.Errno {
	given := len(m.Set) > 0
	misplaced := given && (!a.has(unix.CLONE_NEWTIME) || a.has(unix.CLONE_THREAD))
	sysAdmin, sysTime := s.sysAdmin, s.sysTime
	if a.has(unix.CLONE_NEWUSER) {
		sysAdmin, sysTime = true, true
	}
	for _, rule := range []struct {
		broken bool
		errno  unix.Errno
	}{
		{a.size > 4096, unix.E2BIG},
		{a.size < 64, unix.EINVAL},
		{a.tail, unix.E2BIG},
		{a.pidSize > 32 || (a.pids == nil) != (a.pidSize == 0), unix.EINVAL},
		{a.exitSignal > 255 || a.exitSignal > 64 && !s.signalLate, unix.EINVAL},
		{m.Error != 0, m.Error},
		{misplaced, unix.EINVAL},
		{a.badFlags(), unix.EINVAL},
		{a.exitSignal > 64, unix.EINVAL},
		{a.flags&namespaceFlags != 0 && !sysAdmin, unix.EPERM},
		{a.has(unix.CLONE_NEWIPC | unix.CLONE_SYSVSEM), unix.EINVAL},
		{given && !sysTime, unix.EPERM},
		{!inRange(m, now), unix.ERANGE},
		{a.has(unix.CLONE_NEWTIME) && s.limited, unix.ENOSPC},
	} {
		if rule.broken {
			return rule.errno
		}
	}
	return s.predictPIDs(a)
}

func inRange(m design.Meaning, now map[clock.ID]time.Duration) bool {
	for id, o := range m.Set {
		if !o.InRange(now[id]) {
			return false
		}
	}
	return true
}

// badFlags reports combinations that are invalid for every caller. The flags of offsets
// are known, because there is another error if a kernel does not have them.
func (a attempt) badFlags() bool {
	const unknown = ^uint64(0xffffffff | unix.CLONE_CLEAR_SIGHAND | unix.CLONE_INTO_CGROUP | bits.TimensMonotonic | bits.TimensBoottime)
	const reserved = 0x400000 | 0xff&^unix.CLONE_NEWTIME
	switch {
	case a.flags&(unknown|reserved) != 0,
		a.has(unix.CLONE_SIGHAND | unix.CLONE_CLEAR_SIGHAND),
		a.flags&(unix.CLONE_THREAD|unix.CLONE_PARENT) != 0 && a.exitSignal != 0,
		a.has(unix.CLONE_NEWNS | unix.CLONE_FS),
		a.has(unix.CLONE_NEWUSER | unix.CLONE_FS),
		a.has(unix.CLONE_THREAD) && !a.has(unix.CLONE_SIGHAND),
		a.has(unix.CLONE_SIGHAND) && !a.has(unix.CLONE_VM),
		a.has(unix.CLONE_THREAD) && a.flags&(unix.CLONE_NEWUSER|unix.CLONE_NEWPID) != 0:
		return true
	}
	return false
}

// predictPIDs returns the error of set_tid, which is checked last. The only
// valid PID that attempts ask for is 1.
func (s situation) predictPIDs(a attempt) unix.Errno {
	levels := 1
	if a.has(unix.CLONE_NEWPID) {
		levels = 2
	}
	if len(a.pids) > levels {
		return unix.EINVAL
	}
	for i, pid := range a.pids {
		initial := i == levels-1
		switch {
		case pid < 1, !initial && pid != 1:
			return unix.EINVAL
		case initial && s.user:
			return unix.EPERM
		case initial && pid == 1:
			return unix.EEXIST
		}
	}
	return 0
}

// effect is what a child must report.
type effect struct {
	now, children timens.Offsets
	entered       bool // it is in the same namespace as its children
	write         error
}

// predictEffect returns the effect of an attempt that succeeds.
func (s situation) predictEffect(a attempt, m design.Meaning) effect {
	created, own := a.has(unix.CLONE_NEWTIME), !a.has(unix.CLONE_VM)
	e := effect{now: s.now, children: s.children, entered: own || !created && !s.pending}
	for id, o := range m.Set {
		if id == clock.Monotonic {
			e.children.Monotonic = o.Duration()
		} else {
			e.children.Boottime = o.Duration()
		}
	}
	if own {
		e.now = e.children
	}
	// Writing needs CAP_SYS_TIME in the user namespace that owns the time
	// namespace.
	owner := s.sysTime && !a.has(unix.CLONE_NEWUSER) && (!s.user || s.pending)
	if created {
		owner = s.sysTime || a.has(unix.CLONE_NEWUSER)
	}
	switch {
	case !owner:
		e.write = unix.EPERM
	case e.entered:
		e.write = unix.EACCES
	}
	return e
}

// check compares the effect with what the child reported.
func (e effect) check(p profile.Profile) []string {
	var wrong []string
	for _, s := range p.Shifts {
		if want := e.now.Of(s.Of); !s.By.Contains(want) {
			wrong = append(wrong, fmt.Sprintf("%s is off by %v, want %v", s.Name, s.By, want))
		}
	}
	if p.Offsets != e.children.String() {
		wrong = append(wrong, fmt.Sprintf("timens_offsets is\n%swant\n%s", p.Offsets, e.children))
	}
	if (p.Current == p.Children) != e.entered {
		wrong = append(wrong, fmt.Sprintf("the child is in %s and its children in %s, want the same: %v", p.Current, p.Children, e.entered))
	}
	if p.Write != e.write {
		wrong = append(wrong, fmt.Sprintf("write to timens_offsets: %v, want %v", p.Write, e.write))
	}
	return wrong
}
