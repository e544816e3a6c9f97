// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/capability"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/osthread"
	"timens-vmtest/tests/internal/timens"
)

// When the first process enters a time namespace, its offsets become final: no
// process can write them any more.
func TestOffsetsFileFrozen(t *testing.T) {
	timens.Need(t)
	timens.CheckFrozen(t, timens.Unshared(timens.Ahead), timens.Ahead)
}

// The offsets of the initial time namespace cannot be written.
func TestOffsetsFileFrozenInitially(t *testing.T) {
	timens.Need(t)
	for _, text := range []string{"monotonic 0 0\n", "boottime 0 0\n", timens.Ahead.String()} {
		if err := timens.Write(os.Getpid(), text); err != unix.EACCES {
			t.Errorf("write %q to %s: %v, want %v", text, offsetsFile, err, unix.EACCES)
		}
	}
	if got, want := pendingText(t), (timens.Offsets{}).String(); got != want {
		t.Errorf("after the writes the file is\n%swant\n%s", got, want)
	}
}

// Offsets become final when the first task enters the time namespace, in
// whatever way, and not before.
func TestOffsetsFileFrozenBy(t *testing.T) {
	timens.Need(t)
	run := func(launch clone.Launcher) func(*testing.T) {
		return func(t *testing.T) { timens.Run(t, launch, timens.NewProgram(t)) }
	}
	for _, test := range []struct {
		name string
		do   func(*testing.T)
		want error
	}{
		{"nothing", func(*testing.T) {}, nil},
		{"fork", run(timens.Fork), unix.EACCES},
		{"vfork", run(vfork), nil},
		{"vfork and exec", func(t *testing.T) {
			timens.MeasureExec(t, vfork, timens.NewProgram(t), "clocks", nil)
		}, unix.EACCES},
		{"vfork without shared memory", run(launcher(unix.CLONE_VFORK, unix.SIGCHLD)), unix.EACCES},
		{"shared memory", run(launcher(unix.CLONE_VM, unix.SIGCHLD)), nil},
		{"thread", run(thread), nil},
		{"fork into another UTS namespace", run(launcher(unix.CLONE_NEWUTS, unix.SIGCHLD)), unix.EACCES},
		{"fork into another time namespace", run(launcher(unix.CLONE_NEWTIME, unix.SIGCHLD)), nil},
		{"setns by another process", enterPending, unix.EACCES},
		{"open of the namespace", func(t *testing.T) {
			ns, err := os.Open("/proc/thread-self/ns/time_for_children")
			if err != nil {
				t.Fatal(err)
			}
			ns.Close()
		}, nil},
		{"unshare of another kind", func(t *testing.T) {
			if err := unix.Unshare(unix.CLONE_NEWUTS); err != nil {
				t.Fatal(err)
			}
		}, nil},
		{"read", func(t *testing.T) { pendingText(t) }, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			timens.WithPending(t, timens.Ahead, func() {
				test.do(t)
				for _, text := range []string{timens.Behind.String(), "monotonic 1 0\n", "boottime 1 0\n"} {
					if err := timens.Write(unix.Gettid(), text); err != test.want {
						t.Errorf("write %q after %s: %v, want %v", text, test.name, err, test.want)
					}
				}
				if got := pendingText(t); test.want != nil && got != timens.Ahead.String() {
					t.Errorf("after the writes the file is\n%swant\n%s", got, timens.Ahead)
				}
			})
		})
	}
}

// enterPending lets a child of another thread enter the namespace that is
// pending here.
func enterPending(t *testing.T) {
	pending, err := os.Open("/proc/thread-self/ns/time_for_children")
	if err != nil {
		t.Fatal(err)
	}
	defer pending.Close()
	err = osthread.Run(func() error { return joinBy(t, pending, unix.CLONE_NEWTIME) })
	if err != nil {
		t.Errorf("setns: %v", err)
	}
}

// A write to final offsets gets the error of the first check that fails: EINVAL
// for a line that does not parse, EPERM without CAP_SYS_TIME, EINVAL or ERANGE
// for bad offsets, and only then EACCES.
func TestOffsetsFileOrderOfErrors(t *testing.T) {
	timens.Need(t)
	const (
		good   = "monotonic 0 0\n"
		syntax = "monotonic 0\n"
		nsec   = "monotonic 0 18446744073709551615\n" // -1, which passes the first check
		early  = "monotonic -4000000000 0\n"
	)
	tid := unix.Gettid()
	for text, want := range map[string]error{good: unix.EACCES, syntax: unix.EINVAL, nsec: unix.EINVAL, early: unix.ERANGE} {
		if err := timens.Write(os.Getpid(), text); err != want {
			t.Errorf("write %q to frozen offsets: %v, want %v", text, err, want)
		}
	}
	err := osthread.Run(func() error {
		if err := capability.Drop(unix.CAP_SYS_TIME); err != nil {
			return err
		}
		for text, want := range map[string]error{good: unix.EPERM, syntax: unix.EINVAL, nsec: unix.EPERM, early: unix.EPERM} {
			if err := timens.Write(tid, text); err != want {
				t.Errorf("write %q to frozen offsets without CAP_SYS_TIME: %v, want %v", text, err, want)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
