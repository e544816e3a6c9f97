// SPDX-License-Identifier: BSD-3-Clause

// Package timensoffset tests what only the design timens-offset has: an array
// of clocks and their offsets. It is planned for the series timens-offset only,
// and has to fail on a kernel without a series. Package clone3 tests what all
// designs share.
package timensoffset

import (
	"fmt"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/design"
	"timens-vmtest/tests/internal/timens"
)

// array returns the arguments of a child in a new time namespace with these
// elements.
func array(list ...design.Element) *clone.Args {
	return pointer(&list[0], uint64(len(list)))
}

// pointer is array with a pointer and a number that may not fit each other.
func pointer(first *design.Element, count uint64) *clone.Args {
	args := design.NewTime()
	args.Refer(unsafe.Pointer(first), count)
	return args
}

func second(id clock.ID) design.Element { return design.NewElement(id, time.Second) }

// The elements of the array may have any order.
func TestEitherOrder(t *testing.T) {
	design.NeedOnly(t, design.TimensOffset)
	list := design.Elements(timens.Across, timens.Clocks...)
	for _, via := range clock.Vias {
		launch := design.Launch(array(list[1], list[0]))
		timens.CheckShifts(t, timens.Measure(t, launch, via, timens.Clocks...), timens.Across)
	}
}

// A clock that is not in the array inherits its offset.
func TestOneClock(t *testing.T) {
	design.NeedOnly(t, design.TimensOffset)
	tests := []struct {
		name    string
		pending timens.Offsets
		set     design.Element
		want    timens.Offsets
	}{
		{"monotonic", timens.Offsets{}, design.NewElement(clock.Monotonic, timens.Behind.Monotonic),
			timens.Offsets{Monotonic: timens.Behind.Monotonic}},
		{"boottime", timens.Offsets{}, design.NewElement(clock.Boottime, timens.Ahead.Boottime),
			timens.Offsets{Boottime: timens.Ahead.Boottime}},
		{"monotonic beside inherited", timens.Ahead, design.NewElement(clock.Monotonic, timens.Behind.Monotonic),
			timens.Offsets{Monotonic: timens.Behind.Monotonic, Boottime: timens.Ahead.Boottime}},
		{"boottime beside inherited", timens.Ahead, design.NewElement(clock.Boottime, timens.Behind.Boottime),
			timens.Offsets{Monotonic: timens.Ahead.Monotonic, Boottime: timens.Behind.Boottime}},
		{"zero over inherited", timens.Ahead, design.NewElement(clock.Monotonic, 0),
			timens.Offsets{Boottime: timens.Ahead.Boottime}},
	}
	for _, test := range tests {
		for _, via := range clock.Vias {
			t.Run(test.name+"/"+via.String(), func(t *testing.T) {
				launch := design.PendingLaunch(t, test.pending, array(test.set))
				timens.CheckShifts(t, timens.Measure(t, launch, via, timens.Clocks...), test.want)
			})
		}
	}
}

// The kernel reads exactly the elements of the array, at any address, and writes
// nothing to them.
func TestAnyMemory(t *testing.T) {
	design.NeedOnly(t, design.TimensOffset)
	list := clone.Bytes(design.Elements(timens.Across, timens.Clocks...)...)
	for shift := range 8 {
		t.Run(fmt.Sprintf("%d bytes before the end of a page", shift), func(t *testing.T) {
			mem := timens.TwoPages(t, unix.PROT_READ, unix.PROT_NONE, append(list, make([]byte, shift)...)...)
			first := (*design.Element)(unsafe.Pointer(&mem[timens.PageSize-len(list)-shift]))
			got := timens.Measure(t, design.Launch(pointer(first, 2)), clock.Syscall, timens.Clocks...)
			timens.CheckShifts(t, got, timens.Across)
		})
	}
}
