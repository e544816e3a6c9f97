// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"testing"
	"time"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/osthread"
)

// Examples of offsets. The two clocks never have the same one, and none is a
// whole number of seconds. A guest may have been up for only a second or so,
// so negative ones are small.
var (
	Ahead  = Offsets{Monotonic: 24*time.Hour + 123456789, Boottime: 48*time.Hour + 987654321}
	Behind = Offsets{Monotonic: -500000001, Boottime: -300000007}
	Across = Offsets{Monotonic: -400000003, Boottime: 1000*24*time.Hour + 1}
)

// Examples has these offsets with their names.
var Examples = []struct {
	Name    string
	Offsets Offsets
}{{"ahead", Ahead}, {"behind", Behind}, {"across", Across}}

// Clocks are the clocks that can have an offset.
var Clocks = []clock.ID{clock.Monotonic, clock.Boottime}

// Shifted are the clocks that follow an offset and that every machine has.
var Shifted = []clock.ID{clock.Monotonic, clock.Boottime, clock.MonotonicRaw, clock.MonotonicCoarse}

// CheckShifts compares measured shifts with the offsets that the namespace must
// have. Both clocks that can have an offset must have been measured.
func CheckShifts(t testing.TB, got map[clock.ID]Shift, want Offsets) {
	t.Helper()
	for _, id := range Clocks {
		if _, ok := got[id]; !ok {
			t.Errorf("%v was not measured", id)
		}
	}
	for id, shift := range got {
		if want := want.Of(id); !shift.Contains(want) {
			t.Errorf("%v by %v is off by %v, want %v", id, shift.Via, shift, want)
		}
	}
}

// WithPending calls fn on a thread that has unshared a namespace with these
// offsets for its children.
func WithPending(t testing.TB, pending Offsets, fn func()) {
	t.Helper()
	err := osthread.Run(func() error {
		if err := Unshare(pending); err != nil {
			return err
		}
		fn()
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
