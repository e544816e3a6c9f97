// SPDX-License-Identifier: BSD-3-Clause

// Package clock reads the kernel's clocks in the two ways that a program can:
// by the system call and by the vDSO. Both implement time namespaces
// separately, so the test of a clock has to read both. A 32-bit program has two
// of each.
package clock

import (
	"fmt"
	"slices"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/abi"
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

	// The ways of 32-bit programs whose seconds have 32 bits; see Vias.
	VDSO32
	Syscall32
)

func (v Via) String() string {
	switch v {
	case VDSO:
		return "vdso"
	case Syscall:
		return "syscall"
	case VDSO32:
		return "vdso-time32"
	case Syscall32:
		return "syscall-time32"
	}
	return fmt.Sprintf("way %d", int(v))
}

// Vias lists all ways that this program has: VDSOs and Syscalls.
var Vias = slices.Concat(VDSOs, Syscalls)

// ViasFor lists the ways that have room for what the clocks show: the 32-bit
// ones only if the time is small enough.
func ViasFor(shown ...time.Duration) []Via {
	const most = 1 << 30 * time.Second // leaves a reserve before 32 bits overflow
	if slices.ContainsFunc(shown, func(d time.Duration) bool { return d.Abs() > most }) {
		return []Via{VDSO, Syscall}
	}
	return Vias
}

// IsVDSO reports whether v reads by the vDSO.
func (v Via) IsVDSO() bool { return v == VDSO || v == VDSO32 }

// Width is the width of the seconds.
func (v Via) Width() abi.Time {
	if v == VDSO32 || v == Syscall32 {
		return abi.Time32
	}
	return abi.Time64
}

// Read returns what the clock shows to the calling thread.
func Read(id ID, via Via) (time.Duration, error) {
	if !slices.Contains(Vias, via) {
		return 0, fmt.Errorf("read %v: this program cannot read by %v", id, via)
	}
	ts := new(abi.Timespec)
	if via.IsVDSO() {
		entry, err := VDSOFunc(via.Gettime())
		if err != nil {
			return 0, err
		}
		if ret := callVDSO(entry, int32(id), ts); ret != 0 {
			return 0, unix.Errno(-ret)
		}
	} else {
		nr := via.Width().Nr(abi.ClockGettime)
		if _, _, errno := unix.RawSyscall(nr, uintptr(id), uintptr(unsafe.Pointer(ts)), 0); errno != 0 {
			return 0, errno
		}
	}
	return via.Width().Duration(ts)
}
