// SPDX-License-Identifier: BSD-3-Clause

package initramfs

import (
	"bytes"
	"testing"

	"github.com/u-root/u-root/pkg/cpio"

	"timens-vmtest/internal/wire"
)

// An archive for a shell has the shell, its commands and all test binaries, and
// its plan names tests that one may run. It has no plan for the guest.
func TestBuildShell(t *testing.T) {
	s := spec(t, "TestTimerfd")
	s.Shell = true
	a, err := Build(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Plan.Tests) == 0 || a.Plan.Tests[0].Package != "timens" {
		t.Errorf("the plan has the tests %v", a.Plan.Tests)
	}
	archive, err := cpio.ArchiveFromReader(cpio.Newc.Reader(bytes.NewReader(a.CPIO)))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"bin/sh", "bin/tail", "bin/less", "bin/page", "bin/strace", "bin/stty", "tests/timens.test", "tests/clone3.test", "tests/386/clone3.test"} {
		if _, ok := archive.Get(name); !ok {
			t.Errorf("the archive has no %s", name)
		}
	}
	for _, path := range []string{wire.PlanPath, wire.FirstTest, wire.KeyPath} {
		if _, ok := archive.Get(path[1:]); ok {
			t.Errorf("the archive has %s", path)
		}
	}
}
