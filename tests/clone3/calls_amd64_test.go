// SPDX-License-Identifier: BSD-3-Clause

// The test in this file passes on kernels with and without a series.

package clone3

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/bits"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/timens"
)

// The old clone() ignores the upper 32 bits of its flags: whatever they mean to clone3(),
// the child is an ordinary one.
func TestLegacyCloneIgnoresUpperBits(t *testing.T) {
	timens.Need(t)
	for _, upper := range []uint64{(1<<32 - 1) << 32, bits.Autoreap, bits.NNP, bits.EmptyMntns, unix.CLONE_CLEAR_SIGHAND} {
		t.Run(fmt.Sprintf("%#x", upper), func(t *testing.T) {
			if got := bits.Clone().Answer(upper); got != bits.Ignored {
				t.Errorf("the flags are said to be %v", got)
			}
			p := timens.NewProgram(t)
			// Both processes run the same steps: first the child, and after its end the
			// parent, whose results remain.
			fork := p.Syscall(unix.SYS_CLONE, uintptr(upper)|unix.CLONE_VFORK|uintptr(unix.SIGCHLD), 0, 0, 0, 0)
			if err := p.Pause(); err != nil {
				t.Fatal(err)
			}
			wait := p.Syscall(unix.SYS_WAIT4, ^uintptr(0), 0, 0, 0)
			parent, err := timens.Fork(p)
			if err != nil {
				t.Fatal(err)
			}
			if err := parent.Ready(timens.Patience); err != nil {
				t.Fatal(err)
			}
			pid := onlyChild(t, parent.PID)
			for _, name := range []string{"NoNewPrivs", "SigCgt", "CapEff"} {
				if got, want := statusLine(t, pid, name), statusLine(t, parent.PID, name); got != want {
					t.Errorf("%s of the child is %q, want its parent's %q", name, got, want)
				}
			}
			for _, name := range []string{"mnt", "time", "user", "cgroup"} {
				if got, want := processLink(t, pid, name), processLink(t, parent.PID, name); got != want {
					t.Errorf("the child is in %s, want its parent's %s", got, want)
				}
			}
			passPause(t, parent)
			endPaused(t, parent)
			for what, call := range map[string]clone.Result{"clone": fork, "wait4": wait} {
				if got, err := call.Value(); got != pid || err != nil {
					t.Errorf("%s: %d, %v, want %d", what, got, err, pid)
				}
			}
		})
	}
}

// passPause resumes a child at a pause and waits for its next one.
func passPause(t *testing.T, child *clone.Child) {
	t.Helper()
	if err := child.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := child.Ready(timens.Patience); err != nil {
		t.Fatal(err)
	}
}

// statusLine returns a line of /proc/PID/status.
func statusLine(t *testing.T, pid int, name string) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("/proc/%d/status has no %s", pid, name)
	return ""
}
