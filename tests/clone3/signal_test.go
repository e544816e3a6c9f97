// SPDX-License-Identifier: BSD-3-Clause

// The tests in this file pass on kernels with and without a series.

package clone3

import (
	"fmt"
	"math"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/bits"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/design"
	"timens-vmtest/tests/internal/timens"
)

// Every valid exit signal works with CLONE_NEWTIME: the signal has a member of
// its own in clone_args and shares no bit with the flag.
func TestExitSignals(t *testing.T) {
	timens.Need(t)
	const last = 64
	for number := range uint64(last + 1) {
		args := late()
		args.ExitSignal = number
		design.RefuseSize(t, args, clone.SizeVer2, taken)
	}
	for _, number := range []uint64{
		last + 1, 0x7f, 0x80, 0x80 | uint64(unix.SIGCHLD), 0xff, 0x100, 0x100 | uint64(unix.SIGCHLD),
		1<<31 | uint64(unix.SIGCHLD), 1<<32 | uint64(unix.SIGCHLD), 1 << 63, ^uint64(0),
	} {
		t.Run(fmt.Sprintf("%#x", number), func(t *testing.T) {
			args := late()
			args.ExitSignal = number
			design.RefuseSize(t, args, clone.SizeVer2, unix.EINVAL)
		})
	}
}

// The parent gets the exit signal that it asked for, and wait4() needs __WCLONE
// if that is not SIGCHLD.
func TestExitSignalArrives(t *testing.T) {
	timens.Need(t)
	for _, want := range []unix.Signal{0, unix.SIGCHLD, unix.SIGWINCH, unix.SIGURG} {
		t.Run(fmt.Sprint(int(want)), func(t *testing.T) {
			args := design.NewTime()
			args.ExitSignal = uint64(want)
			child := startPaused(t, design.Launch(args))
			if got := exitSignal(t, child.PID); got != int(want) {
				t.Errorf("/proc/PID/stat says exit signal %d, want %d", got, want)
			}
			wrong, right := math.MinInt32, 0 // __WCLONE, which is too large for an int of 32 bits
			if want != unix.SIGCHLD {
				wrong, right = right, wrong
			}
			if pid, err := unix.Wait4(child.PID, nil, unix.WNOHANG|wrong, nil); err != unix.ECHILD {
				t.Errorf("wait4 with the wrong options %#x: %d, %v, want %v", wrong, pid, err, unix.ECHILD)
			}
			if pid, err := unix.Wait4(child.PID, nil, unix.WNOHANG|right, nil); pid != 0 || err != nil {
				t.Errorf("wait4 with options %#x: %d, %v, want 0 for a running child", right, pid, err)
			}
			arrived := make(chan os.Signal, 10)
			signal.Notify(arrived, unix.SIGCHLD, unix.SIGWINCH)
			defer signal.Stop(arrived)
			endPaused(t, child)
			if want != unix.SIGCHLD && want != unix.SIGWINCH {
				return // the Go runtime uses SIGURG itself
			}
			select {
			case got := <-arrived:
				if got != want {
					t.Errorf("the child's end sent %v, want %v", got, want)
				}
			case <-time.After(timens.Patience):
				t.Errorf("the child's end sent no signal within %v, want %v", timens.Patience, want)
			}
		})
	}
}

// exitSignal returns field 38 of /proc/PID/stat.
func exitSignal(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 36 {
		t.Fatalf("/proc/%d/stat is %q", pid, text)
	}
	n, err := strconv.Atoi(fields[35])
	if err != nil {
		t.Fatalf("/proc/%d/stat: exit signal: %v", pid, err)
	}
	return n
}

// The old clone() cannot make a time namespace: CLONE_NEWTIME lies in the eight
// bits of its exit signal. On Linux 6.12 the child gets an invalid signal and
// stays in its parent's namespace. Kernels that define CLONE_AUTOREAP may refuse
// the signal with EINVAL, as Linux 7.3 does.
func TestLegacyCloneHasNoNewTime(t *testing.T) {
	timens.Need(t)
	const signal = unix.CLONE_NEWTIME | uintptr(unix.SIGCHLD)
	p := timens.NewProgram(t)
	// Both processes run the same steps: first the child, and after its end
	// the parent, whose results remain.
	clone := p.Syscall(unix.SYS_CLONE, signal|unix.CLONE_VFORK, 0, 0, 0, 0)
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	ordinary := p.Syscall(unix.SYS_WAIT4, ^uintptr(0), 0, 0, 0)
	all := p.Syscall(unix.SYS_WAIT4, ^uintptr(0), 0, unix.WALL, 0)

	parent, err := timens.Unshared(timens.Across)(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Ready(timens.Patience); err != nil {
		t.Fatal(err)
	}
	defined, err := design.CloneFlags()
	if err != nil {
		t.Fatal(err)
	}
	if defined&bits.Autoreap != 0 && childrenOf(t, parent.PID) == "" {
		endPaused(t, parent)
		if got, err := clone.Value(); err != unix.EINVAL {
			t.Errorf("clone(%#x) made no child and returned %d, %v, want %v", signal, got, err, unix.EINVAL)
		}
		return
	}
	pid := onlyChild(t, parent.PID)
	if got := exitSignal(t, pid); got != int(signal) {
		t.Errorf("the child of clone(%#x) has exit signal %#x, want %#x", signal, got, signal)
	}
	for _, name := range []string{"time", "time_for_children"} {
		if got, want := processLink(t, pid, name), processLink(t, parent.PID, "time"); got != want {
			t.Errorf("the child of clone(%#x) is in %s by %s, want its parent's %s", signal, got, name, want)
		}
	}
	if err := parent.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := parent.Ready(timens.Patience); err != nil {
		t.Fatal(err)
	}
	endPaused(t, parent)
	if got, err := clone.Value(); got != pid || err != nil {
		t.Errorf("clone(%#x) returned %d, %v, want %d", signal, got, err, pid)
	}
	if got, err := ordinary.Value(); err != unix.ECHILD {
		t.Errorf("wait4 of children with SIGCHLD: %d, %v, want %v", got, err, unix.ECHILD)
	}
	if got, err := all.Value(); got != pid || err != nil {
		t.Errorf("wait4 of all children: %d, %v, want %d", got, err, pid)
	}
}

// onlyChild returns the PID of a process's only child.
func onlyChild(t *testing.T, pid int) int {
	t.Helper()
	text := childrenOf(t, pid)
	child, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("the children of %d are %q", pid, text)
	}
	return child
}

// childrenOf returns what the kernel lists as the children of a process: their
// PIDs, separated by blanks.
func childrenOf(t *testing.T, pid int) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}
