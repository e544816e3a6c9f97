// SPDX-License-Identifier: BSD-3-Clause

package timens

// docs/writing-a-test.md explains the tests in this file, as examples of how to
// use the packages of tests/internal.

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/lane"
	"timens-vmtest/tests/internal/probe"
	"timens-vmtest/tests/internal/timens"
)

// CLOCK_MONOTONIC_RAW has the offset of CLOCK_MONOTONIC.
func TestMonotonicRawShifted(t *testing.T) {
	timens.Need(t)
	for _, ns := range timens.Examples {
		for _, via := range clock.Vias {
			launch, want := timens.Unshared(ns.Offsets), ns.Offsets.Monotonic
			shift := timens.Measure(t, launch, via, clock.MonotonicRaw)[clock.MonotonicRaw]
			if !shift.Contains(want) {
				t.Errorf("%s: CLOCK_MONOTONIC_RAW by %v is off by %v, want %v", ns.Name, via, shift, want)
			}
		}
	}
}

// The modification time of a file that a child in a namespace writes is not shifted.
func TestFileTimeUnshifted(t *testing.T) {
	timens.Need(t)
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}

	p := timens.NewProgram(t)
	inside := p.ClockGettime(clock.Boottime, clock.Syscall)
	write := p.WriteFile(path, "text")

	outside := timens.Now(t, clock.Boottime)
	before := timens.Now(t, clock.RealtimeCoarse) // file times are those of a coarse clock
	timens.Run(t, timens.Unshared(timens.Ahead), p)
	after := timens.Now(t, clock.Realtime)

	if err := write.Err(); err != nil {
		t.Fatalf("write %s in the child: %v", path, err)
	}
	if got := timens.Time(t, inside); got < outside+timens.Ahead.Boottime {
		t.Fatalf("boottime in the child is %v and was %v outside, so the child was not in the namespace", got, outside)
	}
	file, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	possible := timens.Interval{Low: before, High: after}
	if got := time.Duration(file.ModTime().UnixNano()); !possible.Contains(got) {
		t.Errorf("the modification time is %v, want it in %v", got, possible)
	}
}

// A Go program in a namespace sleeps as long as it asks for.
func TestGoSleepUnshifted(t *testing.T) {
	timens.Need(t)
	for _, ns := range timens.Examples {
		slept := probe.Run[time.Duration](t, timens.Unshared(ns.Offsets), "go-sleep", near)
		lane.Lateness(t, slept-near)
		if slept < near || slept > near+lane.MostLate() {
			t.Errorf("%s: time.Sleep(%v) took %v, want %v or up to %v more", ns.Name, near, slept, near, lane.MostLate())
		}
	}
}

// goSleep is the probe "go-sleep". It returns how long time.Sleep took.
func goSleep(d time.Duration) (time.Duration, error) {
	began := time.Now()
	time.Sleep(d)
	return time.Since(began), nil
}
