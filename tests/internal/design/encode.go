// SPDX-License-Identifier: BSD-3-Clause

package design

import (
	"time"
	"unsafe"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/timens"
)

// Element is the offset of one clock as TimensOffset takes it.
type Element struct {
	Clock int32
	Pad   uint32
	Sec   int64
	Nsec  int64
}

// NewElement splits an offset into seconds and nanoseconds that are not
// negative.
func NewElement(id clock.ID, offset time.Duration) Element {
	sec, nsec := timens.Split(offset)
	return Element{Clock: int32(id), Sec: sec, Nsec: nsec}
}

// Elements are the offsets of both clocks as TimensOffset takes them.
func Elements(o timens.Offsets) []Element {
	return []Element{NewElement(clock.Monotonic, o.Monotonic), NewElement(clock.Boottime, o.Boottime)}
}

// Inline are the offsets as InlineNS takes them.
func Inline(o timens.Offsets) [2]uint64 {
	return [2]uint64{uint64(o.Monotonic), uint64(o.Boottime)}
}

// Struct is struct clone_namespaces, in its first version.
type Struct struct {
	Monotonic, Boot int64
}

// These fail to compile if the layout is not the kernel's.
const (
	_ = uint(24 - unsafe.Sizeof(Element{}))
	_ = uint(unsafe.Sizeof(Element{}) - 24)
	_ = uint(16 - unsafe.Sizeof(Struct{}))
	_ = uint(unsafe.Sizeof(Struct{}) - 16)
)
