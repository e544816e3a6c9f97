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
)

// The relative timeouts of system calls that sleep, poll or receive have the same
// length in a time namespace.
func TestTimeoutsKeepTheirLength(t *testing.T) {
	var waits []wait
	for _, call := range []string{"nanosleep", "ppoll", "select", "pselect6", "epoll_wait", "epoll_pwait2",
		"rt_sigtimedwait", "semtimedop", "SO_RCVTIMEO"} {
		waits = append(waits, wait{Call: call, Clock: clock.Monotonic})
	}
	testWaits(t, waits...)
}

// The deadline of mq_timedreceive() is on CLOCK_REALTIME and is not shifted.
func TestMQTimedreceiveUnshifted(t *testing.T) {
	testWaits(t, wait{Call: "mq_timedreceive", Clock: clock.Realtime, Absolute: true})
}

func nanosleep(_ abi.Time, _ clock.ID, _ bool, d time.Duration) error {
	request := unix.NsecToTimespec(int64(d))
	return unix.Nanosleep(&request, nil)
}

func ppoll(width abi.Time, _ clock.ID, _ bool, d time.Duration) error {
	timeout := width.Timespec(d)
	n, _, errno := unix.Syscall6(width.Nr(abi.Ppoll), 0, 0, uintptr(unsafe.Pointer(&timeout)), 0, 0, 0)
	return nothingBy(n, errno)
}

func sysSelect(_ abi.Time, _ clock.ID, _ bool, d time.Duration) error {
	timeout := unix.NsecToTimeval(int64(d))
	return nothing(unix.Select(0, nil, nil, nil, &timeout))
}

func pselect(width abi.Time, _ clock.ID, _ bool, d time.Duration) error {
	timeout := width.Timespec(d)
	n, _, errno := unix.Syscall6(width.Nr(abi.Pselect6), 0, 0, 0, 0, uintptr(unsafe.Pointer(&timeout)), 0)
	return nothingBy(n, errno)
}

// nothingBy is nothing for a bare system call.
func nothingBy(n uintptr, errno unix.Errno) error {
	if errno != 0 {
		return errno
	}
	return nothing(int(n), nil)
}

// nothing returns nil if a call timed out and so returned n = 0.
func nothing(n int, err error) error {
	if err == nil && n != 0 {
		return fmt.Errorf("found %d, want nothing", n)
	}
	return err
}

func epollWait(_ abi.Time, _ clock.ID, _ bool, d time.Duration) error {
	return withEpoll(func(fd int, events []unix.EpollEvent) (int, error) {
		return unix.EpollWait(fd, events, int(d.Milliseconds()))
	})
}

func epollPwait2(_ abi.Time, _ clock.ID, _ bool, d time.Duration) error {
	timeout := toKernelTimespec(d)
	return withEpoll(func(fd int, events []unix.EpollEvent) (int, error) {
		n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(fd), uintptr(unsafe.Pointer(&events[0])),
			uintptr(len(events)), uintptr(unsafe.Pointer(&timeout)), 0, 0)
		if errno != 0 {
			return 0, errno
		}
		return int(n), nil
	})
}

func withEpoll(wait func(fd int, events []unix.EpollEvent) (int, error)) error {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return fmt.Errorf("epoll_create1: %w", err)
	}
	defer unix.Close(fd) // it is empty
	return nothing(wait(fd, make([]unix.EpollEvent, 1)))
}

func sigtimedwait(width abi.Time, _ clock.ID, _ bool, d time.Duration) error {
	set := abi.Sigset(firstExpired)
	timeout := width.Timespec(d)
	_, _, errno := unix.Syscall6(width.Nr(abi.RtSigtimedwait), uintptr(unsafe.Pointer(&set)), 0,
		uintptr(unsafe.Pointer(&timeout)), abi.SigsetSize, 0, 0)
	return timedOut("rt_sigtimedwait", errno, unix.EAGAIN)
}

func semtimedop(_ abi.Time, _ clock.ID, _ bool, d time.Duration) error {
	const ipcPrivate, ipcRmid = 0, 0
	id, _, errno := unix.Syscall(unix.SYS_SEMGET, ipcPrivate, 1, 0600)
	if errno != 0 {
		return fmt.Errorf("semget: %w", errno)
	}
	defer unix.Syscall(unix.SYS_SEMCTL, id, 0, ipcRmid) // its namespace ends with the guest
	decrement := struct {
		number    uint16
		by, flags int16
	}{by: -1}
	timeout := abi.Time64.Timespec(d)
	_, _, errno = unix.Syscall6(abi.Time64.Nr(abi.Semtimedop), id, uintptr(unsafe.Pointer(&decrement)), 1,
		uintptr(unsafe.Pointer(&timeout)), 0, 0)
	return timedOut("semtimedop", errno, unix.EAGAIN)
}

func receiveTimeout(_ abi.Time, _ clock.ID, _ bool, d time.Duration) error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socketpair: %w", err)
	}
	defer unix.Close(pair[1]) // nothing was written
	defer unix.Close(pair[0])
	timeout := unix.NsecToTimeval(int64(d))
	if err := unix.SetsockoptTimeval(pair[0], unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout); err != nil {
		return fmt.Errorf("setsockopt SO_RCVTIMEO: %w", err)
	}
	_, err = unix.Read(pair[0], make([]byte, 1))
	return timedOut("read", err, unix.EAGAIN)
}

func mqTimedreceive(width abi.Time, _ clock.ID, _ bool, deadline time.Duration) error {
	name, err := unix.BytePtrFromString(fmt.Sprintf("timens-%d", unix.Gettid()))
	if err != nil {
		return err
	}
	mq, _, errno := unix.Syscall6(unix.SYS_MQ_OPEN, uintptr(unsafe.Pointer(name)),
		unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0600, 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("mq_open: %w", errno)
	}
	defer unix.Close(int(mq)) // it is empty
	if _, _, errno := unix.Syscall(unix.SYS_MQ_UNLINK, uintptr(unsafe.Pointer(name)), 0, 0); errno != 0 {
		return fmt.Errorf("mq_unlink: %w", errno)
	}
	const defaultMessageSize = 8192
	buf := make([]byte, defaultMessageSize)
	timeout := width.Timespec(deadline)
	_, _, errno = unix.Syscall6(width.Nr(abi.MqTimedreceive), mq, uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)), 0,
		uintptr(unsafe.Pointer(&timeout)), 0)
	return timedOut("mq_timedreceive", errno, unix.ETIMEDOUT)
}
