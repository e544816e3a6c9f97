// SPDX-License-Identifier: BSD-3-Clause

package design

import (
	"time"
	"unsafe"

	"timens-vmtest/tests/internal/bits"
	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/timens"
)

// Element is the offset of one clock as TimensOffset takes it.
type Element struct {
	Clock int32
	Flags uint32
	Sec   int64
	Nsec  int64
}

// NewElement splits an offset into seconds and nanoseconds that are not
// negative.
func NewElement(id clock.ID, offset time.Duration) Element {
	sec, nsec := timens.Split(offset)
	return Element{Clock: int32(id), Sec: sec, Nsec: nsec}
}

// Elements are the offsets of some clocks as TimensOffset takes them.
func Elements(o timens.Offsets, ids ...clock.ID) (list []Element) {
	for _, id := range ids {
		list = append(list, NewElement(id, o.Of(id)))
	}
	return list
}

// inlineFlags are the flags by which InlineNS knows which offsets are given.
const inlineFlags = bits.TimensMonotonic | bits.TimensBoottime

// Inline are the offsets of some clocks as InlineNS takes them: the flags and the members.
func Inline(o timens.Offsets, ids ...clock.ID) (flags uint64, members [2]uint64) {
	for _, id := range ids {
		if id == clock.Monotonic {
			flags |= bits.TimensMonotonic
			members[0] = uint64(o.Monotonic)
		} else {
			flags |= bits.TimensBoottime
			members[1] = uint64(o.Boottime)
		}
	}
	return flags, members
}

// Struct is struct clone_namespaces, in its first version. It has only the part struct
// clone_timens.
type Struct struct {
	Mask                uint64
	Monotonic, Boottime int64
	Reserved            [5]uint64
}

// The bits of the mask.
const (
	MonotonicBit = 1
	BoottimeBit  = 2
)

// NewStruct has the offsets of some clocks as Namespaces takes them.
func NewStruct(o timens.Offsets, ids ...clock.ID) (s Struct) {
	for _, id := range ids {
		if id == clock.Monotonic {
			s.Mask |= MonotonicBit
			s.Monotonic = o.Monotonic.Nanoseconds()
		} else {
			s.Mask |= BoottimeBit
			s.Boottime = o.Boottime.Nanoseconds()
		}
	}
	return s
}

// These fail to compile if the layout is not the kernel's.
const (
	_ = uint(24 - unsafe.Sizeof(Element{}))
	_ = uint(unsafe.Sizeof(Element{}) - 24)
	_ = uint(64 - unsafe.Sizeof(Struct{}))
	_ = uint(unsafe.Sizeof(Struct{}) - 64)
)
