// SPDX-License-Identifier: BSD-3-Clause

// Package blame says whose fault an error is: the host's, the user's, the kernel's or
// that of one patch. The exit code of vmtest follows from that. No other package sorts
// errors by blame.
package blame

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
)

// Party is who is to blame for an error. The zero value is the host, which is blamed
// for every error that nobody else is to blame for.
type Party int

// The parties.
const (
	Host   Party = iota // this machine or this program; nothing is known about the kernel
	User                // the user made a mistake on the command line or in a file
	Kernel              // the kernel under test does not apply, configure or build, or uses too much for that
	Patch               // one patch breaks a rule
)

// ExitCode returns the exit code of a command that ends with an error that this party is
// to blame for: 1 for a patch, 2 for the user, 3 for the kernel and 4 for the host.
func (p Party) ExitCode() int {
	switch p {
	case User:
		return 2
	case Kernel:
		return 3
	case Patch:
		return 1
	}
	return 4
}

// hostFaults are the errors that a machine returns when it has no room, no memory or a broken disk.
var hostFaults = []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EIO, syscall.ENOMEM, syscall.EMFILE, syscall.ENFILE, syscall.EROFS, syscall.ESTALE}

// Of returns who is to blame for err. If err wraps one of hostFaults, it is the host,
// whatever other error wraps it. Otherwise a UsageError blames the user, a BuildError the
// kernel and a RuleError the patch, in this order. Any other error blames the host.
func Of(err error) Party {
	for _, fault := range hostFaults {
		if errors.Is(err, fault) {
			return Host
		}
	}
	if _, ok := errors.AsType[*UsageError](err); ok {
		return User
	}
	if _, ok := errors.AsType[*BuildError](err); ok {
		return Kernel
	}
	if _, ok := errors.AsType[*BoundError](err); ok {
		return Kernel
	}
	if _, ok := errors.AsType[*RuleError](err); ok {
		return Patch
	}
	return Host
}

// UsageError is a mistake of the user, such as a series that does not exist, or a patch
// that the file "series" does not list.
type UsageError struct{ Err error }

// Error returns the message of Err.
func (e *UsageError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *UsageError) Unwrap() error { return e.Err }

// Usagef returns a UsageError with a message that is formatted as by fmt.Errorf.
func Usagef(format string, args ...any) error {
	return &UsageError{fmt.Errorf(format, args...)}
}

// RuleError is a fault of one patch, such as a complaint of checkpatch.
type RuleError struct {
	Complaints []string // at least one; a complaint may have several lines
}

// Error returns all complaints in one line, or in more if a complaint has several.
func (e *RuleError) Error() string { return strings.Join(e.Complaints, "; ") }

// BuildError is a fault of the kernel under test: a patch does not apply, the kernel
// does not configure or compile, or the tests do not fit the kernel.
type BuildError struct {
	Stage string // "apply", "configure", "build", "selftests" or "abi"
	Err   error
	Shown string // what the tool printed about it, about twenty lines at most; may be empty
	Log   string // path of the tool's whole output; empty if there is none
}

// Error returns the stage, the error, what the tool printed and the path of the log.
func (e *BuildError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %v", e.Stage, e.Err)
	if e.Shown != "" {
		fmt.Fprintf(&b, "\n%s", strings.TrimRight(e.Shown, "\n"))
	}
	if e.Log != "" {
		fmt.Fprintf(&b, "\nwhole log: %s", e.Log)
	}
	return b.String()
}

// Unwrap returns Err.
func (e *BuildError) Unwrap() error { return e.Err }
