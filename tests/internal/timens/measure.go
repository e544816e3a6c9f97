// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/lane"
	"timens-vmtest/tests/internal/probe"
)

// Patience is how long a child that does not wait for anything may take, on an
// emulated machine whose host is shared.
var Patience = lane.Patience(10 * time.Second)

// Interval is the result of measuring a duration: low <= d <= high.
type Interval struct{ Low, High time.Duration }

// Contains reports whether the duration may be d.
func (i Interval) Contains(d time.Duration) bool { return i.Low <= d && d <= i.High }

func (i Interval) String() string { return fmt.Sprintf("[%v, %v]", i.Low, i.High) }

// NewProgram returns an empty program for one test, which is freed at its end.
func NewProgram(t testing.TB) *clone.Program {
	t.Helper()
	p, err := clone.NewProgram()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// Run starts a program by launch and waits for its end, which must be exit(0).
func Run(t testing.TB, launch clone.Launcher, p *clone.Program) {
	t.Helper()
	child, err := launch(p)
	if err != nil {
		t.Fatalf("start a child: %v", err)
	}
	Reap(t, child)
}

// manyPatience is for a program with dozens of children. It is less than a
// test's timeout.
var manyPatience = lane.Patience(25 * time.Second)

// RunMany is Run for a program with many children of its own.
func RunMany(t testing.TB, launch clone.Launcher, p *clone.Program) {
	t.Helper()
	child, err := launch(p)
	if err != nil {
		t.Fatalf("start a child: %v", err)
	}
	reap(t, child, manyPatience)
}

// Reap waits for a child's end, which must be exit(0).
func Reap(t testing.TB, child *clone.Child) {
	t.Helper()
	reap(t, child, Patience)
}

func reap(t testing.TB, child *clone.Child, patience time.Duration) {
	t.Helper()
	status, err := child.Wait(patience)
	if err != nil {
		t.Fatal(err)
	}
	if !status.Exited() || status.ExitStatus() != 0 {
		t.Fatalf("the child's wait status is %#x, want exit(0)", int(status))
	}
}

// Shift is how far a clock, read in one way, was ahead of the caller's. It is
// an interval as wide as the lifetime of the child that read the clock. The
// true offset always lies in it; other offsets may, too.
type Shift struct {
	Interval
	Via clock.Via
}

// Measure starts a child by launch whose first instructions read clocks, and
// returns how much each is shifted.
func Measure(t testing.TB, launch clone.Launcher, via clock.Via, ids ...clock.ID) map[clock.ID]Shift {
	t.Helper()
	p := NewProgram(t)
	readings := make(map[clock.ID]clone.Reading)
	for _, id := range ids {
		readings[id] = p.ClockGettime(id, via)
	}
	before := all(t, ids)
	Run(t, launch, p)
	after := all(t, ids)
	shifts := make(map[clock.ID]Shift)
	for _, id := range ids {
		got := Time(t, readings[id])
		shifts[id] = Shift{Interval{Low: got - after[id], High: got - before[id]}, via}
	}
	return shifts
}

// CheckOrder lets a child read one clock by the vDSO and by the system call in
// turns. No reading may be earlier than the one before, not even by a
// nanosecond, because both compute the same sum.
func CheckOrder(t testing.TB, launch clone.Launcher, id clock.ID) {
	t.Helper()
	vias := slices.Concat(clock.VDSOs, clock.Syscalls, clock.VDSOs)
	p := NewProgram(t)
	var readings []clone.Reading
	for _, via := range vias {
		readings = append(readings, p.ClockGettime(id, via))
	}
	Run(t, launch, p)
	for i, via := range vias[1:] {
		if before, now := Time(t, readings[i]), Time(t, readings[i+1]); now < before {
			t.Errorf("read %v of %v by %v, and then %v by %v", before, id, vias[i], now, via)
		}
	}
}

// Readings are the shifted clocks, as read inside a namespace.
type Readings map[clock.Via]map[clock.ID]time.Duration

// ReadClocks is a probe for MeasureExec.
func ReadClocks(any) (Readings, error) {
	out := make(Readings)
	for _, via := range clock.Vias {
		out[via] = make(map[clock.ID]time.Duration)
		for _, id := range Shifted {
			now, err := clock.Read(id, via)
			if err != nil {
				return nil, fmt.Errorf("read %v by %v: %w", id, via, err)
			}
			out[via][id] = now
		}
	}
	return out, nil
}

// MeasureExec is Measure for a child that runs the steps of p and then calls
// execve() for a probe, which returns Readings.
func MeasureExec(t testing.TB, launch clone.Launcher, p *clone.Program, name string, in any) map[clock.Via]map[clock.ID]Shift {
	t.Helper()
	before := all(t, Shifted)
	readings := probe.Finish[Readings](t, launch, p, name, in)
	after := all(t, Shifted)
	shifts := make(map[clock.Via]map[clock.ID]Shift)
	for _, via := range clock.Vias {
		shifts[via] = make(map[clock.ID]Shift)
		for id, got := range readings[via] {
			shifts[via][id] = Shift{Interval{Low: got - after[id], High: got - before[id]}, via}
		}
	}
	return shifts
}

func all(t testing.TB, ids []clock.ID) map[clock.ID]time.Duration {
	t.Helper()
	now := make(map[clock.ID]time.Duration)
	for _, id := range ids {
		now[id] = Now(t, id)
	}
	return now
}

// Now reads a clock of the calling thread by the system call.
func Now(t testing.TB, id clock.ID) time.Duration {
	t.Helper()
	now, err := clock.Read(id, clock.Syscall)
	if err != nil {
		t.Fatalf("read %v: %v", id, err)
	}
	return now
}

// Time returns a child's reading of a clock.
func Time(t testing.TB, r clone.Reading) time.Duration {
	t.Helper()
	got, err := r.Time()
	if err != nil {
		t.Fatalf("clock_gettime in the child: %v", err)
	}
	return got
}

// Text returns what a child read from a file or link.
func Text(t testing.TB, c clone.Contents) string {
	t.Helper()
	text, err := c.Text()
	if err != nil {
		t.Fatalf("read a file in the child: %v", err)
	}
	return text
}

// ParseUptime returns the first field of /proc/uptime.
func ParseUptime(text string) (time.Duration, error) {
	up, _, _ := strings.Cut(text, " ")
	return time.ParseDuration(up + "s")
}
