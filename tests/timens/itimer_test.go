// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/abi"
	"timens-vmtest/tests/internal/clock"
)

func TestSetitimerRelative(t *testing.T) {
	testTimers(t, timerRequest{Kind: "setitimer", Clock: clock.Monotonic})
}

// itimer is the timer of setitimer(ITIMER_REAL). A process has only one.
type itimer struct{ expired chan os.Signal }

func newItimer(clock.ID, abi.Time) (timer, error) { return itimer{notify(unix.SIGALRM)}, nil }

func (itimer) set(_ bool, to time.Duration) error {
	_, err := unix.Setitimer(unix.ItimerReal, unix.Itimerval{Value: unix.NsecToTimeval(int64(to))})
	return err
}

func (itimer) left() (time.Duration, error) {
	now, err := unix.Getitimer(unix.ItimerReal)
	return time.Duration(now.Value.Nano()), err
}

func (tm itimer) wait(timeout time.Duration) error { return receive(tm.expired, timeout) }

func (itimer) close() error { return nil }
