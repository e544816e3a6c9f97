package clone

import (
	"errors"
	"time"

	"timens-vmtest/tests/internal/abi"
	"timens-vmtest/tests/internal/clock"

	"golang.org/x/sys/unix"
)

// ErrNotReached says that the child did not get as far as a step.
var ErrNotReached = errors.New("the child did not reach this step")

// Result is what a step returned.
type Result struct{ step *step }

// Value returns the call's result or its errno, a unix.Errno.
func (r Result) Value() (int, error) {
	switch {
	case r.step.done == 0:
		return 0, ErrNotReached
	case r.step.ret < 0:
		return 0, unix.Errno(-r.step.ret)
	}
	return int(r.step.ret), nil
}

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

// Err returns the errno of open() or of what was done with the file.
func (w Written) Err() error {
	if err := w.open.Err(); err != nil {
		return err
	}
	return w.act.Err()
}
