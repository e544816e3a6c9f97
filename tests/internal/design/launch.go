// SPDX-License-Identifier: BSD-3-Clause

package design

import (
	"testing"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/timens"
)

// Launch returns a launcher that calls clone3() with args.
func Launch(args *clone.Args) clone.Launcher {
	return func(p *clone.Program) (*clone.Child, error) { return clone.Start(args, clone.SizeVer3, p) }
}

// PendingLaunch is Launch on a thread that has unshared another namespace with
// offsets for its children.
func PendingLaunch(t testing.TB, pending timens.Offsets, args *clone.Args) clone.Launcher {
	return func(p *clone.Program) (child *clone.Child, err error) {
		timens.WithPending(t, pending, func() { child, err = Launch(args)(p) })
		return child, err
	}
}

// Refuse checks that clone3() with args fails with the error want.
func Refuse(t testing.TB, args *clone.Args, want unix.Errno) {
	t.Helper()
	RefuseSize(t, args, clone.SizeVer3, want)
}

// RefuseSize is Refuse with the first size bytes of args.
func RefuseSize(t testing.TB, args *clone.Args, size uintptr, want unix.Errno) {
	t.Helper()
	RefuseProgram(t, timens.NewProgram(t), args, size, want)
}

// RefuseProgram is RefuseSize with a given program, for many calls. p never
// runs.
func RefuseProgram(t testing.TB, p *clone.Program, args *clone.Args, size uintptr, want unix.Errno) {
	t.Helper()
	child, err := clone.Start(args, size, p)
	if err != want {
		t.Errorf("clone3 with %d bytes: %v, want %v", size, err, want)
	}
	if err == nil {
		timens.Reap(t, child)
	}
}
