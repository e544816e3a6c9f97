// SPDX-License-Identifier: BSD-3-Clause

// Package blame says whose fault an error is. It is the one place that sorts
// errors by that, and knows the exit codes that follow.
package blame

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
)

// Party is who is to blame for an error. The zero value is the host: what nobody
// else is to blame for.
type Party int

// Parties.
const (
	Host   Party = iota // this machine or this program: nothing is known of the kernel
	User                // a mistake on the command line or in a file of the user's
	Kernel              // the kernel under test does not apply, configure or build
	Patch               // one patch breaks a rule
)

// ExitCode is the exit code of a command that ends with an error of this party.
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

// hosts are what a machine says when it has no room, no memory or a broken disk.
var hosts = []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EIO, syscall.ENOMEM, syscall.EMFILE, syscall.ENFILE, syscall.EROFS, syscall.ESTALE}

// Of returns who is to blame for err. What the machine could not do stays its own
// fault, whatever was to be done. Then a mistake of the user's goes before all else.
func Of(err error) Party {
	for _, fault := range hosts {
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
	if _, ok := errors.AsType[*RuleError](err); ok {
		return Patch
	}
	return Host
}

// UsageError is a mistake of the user's: a series that does not exist, a patch that
// the file "series" does not list. No kernel was touched.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }

func (e *UsageError) Unwrap() error { return e.Err }

// Usagef makes a UsageError.
func Usagef(format string, args ...any) error {
	return &UsageError{fmt.Errorf(format, args...)}
}

// RuleError is a fault of one patch, such as a complaint of checkpatch.
type RuleError struct {
	Complaints []string // at least one; a complaint may have several lines
}

func (e *RuleError) Error() string { return strings.Join(e.Complaints, "; ") }

// BuildError is a fault of the kernel under test: it does not apply, configure
// or compile, or it is no kernel for these tests.
type BuildError struct {
	Stage string // "apply", "configure", "build", "selftests" or "abi"
	Err   error
	Shown string // what the tool printed about it, at most some twenty lines
	Log   string // path of the tool's whole output, if there is one
}

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

func (e *BuildError) Unwrap() error { return e.Err }
