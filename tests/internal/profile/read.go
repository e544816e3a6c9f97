// SPDX-License-Identifier: BSD-3-Clause

package profile

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/timens"
)

// reader computes shifts from what a child reported, and keeps the first error.
type reader struct {
	began time.Duration // CLOCK_REALTIME when the child was started
	base  Base
	err   error
}

// bracket is two readings of a clock that is never shifted, before and after
// something else.
type bracket struct{ before, after clone.Reading }

func (r *reader) note(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *reader) time(reading clone.Reading) time.Duration {
	now, err := reading.Time()
	r.note(err)
	return now
}

func (r *reader) text(c clone.Contents) string {
	text, err := c.Text()
	r.note(err)
	return text
}

// shift is between for a time that was read within a bracket.
func (r *reader) shift(b bracket, id clock.ID, got, step time.Duration) timens.Interval {
	return r.between(r.time(b.before), r.time(b.after), id, got, step)
}

// between returns how much a clock is shifted. At some moment between two
// readings of CLOCK_REALTIME, the clock showed a time from got to got+step.
func (r *reader) between(before, after time.Duration, id clock.ID, got, step time.Duration) timens.Interval {
	base := r.base[id]
	return timens.Interval{Low: got - after - base.High, High: got + step - before - base.Low}
}

func (r *reader) uptime(c clone.Contents) time.Duration {
	up, err := timens.ParseUptime(r.text(c))
	r.note(err)
	return up
}

// startTime returns field 22 of /proc/PID/stat. Field 2, the name, may have
// spaces, so the fields are counted from its end.
func (r *reader) startTime(c clone.Contents) time.Duration {
	text := r.text(c)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 20 {
		r.note(fmt.Errorf("/proc/self/stat is %q", text))
		return 0
	}
	ticks, err := strconv.ParseInt(fields[19], 10, 64)
	r.note(err)
	return time.Duration(ticks) * tick
}

// bootTime returns the shift that btime shows. It has the opposite sign of the
// offset: a machine that has been up for longer was booted earlier.
func (r *reader) bootTime(c clone.Contents) timens.Interval {
	for line := range strings.Lines(r.text(c)) {
		if value, ok := strings.CutPrefix(line, "btime "); ok {
			// The kernel prints a boot before 1970 as an unsigned
			// number.
			sec, err := strconv.ParseUint(strings.TrimSpace(value), 10, 64)
			r.note(err)
			btime := time.Duration(int64(sec)) * time.Second
			base := r.base[clock.Boottime]
			return timens.Interval{Low: -base.High - btime - time.Second, High: -base.Low - btime}
		}
	}
	r.note(fmt.Errorf("/proc/stat has no btime"))
	return timens.Interval{}
}
