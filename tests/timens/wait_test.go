package timens

import (
	"errors"
	"fmt"
	"runtime"
	"time"
	"unsafe"

	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/timens"

	"golang.org/x/sys/unix"
)

// timerfd is a timer of timerfd_create().
type timerfd struct{ fd int }

func newTimerfd(id clock.ID) (timer, error) {
	fd, err := unix.TimerfdCreate(int(id), unix.TFD_CLOEXEC)
	return timerfd{fd}, err
}

func (tm timerfd) set(absolute bool, to time.Duration) error {
	flags := 0
	if absolute {
		flags = unix.TFD_TIMER_ABSTIME
	}
	return unix.TimerfdSettime(tm.fd, flags, &unix.ItimerSpec{Value: unix.NsecToTimespec(int64(to))}, nil)
}

func (tm timerfd) left() (time.Duration, error) {
	var now unix.ItimerSpec
	err := unix.TimerfdGettime(tm.fd, &now)
	return time.Duration(now.Value.Nano()), err
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

// posixTimer is a timer of timer_create() that sends a signal to the thread
// that made it.
type posixTimer struct{ id int32 }

// expired is a real-time signal that neither Go nor C libraries use.
const expired = 40

// sigevent is struct sigevent with SIGEV_THREAD_ID.
type sigevent struct {
	value  uint64
	signo  int32
	notify int32
	tid    int32
	_      [44]byte
}

type itimerspec struct{ interval, value unix.Timespec }

const sigevThreadID = 4

// newPosixTimer keeps the goroutine on its thread and the signal blocked there,
// so that it waits for wait instead of going to Go's handler.
func newPosixTimer(id clock.ID) (timer, error) {
	runtime.LockOSThread()
	set := sigset(expired)
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, &set, nil); err != nil {
		return nil, fmt.Errorf("block signal %d: %w", expired, err)
	}
	event := sigevent{signo: expired, notify: sigevThreadID, tid: int32(unix.Gettid())}
	var tm posixTimer
	_, _, errno := unix.Syscall(unix.SYS_TIMER_CREATE, uintptr(id),
		uintptr(unsafe.Pointer(&event)), uintptr(unsafe.Pointer(&tm.id)))
	if errno != 0 {
		return nil, fmt.Errorf("timer_create: %w", errno)
	}
	return tm, nil
}

func (tm posixTimer) set(absolute bool, to time.Duration) error {
	const timerAbstime = 1
	spec := itimerspec{value: unix.NsecToTimespec(int64(to))}
	flags := uintptr(0)
	if absolute {
		flags = timerAbstime
	}
	_, _, errno := unix.Syscall6(unix.SYS_TIMER_SETTIME, uintptr(tm.id), flags,
		uintptr(unsafe.Pointer(&spec)), 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("timer_settime: %w", errno)
	}
	return nil
}

func (tm posixTimer) left() (time.Duration, error) {
	var spec itimerspec
	_, _, errno := unix.Syscall(unix.SYS_TIMER_GETTIME, uintptr(tm.id), uintptr(unsafe.Pointer(&spec)), 0)
	if errno != 0 {
		return 0, fmt.Errorf("timer_gettime: %w", errno)
	}
	return time.Duration(spec.value.Nano()), nil
}

func (tm posixTimer) wait(timeout time.Duration) error {
	set := sigset(expired)
	ts := unix.NsecToTimespec(int64(timeout))
	for {
		_, _, errno := unix.Syscall6(unix.SYS_RT_SIGTIMEDWAIT, uintptr(unsafe.Pointer(&set)), 0,
			uintptr(unsafe.Pointer(&ts)), unsafe.Sizeof(set.Val[0]), 0, 0)
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
		case unix.EAGAIN:
			return fmt.Errorf("not expired after %v", timeout)
		default:
			return fmt.Errorf("rt_sigtimedwait: %w", errno)
		}
	}
}

func (tm posixTimer) close() error {
	_, _, errno := unix.Syscall(unix.SYS_TIMER_DELETE, uintptr(tm.id), 0, 0)
	runtime.UnlockOSThread()
	if errno != 0 {
		return fmt.Errorf("timer_delete: %w", errno)
	}
	return nil
}

func sigset(signal int) (set unix.Sigset_t) {
	set.Val[0] = 1 << (signal - 1)
	return set
}

// sleep is the probe "sleep": clock_nanosleep() on both clocks.
func sleep(absolute bool) (map[clock.ID]expiry, error) {
	out := make(map[clock.ID]expiry)
	for _, id := range timens.Clocks {
		start, err := clock.Read(id, clock.Syscall)
		if err != nil {
			return nil, err
		}
		flags, request := 0, unix.NsecToTimespec(int64(near))
		if absolute {
			flags, request = unix.TIMER_ABSTIME, unix.NsecToTimespec(int64(start+near))
		}
		for {
			var rest unix.Timespec
			err := unix.ClockNanosleep(int32(id), flags, &request, &rest)
			if err == nil {
				break
			}
			if !errors.Is(err, unix.EINTR) {
				return nil, fmt.Errorf("clock_nanosleep %v: %w", id, err)
			}
			if !absolute {
				request = rest
			}
		}
		woke, err := clock.Read(id, clock.Syscall)
		if err != nil {
			return nil, err
		}
		out[id] = expiry{Due: start + near, Woke: woke}
	}
	return out, nil
}

// waitOnFutex is the probe "futex": FUTEX_WAIT_BITSET until d from now.
func waitOnFutex(d time.Duration) (expiry, error) {
	const futexWaitBitset, matchAny = 9, 0xffffffff
	start, err := clock.Read(clock.Monotonic, clock.Syscall)
	if err != nil {
		return expiry{}, err
	}
	var word uint32
	deadline := unix.NsecToTimespec(int64(start + d))
	for {
		_, _, errno := unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&word)), futexWaitBitset, 0,
			uintptr(unsafe.Pointer(&deadline)), 0, matchAny)
		if errno == unix.ETIMEDOUT {
			break
		}
		if errno != unix.EINTR {
			return expiry{}, fmt.Errorf("futex: %w", errno)
		}
	}
	woke, err := clock.Read(clock.Monotonic, clock.Syscall)
	return expiry{Due: start + d, Woke: woke}, err
}
