// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/capability"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/osthread"
)

// Need skips a test if time namespaces cannot be made here.
func Need(t testing.TB) {
	t.Helper()
	if _, err := os.Stat("/proc/self/ns/time"); err != nil {
		t.Skipf("the kernel has no time namespaces (%v); `make vmtest` runs this test in a guest", err)
	}
	for _, id := range []int{unix.CAP_SYS_ADMIN, unix.CAP_SYS_TIME} {
		ok, err := capability.Has(id)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			t.Skip("needs CAP_SYS_ADMIN and CAP_SYS_TIME; `make vmtest` runs this test as root in a guest")
		}
	}
}

// Unshared returns a launcher whose children start in a new namespace with
// these offsets: its thread unshares the namespace, and a plain fork() enters
// it.
func Unshared(o Offsets) clone.Launcher {
	return func(p *clone.Program) (child *clone.Child, err error) {
		err = osthread.Run(func() error {
			if err := Unshare(o); err != nil {
				return err
			}
			child, err = Fork(p)
			return err
		})
		return child, err
	}
}

// Unshare makes a new namespace with these offsets for future children of the
// calling thread, which should be one of osthread.Run.
func Unshare(o Offsets) error {
	if err := unix.Unshare(unix.CLONE_NEWTIME); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	if err := Write(unix.Gettid(), o.String()); err != nil {
		return fmt.Errorf("write timens_offsets %q: %w", o, err)
	}
	return nil
}

// Fork is a launcher that does not ask for a namespace.
func Fork(p *clone.Program) (*clone.Child, error) {
	return clone.Start(&clone.Args{ExitSignal: uint64(unix.SIGCHLD)}, clone.SizeVer0, p)
}
