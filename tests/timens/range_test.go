// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/timens"
)

// clockEnd is the first value that a clock cannot be set to: KTIME_SEC_MAX/2 +
// 1 s.
const clockEnd = ((1<<63-1)/time.Second/2 + 1) * time.Second

// limits are offsets just inside or just outside the valid range, if the kernel
// reads the clock between now and now+slack.
var limits = []limit{
	{"clock at zero", func(now, _ time.Duration) time.Duration { return -now }, nil},
	{"clock before zero", func(now, slack time.Duration) time.Duration { return -now - slack }, unix.ERANGE},
	{"clock before its end", func(now, slack time.Duration) time.Duration { return clockEnd - now - slack }, nil},
	{"clock at its end", func(now, _ time.Duration) time.Duration { return clockEnd - now }, unix.ERANGE},
}

type limit struct {
	name   string
	offset func(now, slack time.Duration) time.Duration
	want   error
}

// A write that took longer than its slack is repeated, because the clock and so
// the limit have moved.
const (
	slack       = 100 * time.Millisecond
	slackInside = time.Second // includes the start of a child
)

// timens_offsets accepts an offset that sets its clock to a time from 0 to
// KTIME_SEC_MAX/2, in whole seconds. The limits are exact, and each clock is
// checked separately.
func TestOffsetsFileRange(t *testing.T) {
	timens.Need(t)
	for _, id := range timens.Clocks {
		for _, limit := range limits {
			t.Run(fmt.Sprintf("%v/%s", id, limit.name), func(t *testing.T) {
				timens.WithPending(t, timens.Offsets{}, func() {
					testLimit(t, id, limit)
				})
			})
		}
	}
}

func testLimit(t *testing.T, id clock.ID, limit limit) {
	t.Helper()
	for range 100 {
		before := timens.Now(t, id)
		text := line(id, limit.offset(before, slack))
		err := timens.Write(unix.Gettid(), text)
		took := timens.Now(t, id) - before
		if took >= slack {
			continue
		}
		if err != limit.want {
			t.Errorf("write %q while %v went from %v by %v: %v, want %v", text, id, before, took, err, limit.want)
		}
		return
	}
	t.Errorf("no write was done within %v", slack)
}

// For a caller inside a time namespace, too, the range of offsets counts from the
// initial clocks.
func TestOffsetsFileRangeInside(t *testing.T) {
	timens.Need(t)
	for _, outer := range []timens.Offsets{timens.Ahead, timens.Behind} {
		for _, id := range timens.Clocks {
			for _, limit := range limits {
				t.Run(fmt.Sprintf("%v by %v/%s", id, outer.Of(id), limit.name), func(t *testing.T) {
					testLimitInside(t, outer, id, limit)
				})
			}
		}
	}
}

func testLimitInside(t *testing.T, outer timens.Offsets, id clock.ID, limit limit) {
	t.Helper()
	for range 20 {
		p := timens.NewProgram(t)
		before := timens.Now(t, id)
		text := line(id, limit.offset(before, slackInside))
		unshare := p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWTIME)
		write := p.WriteFile(offsetsFile, text)
		timens.Run(t, timens.Unshared(outer), p)
		took := timens.Now(t, id) - before
		if took >= slackInside {
			continue
		}
		if err := unshare.Err(); err != nil {
			t.Fatalf("unshare: %v", err)
		}
		if err := write.Err(); err != limit.want {
			t.Errorf("write %q where %v is off by %v, while the initial one went from %v by %v: %v, want %v",
				text, id, outer.Of(id), before, took, err, limit.want)
		}
		return
	}
	t.Errorf("no write was done within %v", slackInside)
}

// With offsets close to their limits, the clocks show the right time and do not
// overflow.
func TestOffsetsFileRangeRead(t *testing.T) {
	timens.Need(t)
	mono, boot := timens.Now(t, clock.Monotonic), timens.Now(t, clock.Boottime)
	for name, offsets := range map[string]timens.Offsets{
		"lowest":  {Monotonic: -mono, Boottime: -boot},
		"highest": {Monotonic: clockEnd - mono - time.Hour, Boottime: clockEnd - boot - time.Hour},
	} {
		for _, via := range clock.ViasFor(offsets.Monotonic, offsets.Boottime) {
			t.Run(fmt.Sprintf("%s/%v", name, via), func(t *testing.T) {
				got := timens.Measure(t, timens.Unshared(offsets), via, timens.Clocks...)
				timens.CheckShifts(t, got, offsets)
			})
		}
	}
}

// line is a line of the offsets file.
func line(id clock.ID, offset time.Duration) string {
	sec, nsec := timens.Split(offset)
	return fmt.Sprintf("%v %d %d\n", id, sec, nsec)
}
