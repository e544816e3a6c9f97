// SPDX-License-Identifier: BSD-3-Clause

package timensoffset

import (
	"testing"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/design"
	"timens-vmtest/tests/internal/timens"
)

// A kernel without time namespaces knows no clock that can have an offset: any element is
// refused with E2BIG, with CLONE_NEWTIME and without it. A pointer without a number and a
// number without a pointer are refused with EINVAL, as by any kernel.
//
//vmtest:config # CONFIG_TIME_NS is not set
func TestWithoutTimeNamespaces(t *testing.T) {
	design.NeedTimeless(t, design.TimensOffset)
	flagged := second(clock.Monotonic)
	flagged.Flags = 1
	for _, flags := range []uint64{0, unix.CLONE_NEWTIME, unix.CLONE_NEWUTS} {
		for _, list := range [][]design.Element{
			{second(clock.Monotonic)}, {second(clock.TAI)}, {flagged},
			design.Elements(timens.Across, timens.Clocks...),
			append(design.Elements(timens.Across, timens.Clocks...), second(clock.TAI)),
		} {
			args := array(list...)
			args.Flags = flags
			design.Refuse(t, args, unix.E2BIG)
		}
		one := second(clock.Monotonic)
		alone, missing := pointer(&one, 0), pointer(nil, 1)
		alone.Flags, missing.Flags = flags, flags
		design.Refuse(t, alone, unix.EINVAL)
		design.Refuse(t, missing, unix.EINVAL)
	}
	design.Refuse(t, design.NewTime(), unix.EINVAL) // as without the series
}
