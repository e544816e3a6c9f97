// SPDX-License-Identifier: BSD-3-Clause

package inlinens

import (
	"testing"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/design"
	"timens-vmtest/tests/internal/timens"
)

// A kernel without time namespaces has the answers of one without the members, so that nobody
// takes them for usable: an offset other than 0 is refused with E2BIG, and a flag alone with
// EINVAL, with CLONE_NEWTIME and without it.
//
//vmtest:config # CONFIG_TIME_NS is not set
func TestWithoutTimeNamespaces(t *testing.T) {
	design.NeedTimeless(t, design.InlineNS)
	for _, flags := range []uint64{0, unix.CLONE_NEWTIME} {
		for _, ids := range [][]clock.ID{timens.Clocks[:1], timens.Clocks[1:], timens.Clocks} {
			for o, want := range map[timens.Offsets]unix.Errno{{}: unix.EINVAL, {Monotonic: 1}: unix.E2BIG, {Boottime: -1}: unix.E2BIG, timens.Across: unix.E2BIG} {
				args := inline(o, ids...)
				args.Flags = args.Flags&^unix.CLONE_NEWTIME | flags
				design.Refuse(t, args, want)
			}
		}
		without := inline(timens.Across)
		without.Flags = flags
		design.Refuse(t, without, unix.E2BIG)
	}
	design.Refuse(t, design.NewTime(), unix.EINVAL) // as without the series
}
