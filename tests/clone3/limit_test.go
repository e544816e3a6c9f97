// SPDX-License-Identifier: BSD-3-Clause

// The tests in this file need a series with offsets.

package clone3

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/design"
	"timens-vmtest/tests/internal/timens"
)

// beyond are distances from a limit. Negative distances are within the limit. The
// clock goes on while the kernel checks the offset, so close to the limit both
// results are right.
var beyond = []time.Duration{
	-time.Second, -time.Millisecond, -time.Microsecond, -1, 0, 1,
	time.Microsecond, 10 * time.Microsecond, 100 * time.Microsecond, time.Millisecond, 10 * time.Millisecond, time.Second,
}

// An offset that sets a clock to 0 is accepted; one that sets it below 0 is
// refused with ERANGE.
func TestOffsetsLowerLimit(t *testing.T) {
	kernel := design.Need(t)
	for _, id := range timens.Clocks {
		for _, d := range beyond {
			before := timens.Now(t, id)
			offset := -before - d
			err := try(t, kernel, id, offset)
			after := timens.Now(t, id)
			if err == nil && after+offset < 0 {
				t.Errorf("%v: offset %v accepted when the clock was at most %v", id, offset, after)
			}
			if err != nil && before+offset >= 0 {
				t.Errorf("%v: offset %v: %v when the clock was %v or more", id, offset, err, before)
			}
		}
	}
}

// An offset that sets a clock to less than KTIME_SEC_MAX/2 + 1 s is accepted; a
// larger one is refused with ERANGE.
func TestOffsetsUpperLimit(t *testing.T) {
	kernel := design.Need(t)
	const tooMuch = maxClock + time.Second
	for _, id := range timens.Clocks {
		for _, d := range beyond {
			before := timens.Now(t, id)
			offset := tooMuch - before + d
			err := try(t, kernel, id, offset)
			after := timens.Now(t, id)
			if err == nil && before+offset >= tooMuch {
				t.Errorf("%v: offset %v accepted when the clock was %v or more", id, offset, before)
			}
			if err != nil && after+offset < tooMuch {
				t.Errorf("%v: offset %v: %v when the clock was at most %v", id, offset, err, after)
			}
		}
	}
}

// try makes a child with an offset for one clock and a valid one for the other.
// It returns nil or ERANGE.
func try(t *testing.T, kernel design.Name, id clock.ID, offset time.Duration) error {
	t.Helper()
	offsets := timens.Offsets{Monotonic: offset, Boottime: time.Second}
	if id == clock.Boottime {
		offsets = timens.Offsets{Monotonic: time.Second, Boottime: offset}
	}
	p := timens.NewProgram(t)
	child, err := clone.Start(kernel.Args(offsets), clone.SizeVer3, p)
	if err == nil {
		timens.Reap(t, child)
	} else if err != unix.ERANGE {
		t.Errorf("%v: offset %v: %v, want none or %v", id, offset, err, unix.ERANGE)
	}
	return err
}
