// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/abi"
	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/timens"
)

func TestTimerfdAbsolute(t *testing.T) { testTimerfd(t, true, timens.Clocks...) }
func TestTimerfdRelative(t *testing.T) { testTimerfd(t, false, timens.Clocks...) }

// A timerfd on a clock that does not count from boot is not shifted.
func TestTimerfdUnshifted(t *testing.T) { testTimerfd(t, true, clock.Realtime) }

func testTimerfd(t *testing.T, absolute bool, clocks ...clock.ID) {
	t.Helper()
	var requests []timerRequest
	for _, id := range clocks {
		requests = append(requests, timerRequest{Kind: "timerfd", Clock: id, Absolute: absolute})
	}
	testTimers(t, requests...)
}

type timerfd struct {
	armed
	fd int
}

func newTimerfd(id clock.ID, width abi.Time) (timer, error) {
	fd, err := unix.TimerfdCreate(int(id), unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("timerfd_create: %w", err)
	}
	return timerfd{armed{uintptr(fd), width, abi.TimerfdSettime, abi.TimerfdGettime}, fd}, nil
}

func (tm timerfd) wait(timeout time.Duration) error {
	fds := []unix.PollFd{{Fd: int32(tm.fd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, int(timeout.Milliseconds()))
		switch {
		case err == unix.EINTR:
		case err != nil:
			return fmt.Errorf("poll: %w", err)
		case n == 0:
			return fmt.Errorf("not expired after %v", timeout)
		default:
			return nil
		}
	}
}

func (tm timerfd) close() error { return unix.Close(tm.fd) }
