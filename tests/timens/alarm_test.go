// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/timens"
)

// needAlarm skips a test of the ALARM clocks if no clock chip can wake the
// machine.
func needAlarm(t *testing.T) {
	t.Helper()
	if _, err := clock.Read(clock.BoottimeAlarm, clock.Syscall); err == unix.EINVAL {
		t.Skip("the kernel has no clock chip that can wake it; `make vmtest` runs this test in a guest that has one")
	}
}

// CLOCK_BOOTTIME_ALARM has the offset of CLOCK_BOOTTIME. The vDSO falls back to
// the system call for it.
func TestClockReadBoottimeAlarm(t *testing.T) {
	timens.Need(t)
	needAlarm(t)
	ids := append(timens.Clocks, clock.BoottimeAlarm)
	for _, ns := range timens.Examples {
		for _, via := range clock.Vias {
			timens.CheckShifts(t, timens.Measure(t, timens.Unshared(ns.Offsets), via, ids...), ns.Offsets)
		}
	}
}

func TestClockReadRealtimeAlarmUnshifted(t *testing.T) {
	needAlarm(t)
	testUnshifted(t, func(p *clone.Program, via clock.Via) map[string]func() (time.Duration, error) {
		return readings(p, via, []clock.ID{clock.RealtimeAlarm})
	})
}

func TestClockNanosleepAlarmAbsolute(t *testing.T) {
	needAlarm(t)
	testNanosleep(t, true, clock.BoottimeAlarm)
}

func TestClockNanosleepAlarmRelative(t *testing.T) {
	needAlarm(t)
	testNanosleep(t, false, clock.BoottimeAlarm)
}

func TestClockNanosleepRealtimeAlarmUnshifted(t *testing.T) {
	needAlarm(t)
	testNanosleep(t, true, clock.RealtimeAlarm)
}

func TestTimerfdAlarmAbsolute(t *testing.T) {
	needAlarm(t)
	testTimerfd(t, true, clock.BoottimeAlarm)
}

func TestTimerfdAlarmRelative(t *testing.T) {
	needAlarm(t)
	testTimerfd(t, false, clock.BoottimeAlarm)
}

func TestTimerfdRealtimeAlarmUnshifted(t *testing.T) {
	needAlarm(t)
	testTimerfd(t, true, clock.RealtimeAlarm)
}

func TestPosixTimerAlarmAbsolute(t *testing.T) {
	needAlarm(t)
	testPosixTimers(t, true, clock.BoottimeAlarm)
}

func TestPosixTimerAlarmRelative(t *testing.T) {
	needAlarm(t)
	testPosixTimers(t, false, clock.BoottimeAlarm)
}

func TestPosixTimerRealtimeAlarmUnshifted(t *testing.T) {
	needAlarm(t)
	testPosixTimers(t, true, clock.RealtimeAlarm)
}

var bootAlarm = []clock.ID{clock.BoottimeAlarm}

func TestClockNanosleepAlarmInterrupted(t *testing.T) {
	needAlarm(t)
	testInterrupted(t, bootAlarm...)
}

func TestClockNanosleepAlarmRestarted(t *testing.T) {
	needAlarm(t)
	testRestarted(t, restartableSleeps(bootAlarm...)...)
}

func TestSleepAlarmUntilPassedTime(t *testing.T) {
	needAlarm(t)
	testExtremeSleeps(t, bootAlarm, passed, origin)
}

func TestSleepAlarmUntilLargestTime(t *testing.T) {
	needAlarm(t)
	testExtremeSleeps(t, bootAlarm, never)
}

func TestTimerAlarmSetToPassedTime(t *testing.T) {
	needAlarm(t)
	testExtremeTimers(t, bootAlarm, passed, origin)
}

func TestTimerAlarmSetToLargestTime(t *testing.T) {
	needAlarm(t)
	testExtremeTimers(t, bootAlarm, never)
}
