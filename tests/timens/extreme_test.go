// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"encoding/binary"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/abi"
	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/probe"
	"timens-vmtest/tests/internal/timens"
)

// These tests use deadlines that have passed, or that no clock will ever reach.
// The kernel subtracts the offset from the deadline. Here the result is negative,
// or larger than any clock.

func TestSleepUntilPassedTime(t *testing.T)  { testExtremeSleeps(t, timens.Clocks, passed, origin) }
func TestSleepUntilLargestTime(t *testing.T) { testExtremeSleeps(t, timens.Clocks, never) }

func testExtremeSleeps(t *testing.T, clocks []clock.ID, moments ...moment) {
	t.Helper()
	var waits []wait
	for _, until := range moments {
		for _, id := range clocks {
			waits = append(waits, wait{Call: "clock_nanosleep", Clock: id, Absolute: true, Until: until})
		}
	}
	testWaits(t, waits...)
}

func TestFutexUntilPassedTime(t *testing.T)  { testExtremeFutexes(t, passed, origin) }
func TestFutexUntilLargestTime(t *testing.T) { testExtremeFutexes(t, never) }

func testExtremeFutexes(t *testing.T, moments ...moment) {
	t.Helper()
	var waits []wait
	for _, until := range moments {
		for _, call := range []string{"FUTEX_WAIT_BITSET", "FUTEX_WAIT_REQUEUE_PI", "FUTEX_LOCK_PI2", "futex_waitv", "futex_wait"} {
			waits = append(waits, wait{Call: call, Clock: clock.Monotonic, Absolute: true, Until: until})
		}
	}
	testWaits(t, waits...)
}

func TestTimerSetToPassedTime(t *testing.T)  { testExtremeTimers(t, timens.Clocks, passed, origin) }
func TestTimerSetToLargestTime(t *testing.T) { testExtremeTimers(t, timens.Clocks, never) }

func testExtremeTimers(t *testing.T, clocks []clock.ID, moments ...moment) {
	t.Helper()
	var requests []timerRequest
	for _, until := range moments {
		for _, kind := range []string{"timerfd", "timer SIGEV_THREAD_ID", "timer SIGEV_NONE"} {
			for _, id := range clocks {
				requests = append(requests, timerRequest{Kind: kind, Clock: id, Absolute: true, Until: until})
			}
		}
	}
	testTimers(t, requests...)
}

// period is the interval of a timer that has expired many times since its
// deadline.
const period = 10 * time.Millisecond // at least a tick of a kernel without high-resolution timers

// expirations is how often a periodic timer had expired when it was read,
// between two readings of its clock.
type expirations struct {
	Deadline, Before, After time.Duration
	Count                   uint64
}

// A periodic timer whose deadline, on the namespace's clock, lies before the
// machine's boot counts expirations from the boot on.
func TestTimerfdCountsSincePassedTime(t *testing.T) {
	timens.Need(t)
	for _, ns := range bothSigns {
		t.Run(ns.Name, func(t *testing.T) {
			for id, all := range probe.Run[map[clock.ID][]expirations](t, timens.Unshared(ns.Offsets), "ticks", nil) {
				offset := ns.Offsets.Of(id)
				for _, got := range all {
					first := max(got.Deadline, offset)
					low, high := (got.Before-first)/period+1, (got.After-first)/period+1
					if got.Count < uint64(low) || got.Count > uint64(high) {
						t.Errorf("timerfd of %v (offset %v), due at %v and every %v from then on: %d expirations, want %d to %d",
							id, offset, got.Deadline, period, got.Count, low, high)
					}
				}
			}
		})
	}
}

// countTicks is the probe "ticks".
func countTicks(any) (map[clock.ID][]expirations, error) {
	all := make(map[clock.ID][]expirations)
	for _, id := range timens.Clocks {
		for _, until := range []moment{passed, origin} {
			got, err := countTicksOf(id, until)
			if err != nil {
				return nil, err
			}
			all[id] = append(all[id], got)
		}
	}
	return all, nil
}

func countTicksOf(id clock.ID, until moment) (got expirations, err error) {
	fd, err := unix.TimerfdCreate(int(id), unix.TFD_CLOEXEC)
	if err != nil {
		return got, err
	}
	defer unix.Close(fd) // a timer has no data to lose
	now, err := clock.Read(id, clock.Syscall)
	if err != nil {
		return got, err
	}
	got.Deadline = until.after(now, abi.Time64) // moment never does not fit here
	spec := unix.ItimerSpec{Interval: unix.NsecToTimespec(int64(period)), Value: unix.NsecToTimespec(int64(got.Deadline))}
	if err := unix.TimerfdSettime(fd, unix.TFD_TIMER_ABSTIME, &spec, nil); err != nil {
		return got, err
	}
	if got.Before, err = clock.Read(id, clock.Syscall); err != nil {
		return got, err
	}
	var count [8]byte
	if _, err := unix.Read(fd, count[:]); err != nil {
		return got, err
	}
	got.Count = binary.NativeEndian.Uint64(count[:])
	got.After, err = clock.Read(id, clock.Syscall)
	return got, err
}
