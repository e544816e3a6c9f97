// SPDX-License-Identifier: BSD-3-Clause

package design

import (
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/bits"
	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/timens"
)

// Fault is a mistake in offsets that a design always refuses, whatever the
// clocks show and whoever calls.
type Fault struct {
	Name  string
	Want  unix.Errno
	Spoil func(*clone.Args)
	// Flags are the flags that Spoil changes, besides the offsets.
	Flags uint64
}

// Faults returns what a design refuses, in the order in which it checks.
func (n Name) Faults() []Fault {
	const thread = unix.CLONE_VM | unix.CLONE_SIGHAND | unix.CLONE_THREAD
	var own []Fault
	switch n {
	case InlineNS:
		own = numberFaults()
	case Namespaces:
		own = structFaults()
	default: // a kernel without a design refuses these and all other offsets
		own = arrayFaults()
	}
	return append(own,
		Fault{"offsets without CLONE_NEWTIME", unix.EINVAL, func(a *clone.Args) { a.Flags &^= unix.CLONE_NEWTIME }, unix.CLONE_NEWTIME},
		Fault{"offsets for a thread", unix.EINVAL, func(a *clone.Args) { a.Flags |= thread; a.ExitSignal = 0 }, thread})
}

// Nowhere is an address that no process has.
const Nowhere = 1 << 63

func numberFaults() []Fault {
	return []Fault{
		{"offset of CLOCK_MONOTONIC without its flag", unix.EINVAL, func(a *clone.Args) { a.Flags &^= bits.TimensMonotonic }, 0},
		{"offset of CLOCK_BOOTTIME without its flag", unix.EINVAL, func(a *clone.Args) { a.Flags &^= bits.TimensBoottime }, 0},
		{"offsets without their flags", unix.EINVAL, func(a *clone.Args) { a.Flags &^= inlineFlags }, 0},
	}
}

func arrayFaults() []Fault {
	both := Elements(timens.Ahead, timens.Clocks...)
	three := append(slices.Clone(both), NewElement(clock.Boottime, 1))
	array := func(list ...Element) func(*clone.Args) {
		return func(a *clone.Args) { a.Hold(clone.Bytes(list...), uint64(len(list))) }
	}
	changed := func(change func(*Element)) func(*clone.Args) {
		list := slices.Clone(both)
		change(&list[1])
		return array(list...)
	}
	return []Fault{
		{"offsets without their number", unix.EINVAL, func(a *clone.Args) { a.Hold(clone.Bytes(three...), 0) }, 0},
		{"number without offsets", unix.EINVAL, func(a *clone.Args) { a.Lack(0, 1) }, 0},
		{"three offsets", unix.E2BIG, array(three...), 0},
		{"unreadable offsets", unix.EFAULT, func(a *clone.Args) { a.Lack(Nowhere, 1) }, 0},
		{"offset of CLOCK_TAI", unix.E2BIG, changed(func(e *Element) { e.Clock = int32(clock.TAI) }), 0},
		{"offset with an unknown flag", unix.E2BIG, changed(func(e *Element) { e.Flags = 1 }), 0},
		{"offset of one clock twice", unix.EINVAL, changed(func(e *Element) { e.Clock = int32(clock.Monotonic) }), 0},
		{"offset of negative nanoseconds", unix.EINVAL, changed(func(e *Element) { e.Nsec = -1 }), 0},
		{"offset of too many nanoseconds", unix.EINVAL, changed(func(e *Element) { e.Nsec = 1e9 }), 0},
	}
}

func structFaults() []Fault {
	const size = uint64(unsafe.Sizeof(Struct{}))
	sized := func(size uint64) func(*clone.Args) {
		mem := make([]byte, 3*timens.PageSize)
		copy(mem, clone.Bytes(NewStruct(timens.Ahead, timens.Clocks...)))
		return func(a *clone.Args) { a.Hold(mem, size) }
	}
	changed := func(change func(*Struct)) func(*clone.Args) {
		s := NewStruct(timens.Ahead, timens.Clocks...)
		change(&s)
		return func(a *clone.Args) { a.Hold(clone.Bytes(s), size) }
	}
	unknown := append(clone.Bytes(NewStruct(timens.Ahead, timens.Clocks...)), 1, 0, 0, 0, 0, 0, 0, 0)
	return []Fault{
		{"size without offsets", unix.EINVAL, func(a *clone.Args) { a.Lack(0, size) }, 0},
		{"offsets larger than a page", unix.E2BIG, sized(timens.PageSize + 8), 0},
		{"offsets without their size", unix.EINVAL, sized(0), 0},
		{"offsets smaller than the first version", unix.EINVAL, sized(size - 1), 0},
		{"unreadable offsets", unix.EFAULT, func(a *clone.Args) { a.Lack(Nowhere, size) }, 0},
		{"unknown part beside the offsets", unix.E2BIG, func(a *clone.Args) { a.Hold(unknown, size+8) }, 0},
		{"unknown bit of the mask", unix.E2BIG, changed(func(s *Struct) { s.Mask |= 4 }), 0},
		{"reserved member", unix.E2BIG, changed(func(s *Struct) { s.Reserved[0] = 1 }), 0},
		{"offset without its bit", unix.EINVAL, changed(func(s *Struct) { s.Mask = MonotonicBit }), 0},
	}
}
