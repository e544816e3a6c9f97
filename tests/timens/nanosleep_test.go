// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"fmt"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/abi"
	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/timens"
)

func TestClockNanosleepAbsolute(t *testing.T) { testNanosleep(t, true, timens.Clocks...) }
func TestClockNanosleepRelative(t *testing.T) { testNanosleep(t, false, timens.Clocks...) }

// A sleep on a clock that does not count from boot is not shifted.
func TestClockNanosleepUnshifted(t *testing.T) {
	testNanosleep(t, true, clock.Realtime, clock.TAI)
}

func testNanosleep(t *testing.T, absolute bool, clocks ...clock.ID) {
	t.Helper()
	var waits []wait
	for _, id := range clocks {
		waits = append(waits, wait{Call: "clock_nanosleep", Clock: id, Absolute: absolute})
	}
	testWaits(t, waits...)
}

func clockNanosleep(width abi.Time, id clock.ID, absolute bool, when time.Duration) error {
	flags := uintptr(0)
	if absolute {
		flags = unix.TIMER_ABSTIME
	}
	request := width.Timespec(when)
	_, _, errno := unix.Syscall6(width.Nr(abi.ClockNanosleep), uintptr(id), flags, uintptr(unsafe.Pointer(&request)), 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("clock_nanosleep: %w", errno)
	}
	return nil
}
