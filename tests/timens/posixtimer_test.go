// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"fmt"
	"os"
	"os/signal"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/abi"
	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/timens"
)

var posixKinds = []string{"timer SIGEV_SIGNAL", "timer SIGEV_THREAD_ID", "timer SIGEV_NONE"}

func TestPosixTimerAbsolute(t *testing.T) { testPosixTimers(t, true, timens.Clocks...) }
func TestPosixTimerRelative(t *testing.T) { testPosixTimers(t, false, timens.Clocks...) }

// A timer on a clock that does not count from boot is not shifted.
func TestPosixTimerUnshifted(t *testing.T) { testPosixTimers(t, true, clock.Realtime, clock.TAI) }

func testPosixTimers(t *testing.T, absolute bool, clocks ...clock.ID) {
	t.Helper()
	var requests []timerRequest
	for _, kind := range posixKinds {
		for _, id := range clocks {
			requests = append(requests, timerRequest{Kind: kind, Clock: id, Absolute: absolute})
		}
	}
	testTimers(t, requests...)
}

// Each timer has a signal of its own, from firstExpired on: real-time signals
// that neither Go nor C libraries use.
const firstExpired = 40

var timersMade atomic.Int32

// sigevent is struct sigevent of 64 bytes.
type sigevent struct {
	value  uintptr
	signo  int32
	notify int32
	tid    int32
	_      [64 - unsafe.Sizeof(uintptr(0)) - 12]byte
}

const sigevSignal, sigevNone, sigevThreadID = 0, 1, 4

// posixTimer is a timer of timer_create().
type posixTimer struct {
	armed
	signo int32
}

func newPosixTimer(id clock.ID, width abi.Time, event sigevent) (posixTimer, error) {
	var timerID int32
	_, _, errno := unix.Syscall(unix.SYS_TIMER_CREATE, uintptr(id),
		uintptr(unsafe.Pointer(&event)), uintptr(unsafe.Pointer(&timerID)))
	if errno != 0 {
		return posixTimer{}, fmt.Errorf("timer_create: %w", errno)
	}
	return posixTimer{armed{uintptr(timerID), width, abi.TimerSettime, abi.TimerGettime}, event.signo}, nil
}

// itimerspec is struct itimerspec. Its first member, the interval, stays zero.
type itimerspec struct{ _, value unix.Timespec }

func (tm posixTimer) close() error {
	_, _, errno := unix.Syscall(unix.SYS_TIMER_DELETE, tm.handle, 0, 0)
	if errno != 0 {
		return fmt.Errorf("timer_delete: %w", errno)
	}
	return nil
}

// silentTimer sends no signal. Its owner has to poll it.
type silentTimer struct{ posixTimer }

func newSilentTimer(id clock.ID, width abi.Time) (timer, error) {
	tm, err := newPosixTimer(id, width, sigevent{notify: sigevNone})
	return silentTimer{tm}, err
}

func (tm silentTimer) wait(timeout time.Duration) error {
	for end := time.Now().Add(timeout); time.Now().Before(end); {
		left, err := tm.left()
		if left == 0 || err != nil {
			return err
		}
		nap := unix.NsecToTimespec(int64(min(left, timeout)))
		if err := unix.Nanosleep(&nap, nil); err != nil && err != unix.EINTR {
			return fmt.Errorf("nanosleep: %w", err)
		}
	}
	return fmt.Errorf("not expired after %v", timeout)
}

// threadTimer sends its signal to the thread that made it, which blocks it.
type threadTimer struct{ posixTimer }

func newThreadTimer(id clock.ID, width abi.Time) (timer, error) {
	if err := blockSignals(); err != nil {
		return nil, err
	}
	tm, err := newPosixTimer(id, width, sigevent{
		signo:  firstExpired + timersMade.Add(1),
		notify: sigevThreadID,
		tid:    int32(unix.Gettid()),
	})
	return threadTimer{tm}, err
}

func (tm threadTimer) wait(timeout time.Duration) error {
	set := abi.Sigset(unix.Signal(tm.signo))
	ts := abi.Time64.Timespec(timeout)
	_, _, errno := unix.Syscall6(abi.Time64.Nr(abi.RtSigtimedwait), uintptr(unsafe.Pointer(&set)), 0,
		uintptr(unsafe.Pointer(&ts)), abi.SigsetSize, 0, 0)
	switch errno {
	case 0:
		return nil
	case unix.EAGAIN:
		return fmt.Errorf("not expired after %v", timeout)
	}
	return fmt.Errorf("rt_sigtimedwait: %w", errno)
}

// signalTimer sends its signal to the process.
type signalTimer struct {
	posixTimer
	expired chan os.Signal
}

func newSignalTimer(id clock.ID, width abi.Time) (timer, error) {
	signo := firstExpired + timersMade.Add(1)
	expired := notify(unix.Signal(signo))
	tm, err := newPosixTimer(id, width, sigevent{signo: signo, notify: sigevSignal})
	return signalTimer{tm, expired}, err
}

func (tm signalTimer) wait(timeout time.Duration) error { return receive(tm.expired, timeout) }

func notify(sig os.Signal) chan os.Signal {
	c := make(chan os.Signal, 1)
	signal.Notify(c, sig)
	return c
}

func receive(expired chan os.Signal, timeout time.Duration) error {
	select {
	case <-expired:
		return nil
	case <-time.After(timeout):
		return fmt.Errorf("not expired after %v", timeout)
	}
}
