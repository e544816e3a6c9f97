// SPDX-License-Identifier: BSD-3-Clause

package design

import (
	"slices"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/timens"
)

// Fault is a mistake in offsets that a design always refuses, whatever the
// clocks show and whoever calls.
type Fault struct {
	Name  string
	Want  unix.Errno
	Early bool // found before the kernel follows any pointer
	Spoil func(*clone.Args)
	// Flags are the flags that Spoil changes, besides the offsets.
	Flags uint64
}

// Faults returns what a design refuses, in the order in which it checks.
func (n Name) Faults() []Fault {
	switch n {
	case InlineNS:
		return misplaced(true)
	case Namespaces:
		return structFaults()
	}
	return arrayFaults() // a kernel without a design refuses these and all other offsets
}

// misplaced returns the faults of calls that cannot have any offsets.
func misplaced(early bool) []Fault {
	const thread = unix.CLONE_VM | unix.CLONE_SIGHAND | unix.CLONE_THREAD
	return []Fault{
		{"offsets without CLONE_NEWTIME", unix.EINVAL, early, func(a *clone.Args) { a.Flags &^= unix.CLONE_NEWTIME }, unix.CLONE_NEWTIME},
		{"offsets for a thread", unix.EINVAL, early, func(a *clone.Args) { a.Flags |= thread; a.ExitSignal = 0 }, thread},
	}
}

// Nowhere is an address that no process has.
const Nowhere = 1 << 63

func arrayFaults() []Fault {
	three := append(Elements(timens.Ahead), NewElement(clock.Boottime, 1))
	array := func(list ...Element) func(*clone.Args) {
		return func(a *clone.Args) { a.Hold(clone.Bytes(list...), uint64(len(list))) }
	}
	changed := func(change func(*Element)) func(*clone.Args) {
		list := Elements(timens.Ahead)
		change(&list[1])
		return array(list...)
	}
	early := func(name string, spoil func(*clone.Args)) Fault { return Fault{name, unix.EINVAL, true, spoil, 0} }
	late := func(name string, change func(*Element)) Fault {
		return Fault{name, unix.EINVAL, false, changed(change), 0}
	}
	return slices.Concat([]Fault{
		early("three offsets", array(three...)),
		early("offsets without their number", func(a *clone.Args) { a.Hold(clone.Bytes(three...), 0) }),
		early("number without offsets", func(a *clone.Args) { a.Lack(0, 1) }),
	}, misplaced(true), []Fault{
		{"unreadable offsets", unix.EFAULT, false, func(a *clone.Args) { a.Lack(Nowhere, 1) }, 0},
		late("offset of CLOCK_TAI", func(e *Element) { e.Clock = int32(clock.TAI) }),
		late("offset of one clock twice", func(e *Element) { e.Clock = int32(clock.Monotonic) }),
		late("offset with padding", func(e *Element) { e.Pad = 1 }),
		late("offset of negative nanoseconds", func(e *Element) { e.Nsec = -1 }),
		late("offset of too many nanoseconds", func(e *Element) { e.Nsec = 1e9 }),
	})
}

func structFaults() []Fault {
	mem := make([]int64, 3*timens.PageSize/8)
	mem[0], mem[1] = int64(timens.Ahead.Monotonic), int64(timens.Ahead.Boottime)
	sized := func(size uint64) func(*clone.Args) {
		return func(a *clone.Args) { a.Hold(clone.Bytes(mem...), size) }
	}
	unknown := []int64{mem[0], mem[1], 1}
	return append([]Fault{
		{"size without offsets", unix.EINVAL, true, func(a *clone.Args) { a.Lack(0, 16) }, 0},
		{"offsets larger than a page", unix.E2BIG, false, sized(timens.PageSize + 8), 0},
		{"offsets without their size", unix.EINVAL, false, sized(0), 0},
		{"offsets smaller than the first version", unix.EINVAL, false, sized(15), 0},
		{"unreadable offsets", unix.EFAULT, false, func(a *clone.Args) { a.Lack(Nowhere, 16) }, 0},
		{"unknown member of the offsets", unix.E2BIG, false, func(a *clone.Args) { a.Hold(clone.Bytes(unknown...), 24) }, 0},
	}, misplaced(false)...)
}
