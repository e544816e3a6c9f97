// Package lane tells a test in which kind of time it runs.
package lane

import (
	"os"
	"strconv"
	"testing"
	"time"

	"timens-vmtest/internal/wire"
)

// Virtual reports whether guest time is instructions executed, so that the
// host's load does not show in it and an upper bound of lateness can be tight.
// Elsewhere, on a developer's own machine too, time is real, and a test asserts
// "never early" only.
func Virtual() bool { return os.Getenv(wire.LaneEnv) == wire.Virtual }

// MostLate is the most that a waiter may notice its time after it.
func MostLate() time.Duration {
	if !Virtual() {
		return Patience(5 * time.Second) // more than a very busy host adds to an emulated guest's
	}
	// Mostly 0.3 ms: a timer's interrupt and one switch of tasks. But there is
	// one CPU, and a Go runtime that has just begun to collect garbage on it,
	// or the kernel to write back, takes it for milliseconds. And in one wait of
	// some thousands virtual time jumps by up to 37 ms.
	return 50 * time.Millisecond
}

// Patience is d, or several times as much where a kernel that looks for its own
// faults, and so has lockdep, runs in real time. In virtual time its instructions
// are the shorter.
func Patience(d time.Duration) time.Duration {
	if _, err := os.Stat("/proc/lockdep"); err == nil && !Virtual() {
		d *= wire.CheckedFactor
	}
	return d
}

// Long is how long a test of long waits waits: what vmtest's -long says where
// time is virtual and sleeping costs next to nothing, and a moment elsewhere, so
// that the same test shows the same but for the length.
func Long(t testing.TB) time.Duration {
	t.Helper()
	if !Virtual() {
		return 200 * time.Millisecond
	}
	d, err := time.ParseDuration(os.Getenv(wire.LongEnv))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Lateness records how late a waiter noticed its deadline: report.json has the
// greatest of each test.
func Lateness(t testing.TB, d time.Duration) {
	t.Attr(wire.LatenessAttr, strconv.FormatFloat(d.Seconds(), 'f', 9, 64))
}
