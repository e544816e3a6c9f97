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

// steps beyond or short of a limit. The clocks go on while the kernel looks at
// them, so that it is known only for most of them what has to come of it.
var beyond = []time.Duration{
	-time.Second, -time.Millisecond, -time.Microsecond, -1, 0, 1,
	time.Microsecond, 10 * time.Microsecond, 100 * time.Microsecond, time.Millisecond, 10 * time.Millisecond, time.Second,
}

// A clock may show 0, and nothing less.
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

// A clock may show all of the second maxClock, and nothing more.
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

// try makes a child with an offset for one clock and a good one for the other.
// The error is nil or ERANGE.
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
