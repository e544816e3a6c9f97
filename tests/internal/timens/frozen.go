// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"testing"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clone"
)

// CheckFrozen starts a child in a time namespace with these offsets. It reports an error if the child or its
// creator can still write them, or if they are others afterwards.
func CheckFrozen(t testing.TB, launch clone.Launcher, offsets Offsets) {
	t.Helper()
	const file = "/proc/self/timens_offsets"
	p := NewProgram(t)
	inside := p.WriteFile(file, "monotonic 1 0\n")
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	after := p.ReadFile(file)
	child, err := launch(p)
	if err != nil {
		t.Fatalf("start a child: %v", err)
	}
	if err := child.Ready(Patience); err != nil {
		t.Error(err)
	}
	if err := Write(child.PID, "boottime 1 0\n"); err != unix.EACCES {
		t.Errorf("write to /proc/CHILD/timens_offsets: %v, want %v", err, unix.EACCES)
	}
	if err := child.Resume(); err != nil {
		t.Error(err)
	}
	Reap(t, child)
	if err := inside.Err(); err != unix.EACCES {
		t.Errorf("write to %s by the child: %v, want %v", file, err, unix.EACCES)
	}
	if got, want := Text(t, after), offsets.String(); got != want {
		t.Errorf("after the writes the file is\n%swant\n%s", got, want)
	}
}
