// SPDX-License-Identifier: BSD-3-Clause

package clone3

import (
	"fmt"
	"os"
	"testing"

	"timens-vmtest/tests/internal/capability"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/osthread"
	"timens-vmtest/tests/internal/timens"
)

// startPaused starts a child that waits until endPaused.
func startPaused(t *testing.T, launch clone.Launcher) *clone.Child {
	t.Helper()
	p := timens.NewProgram(t)
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	child, err := launch(p)
	if err != nil {
		t.Fatalf("start a child: %v", err)
	}
	if err := child.Ready(timens.Patience); err != nil {
		t.Fatal(err)
	}
	return child
}

// endPaused resumes a child at its last pause and waits for its end.
func endPaused(t *testing.T, child *clone.Child) {
	t.Helper()
	if err := child.Resume(); err != nil {
		t.Error(err)
	}
	timens.Reap(t, child)
}

// processLink resolves a namespace link of a process.
func processLink(t *testing.T, pid int, name string) string {
	t.Helper()
	link, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, name))
	if err != nil {
		t.Error(err)
	}
	return link
}

// asUser calls fn on a thread that has no capability.
func asUser(t *testing.T, fn func()) {
	t.Helper()
	err := osthread.Run(func() error {
		if err := capability.SetUser(1000); err != nil {
			return err
		}
		fn()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
