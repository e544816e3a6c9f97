// SPDX-License-Identifier: BSD-3-Clause

// Package abi describes the system calls that take or return a time. A 64-bit
// program has one set of them. A 32-bit program has two: an old set with seconds
// of 32 bits, and a newer one with seconds of 64 bits. The kernel converts each
// in separate code, so the test of a call has to make both.
package abi

import (
	"fmt"
	"math"
	"time"
	"unsafe"
)

// Time is the width of the seconds that a system call takes or returns.
type Time int

const (
	Time64 Time = iota
	Time32      // in 32-bit programs only; see Times
)

func (a Time) String() string {
	switch a {
	case Time64:
		return "time64"
	case Time32:
		return "time32"
	}
	return fmt.Sprintf("time %d", int(a))
}

// Call is a system call that takes or returns a time, of either width.
type Call int

const (
	ClockGettime Call = iota
	ClockGetres
	ClockSettime
	ClockNanosleep
	TimerSettime
	TimerGettime
	TimerfdSettime
	TimerfdGettime
	Futex
	Ppoll
	Pselect6
	RtSigtimedwait
	Semtimedop // with 32-bit seconds it is part of ipc()
	MqTimedsend
	MqTimedreceive
)

// Nr returns the number of c.
func (a Time) Nr(c Call) uintptr { return numbers[c][a] }

// Timespec is memory for a struct timespec of either width.
type Timespec [2]int64

// timespec32 is struct old_timespec32.
type timespec32 struct{ sec, nsec int32 }

// Timespec returns d as calls of this width take it. It panics if the seconds
// do not fit: that is a mistake in the test.
func (a Time) Timespec(d time.Duration) Timespec {
	sec, nsec := int64(d/time.Second), int64(d%time.Second)
	if nsec < 0 {
		sec, nsec = sec-1, nsec+int64(time.Second)
	}
	return a.RawTimespec(sec, nsec)
}

// Largest is the largest time of this width.
func (a Time) Largest() time.Duration {
	if a == Time64 {
		return math.MaxInt64
	}
	return math.MaxInt32*time.Second + time.Second - 1
}

// RawTimespec is Timespec for nanoseconds that may be out of range.
func (a Time) RawTimespec(sec, nsec int64) Timespec {
	if a == Time64 {
		return Timespec{sec, nsec}
	}
	if sec < math.MinInt32 || sec > math.MaxInt32 || nsec < math.MinInt32 || nsec > math.MaxInt32 {
		panic(fmt.Sprintf("abi: %d s + %d ns in 32 bits", sec, nsec))
	}
	var ts Timespec
	*(*timespec32)(unsafe.Pointer(&ts)) = timespec32{int32(sec), int32(nsec)}
	return ts
}

// Duration returns what a call of this width has stored. Nanoseconds that are
// negative, or a second or more, are an error of the kernel.
func (a Time) Duration(ts *Timespec) (time.Duration, error) {
	sec, nsec := ts[0], ts[1]
	if a == Time32 {
		old := (*timespec32)(unsafe.Pointer(ts))
		sec, nsec = int64(old.sec), int64(old.nsec)
	}
	if nsec < 0 || nsec >= int64(time.Second) {
		return 0, fmt.Errorf("the kernel returned %d s and %d ns, which is no timespec", sec, nsec)
	}
	return time.Duration(sec)*time.Second + time.Duration(nsec), nil
}

// Itimerspec is memory for a struct itimerspec of either width.
type Itimerspec [2]Timespec

// Itimerspec returns the setting of a timer that expires once.
func (a Time) Itimerspec(value time.Duration) Itimerspec {
	ts := a.Timespec(value)
	if a == Time64 {
		return Itimerspec{{}, ts}
	}
	return Itimerspec{{0, ts[0]}}
}

// Value returns the time that a timer has left.
func (a Time) Value(spec *Itimerspec) (time.Duration, error) {
	if a == Time64 {
		return a.Duration(&spec[1])
	}
	return a.Duration(&Timespec{spec[0][1]})
}
