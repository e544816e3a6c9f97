// SPDX-License-Identifier: BSD-3-Clause

package clone

import (
	"errors"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/abi"
	"timens-vmtest/tests/internal/clock"
)

// ErrNotReached says that the child did not run a step.
var ErrNotReached = errors.New("the child did not reach this step")

// Result is what a step returned.
type Result struct{ step *step }

// Value returns the call's result, or its unix.Errno.
func (r Result) Value() (int, error) {
	switch {
	case r.step.done == 0:
		return 0, ErrNotReached
	case r.step.ret < 0:
		return 0, unix.Errno(-r.step.ret)
	}
	return int(r.step.ret), nil
}

func (r Result) word() *int64 { return &r.step.ret }

// Err returns Value's error.
func (r Result) Err() error {
	_, err := r.Value()
	return err
}

// Reading is the result of ClockGettime.
type Reading struct {
	Result
	via clock.Via
	ts  *abi.Timespec
}

// Time returns what the clock showed.
func (r Reading) Time() (time.Duration, error) {
	if err := r.Err(); err != nil {
		return 0, err
	}
	return r.via.Width().Duration(r.ts)
}

// Contents is the result of ReadFile and ReadLink.
type Contents struct {
	open, read Result
	buf        []byte
}

// Text returns what was read.
func (c Contents) Text() (string, error) {
	if err := c.open.Err(); err != nil {
		return "", err
	}
	n, err := c.read.Value()
	if err != nil {
		return "", err
	}
	return string(c.buf[:n]), nil
}

// Written is the result of a step that opens a file and acts on it.
type Written struct{ open, act Result }

// Err returns the errno of open() or of the call on the file.
func (w Written) Err() error {
	if err := w.open.Err(); err != nil {
		return err
	}
	return w.act.Err()
}

// Word is a number in memory that the test and all processes of a program
// share.
type Word struct{ value *int64 }

// Value returns the number.
func (w Word) Value() int { return int(*w.value) }

// Set stores a start value other than 0. Call it before the program starts.
func (w Word) Set(n int) { *w.value = int64(n) }

// Addr returns the address of the number, as an argument of a system call.
func (w Word) Addr() uintptr { return uintptr(unsafe.Pointer(w.value)) }

// Int32 returns the address for a 32-bit number that the kernel writes, such as
// a descriptor.
func (w Word) Int32() *int32 { return (*int32)(unsafe.Pointer(w.value)) }

func (w Word) word() *int64 { return w.value }

// Ended is the result of Wait.
type Ended struct {
	Result
	status Word
}

// Status returns how the grandchild ended.
func (e Ended) Status() (unix.WaitStatus, error) {
	return unix.WaitStatus(e.status.Value()), e.Err()
}
