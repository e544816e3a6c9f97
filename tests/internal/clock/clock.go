// Package clock reads the kernel's clocks in the two ways a program can: by
// the system call and by the vDSO. They are two implementations of time
// namespaces, so a test of a clock's value has to look at both.
package clock

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// ID is a clockid_t.
type ID int32

const (
	Realtime        ID = unix.CLOCK_REALTIME
	Monotonic       ID = unix.CLOCK_MONOTONIC
	MonotonicRaw    ID = unix.CLOCK_MONOTONIC_RAW
	RealtimeCoarse  ID = unix.CLOCK_REALTIME_COARSE
	MonotonicCoarse ID = unix.CLOCK_MONOTONIC_COARSE
	Boottime        ID = unix.CLOCK_BOOTTIME
	TAI             ID = unix.CLOCK_TAI
	RealtimeAlarm   ID = unix.CLOCK_REALTIME_ALARM
	BoottimeAlarm   ID = unix.CLOCK_BOOTTIME_ALARM
	ProcessCPU      ID = unix.CLOCK_PROCESS_CPUTIME_ID
	ThreadCPU       ID = unix.CLOCK_THREAD_CPUTIME_ID
)

// String returns the clock's name as in /proc/PID/timens_offsets.
func (id ID) String() string {
	switch id {
	case Realtime:
		return "realtime"
	case Monotonic:
		return "monotonic"
	case MonotonicRaw:
		return "monotonic_raw"
	case RealtimeCoarse:
		return "realtime_coarse"
	case MonotonicCoarse:
		return "monotonic_coarse"
	case Boottime:
		return "boottime"
	case TAI:
		return "tai"
	case RealtimeAlarm:
		return "realtime_alarm"
	case BoottimeAlarm:
		return "boottime_alarm"
	case ProcessCPU:
		return "process_cputime"
	case ThreadCPU:
		return "thread_cputime"
	}
	return fmt.Sprintf("clock %d", int32(id))
}

// Via is a way to read a clock. The zero value is none.
type Via int

const (
	VDSO Via = iota + 1
	Syscall
)

func (v Via) String() string {
	switch v {
	case VDSO:
		return "vdso"
	case Syscall:
		return "syscall"
	}
	return fmt.Sprintf("way %d", int(v))
}

// Vias lists both ways.
var Vias = []Via{VDSO, Syscall}

// Read returns what the clock shows to the calling thread.
func Read(id ID, via Via) (time.Duration, error) {
	var ts unix.Timespec
	switch via {
	case VDSO:
		entry, err := VDSOFunc(Gettime)
		if err != nil {
			return 0, err
		}
		if ret := callVDSO(entry, int32(id), &ts); ret != 0 {
			return 0, unix.Errno(-ret)
		}
	case Syscall:
		// unix.ClockGettime never goes through the vDSO.
		if err := unix.ClockGettime(int32(id), &ts); err != nil {
			return 0, err
		}
	default:
		return 0, fmt.Errorf("read %v: %v is unknown", id, via)
	}
	return Time(ts)
}

// Time returns the time that a clock showed as ts. Nanoseconds that make up a
// second of their own, or are negative, are an error: the kernel has to carry.
func Time(ts unix.Timespec) (time.Duration, error) {
	if ts.Nsec < 0 || int64(ts.Nsec) >= int64(time.Second) {
		return 0, fmt.Errorf("the kernel returned %d s and %d ns, which is no timespec", ts.Sec, ts.Nsec)
	}
	return time.Duration(ts.Nano()), nil
}
