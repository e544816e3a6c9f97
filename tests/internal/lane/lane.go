// SPDX-License-Identifier: BSD-3-Clause

// Package lane tells a test whether its time is real or virtual.
package lane

import (
	"os"
	"strconv"
	"testing"
	"time"

	"timens-vmtest/internal/wire"
)

// Virtual reports whether guest time counts executed instructions. Then the
// host's load does not make a test late, and an upper bound of lateness can be
// tight. Otherwise, and on a developer's own machine, time is real, and a test
// may assert only that nothing is early.
func Virtual() bool { return os.Getenv(wire.LaneEnv) == wire.Virtual }

// MostLate is the largest allowed time between a deadline and when the waiter
// notices it.
func MostLate() time.Duration {
	if !Virtual() {
		return Patience(5 * time.Second) // more than a very busy host delays an emulated guest
	}
	// Usually 0.3 ms: a timer interrupt and one task switch. But the only
	// CPU may be busy for milliseconds, with a Go runtime's garbage
	// collection or the kernel's writeback. And in one wait of some
	// thousands, virtual time jumps by up to 37 ms.
	return 50 * time.Millisecond
}

// Patience returns d, or several times d on a kernel with debugging options,
// such as lockdep, in real time. In virtual time such a kernel needs no more,
// because its instructions count for less.
func Patience(d time.Duration) time.Duration {
	if _, err := os.Stat("/proc/lockdep"); err == nil && !Virtual() {
		d *= wire.CheckedFactor
	}
	return d
}

// Long returns how long the tests of long waits wait: in virtual time, where
// sleeping is nearly free, what vmtest's -long says; in real time only a
// moment. The tests are the same except for the length.
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

// Lateness records how late a waiter noticed its deadline. report.json has the
// greatest value of each test.
func Lateness(t testing.TB, d time.Duration) {
	t.Attr(wire.LatenessAttr, strconv.FormatFloat(d.Seconds(), 'f', 9, 64))
}
