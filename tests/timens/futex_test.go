// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"runtime"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/abi"
	"timens-vmtest/tests/internal/clock"
)

// Operations of futex(). Their deadlines are on CLOCK_MONOTONIC unless
// futexClockRealtime is added.
const (
	futexWait          = 0
	futexLockPI        = 6
	futexWaitBitset    = 9
	futexWaitRequeuePI = 11
	futexLockPI2       = 13

	futexClockRealtime = 256
	futexMatchAny      = 0xffffffff

	futex2SizeU32 = 2
)

func TestFutexWaitBitsetAbsolute(t *testing.T) { testFutex(t, "FUTEX_WAIT_BITSET", clock.Monotonic) }
func TestFutexWaitRequeuePIAbsolute(t *testing.T) {
	testFutex(t, "FUTEX_WAIT_REQUEUE_PI", clock.Monotonic)
}
func TestFutexLockPI2Absolute(t *testing.T) { testFutex(t, "FUTEX_LOCK_PI2", clock.Monotonic) }
func TestFutexWaitvAbsolute(t *testing.T)   { testFutex(t, "futex_waitv", clock.Monotonic) }
func TestFutex2WaitAbsolute(t *testing.T)   { testFutex(t, "futex_wait", clock.Monotonic) }

// The deadline of FUTEX_LOCK_PI is always on CLOCK_REALTIME and is not shifted.
func TestFutexLockPIUnshifted(t *testing.T)     { testFutex(t, "FUTEX_LOCK_PI", clock.Realtime) }
func TestFutexWaitBitsetUnshifted(t *testing.T) { testFutex(t, "FUTEX_WAIT_BITSET", clock.Realtime) }
func TestFutexWaitRequeuePIUnshifted(t *testing.T) {
	testFutex(t, "FUTEX_WAIT_REQUEUE_PI", clock.Realtime)
}
func TestFutexLockPI2Unshifted(t *testing.T) { testFutex(t, "FUTEX_LOCK_PI2", clock.Realtime) }
func TestFutexWaitvUnshifted(t *testing.T)   { testFutex(t, "futex_waitv", clock.Realtime) }
func TestFutex2WaitUnshifted(t *testing.T)   { testFutex(t, "futex_wait", clock.Realtime) }

// FUTEX_WAIT takes a relative timeout, which has the same length in a namespace.
func TestFutexWaitRelative(t *testing.T) {
	testWaits(t, wait{Call: "FUTEX_WAIT", Clock: clock.Monotonic})
}

func testFutex(t *testing.T, call string, id clock.ID) {
	t.Helper()
	testWaits(t, wait{Call: call, Clock: id, Absolute: true})
}

// futex returns a call of futex() that waits for a lock held by another thread,
// or for a word that does not change.
func futex(op uintptr) call {
	return func(width abi.Time, id clock.ID, _ bool, when time.Duration) error {
		var word, other uint32
		if op == futexLockPI || op == futexLockPI2 {
			word = lockOwner()
		}
		flags := uintptr(0)
		if id == clock.Realtime && op != futexLockPI {
			flags = futexClockRealtime
		}
		timeout := width.Timespec(when)
		_, _, errno := unix.Syscall6(width.Nr(abi.Futex), uintptr(unsafe.Pointer(&word)), op|flags, 0,
			uintptr(unsafe.Pointer(&timeout)), uintptr(unsafe.Pointer(&other)), futexMatchAny)
		return timedOut("futex", errno, unix.ETIMEDOUT)
	}
}

// lockOwner starts a thread that holds PI futexes until the process ends. It
// returns the thread's ID, which is the value of a held PI futex.
var lockOwner = sync.OnceValue(func() uint32 {
	owner := make(chan int)
	go func() {
		runtime.LockOSThread()
		owner <- unix.Gettid()
		select {}
	}()
	return uint32(<-owner)
})

// kernelTimespec is struct __kernel_timespec, whose seconds always have 64
// bits.
type kernelTimespec struct{ Sec, Nsec int64 }

func toKernelTimespec(d time.Duration) kernelTimespec {
	return kernelTimespec{int64(d / time.Second), int64(d % time.Second)}
}

// futexWaiter is struct futex_waitv.
type futexWaiter struct {
	value, address  uint64
	flags, reserved uint32
}

func futexWaitv(_ abi.Time, id clock.ID, _ bool, when time.Duration) error {
	word := new(uint32)
	var pin runtime.Pinner // its address is passed as a number
	pin.Pin(word)
	defer pin.Unpin()
	waiter := futexWaiter{address: uint64(uintptr(unsafe.Pointer(word))), flags: futex2SizeU32}
	timeout := toKernelTimespec(when)
	_, _, errno := unix.Syscall6(unix.SYS_FUTEX_WAITV, uintptr(unsafe.Pointer(&waiter)), 1, 0,
		uintptr(unsafe.Pointer(&timeout)), uintptr(id), 0)
	return timedOut("futex_waitv", errno, unix.ETIMEDOUT)
}

// futex2Wait is the system call futex_wait(), which is not FUTEX_WAIT.
func futex2Wait(_ abi.Time, id clock.ID, _ bool, when time.Duration) error {
	var word uint32
	timeout := toKernelTimespec(when)
	_, _, errno := unix.Syscall6(unix.SYS_FUTEX_WAIT, uintptr(unsafe.Pointer(&word)), 0, futexMatchAny,
		futex2SizeU32, uintptr(unsafe.Pointer(&timeout)), uintptr(id))
	return timedOut("futex_wait", errno, unix.ETIMEDOUT)
}
