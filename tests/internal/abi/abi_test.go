// SPDX-License-Identifier: BSD-3-Clause

package abi

import (
	"math"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func TestTimespec(t *testing.T) {
	for _, d := range []time.Duration{0, 1, -1, 1500 * time.Millisecond, -time.Second - 1, math.MaxInt32 * time.Second, math.MinInt32 * time.Second} {
		for _, a := range []Time{Time64, Time32} {
			ts := a.Timespec(d)
			if got, err := a.Duration(&ts); got != d || err != nil {
				t.Errorf("%v: %v became %v, %v", a, d, got, err)
			}
		}
	}
}

func TestItimerspec(t *testing.T) {
	const d = 5*time.Second + 3
	for _, a := range []Time{Time64, Time32} {
		spec := a.Itimerspec(d)
		if got, err := a.Value(&spec); got != d || err != nil {
			t.Errorf("%v: %v became %v, %v", a, d, got, err)
		}
	}
	native := Times[len(Times)-1]
	spec := native.Itimerspec(d)
	want := unix.ItimerSpec{Value: unix.Timespec{Sec: 5, Nsec: 3}}
	if got := *(*unix.ItimerSpec)(unsafe.Pointer(&spec)); got != want {
		t.Errorf("%v: %+v, want %+v", native, got, want)
	}
}

func TestNoTimespec(t *testing.T) {
	for _, nsec := range []int64{-1, 1e9} {
		for _, a := range []Time{Time64, Time32} {
			ts := a.RawTimespec(1, nsec)
			if d, err := a.Duration(&ts); err == nil {
				t.Errorf("%v: 1 s and %d ns were taken for %v", a, nsec, d)
			}
		}
	}
}

// unix.Timespec has one of the two layouts.
func TestTimespecIsTheKernels(t *testing.T) {
	const d = -time.Second - 3
	native := Times[len(Times)-1]
	want := unix.Timespec{Sec: -2, Nsec: 999999997}
	ts := native.Timespec(d)
	if got := *(*unix.Timespec)(unsafe.Pointer(&ts)); got != want {
		t.Errorf("%v: %+v, want %+v", native, got, want)
	}
}

// Each number must be that of the call and width that it stands for: the calls
// succeed and store as many bytes as they should.
func TestNumbersOfClocks(t *testing.T) {
	for _, a := range Times {
		for _, call := range []Call{ClockGettime, ClockGetres} {
			ts := Timespec{-1, -1}
			if _, _, errno := unix.Syscall(a.Nr(call), unix.CLOCK_MONOTONIC, uintptr(unsafe.Pointer(&ts)), 0); errno != 0 {
				t.Errorf("%v: clock call %d: %v", a, call, errno)
			}
			if wide := ts[1] != -1; wide != (a == Time64) {
				t.Errorf("%v: clock call %d stored %x", a, call, ts)
			}
			if d, err := a.Duration(&ts); d <= 0 || d > 1000*24*time.Hour || err != nil {
				t.Errorf("%v: clock call %d said %v, %v", a, call, d, err)
			}
		}
	}
}

func TestSigset(t *testing.T) {
	set := Sigset(1, unix.SIGKILL, 40, 64)
	want := uint64(1)<<0 | 1<<8 | 1<<39 | 1<<63
	if got := *(*uint64)(unsafe.Pointer(&set)); got != want {
		t.Errorf("%#x, want %#x", got, want)
	}
}
