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
	"timens-vmtest/tests/internal/timens"
)

// user is the ID of an ordinary user.
const user = 1000

// A write to timens_offsets without CAP_SYS_TIME fails with EPERM and changes
// nothing.
func TestOffsetsFileNeedsCapSysTime(t *testing.T) {
	timens.Need(t)
	err := osthread.Run(func() error {
		if err := unix.Unshare(unix.CLONE_NEWTIME); err != nil {
			return err
		}
		if err := capability.Drop(unix.CAP_SYS_TIME); err != nil {
			return err
		}
		// The range is not checked: without the capability every write
		// that parses gets EPERM.
		for _, text := range []string{"monotonic 1 0\n", "boottime 1 0\n", "monotonic -9223372036 0\n"} {
			if err := timens.Write(unix.Gettid(), text); err != unix.EPERM {
				t.Errorf("write %q without CAP_SYS_TIME: %v, want %v", text, err, unix.EPERM)
			}
		}
		if got, want := pendingText(t), (timens.Offsets{}).String(); got != want {
			t.Errorf("after the writes the file is\n%swant\n%s", got, want)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// CAP_SYS_TIME is the only capability that a write to timens_offsets needs.
func TestOffsetsFileNeedsOnlyCapSysTime(t *testing.T) {
	timens.Need(t)
	err := osthread.Run(func() error {
		if err := unix.Unshare(unix.CLONE_NEWTIME); err != nil {
			return err
		}
		for id := range unix.CAP_LAST_CAP + 1 {
			if id == unix.CAP_SYS_TIME {
				continue
			}
			if err := capability.Drop(id); err != nil {
				return err
			}
		}
		if err := timens.Write(unix.Gettid(), "monotonic 1 0\n"); err != nil {
			t.Errorf("write with CAP_SYS_TIME and nothing else: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// A write to timens_offsets needs CAP_SYS_TIME in the process that opened the
// file. The writer does not need it.
func TestOffsetsFileNeedsCapSysTimeOfOpener(t *testing.T) {
	timens.Need(t)
	timens.WithPending(t, timens.Offsets{}, func() {
		tid, root := unix.Gettid(), openPending(t, unix.O_WRONLY)
		defer unix.Close(root)
		err := osthread.Run(func() error {
			if err := capability.Drop(unix.CAP_SYS_TIME); err != nil {
				return err
			}
			if _, err := unix.Write(root, []byte("monotonic 3 4\n")); err != nil {
				t.Errorf("write without CAP_SYS_TIME to a file opened with it: %v", err)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		opened := openWithout(t, tid, unix.CAP_SYS_TIME)
		defer unix.Close(opened)
		if _, err := unix.Write(opened, []byte("monotonic 5 6\n")); err != unix.EPERM {
			t.Errorf("write with CAP_SYS_TIME to a file opened without it: %v, want %v", err, unix.EPERM)
		}
		want := "monotonic           3         4\nboottime            0         0\n"
		if got := pendingText(t); got != want {
			t.Errorf("after the writes the file is\n%swant\n%s", got, want)
		}
	})
}

// openWithout opens the offsets file of a thread on a thread that lacks a
// capability.
func openWithout(t *testing.T, tid, lacking int) (file int) {
	t.Helper()
	err := withoutCapability(lacking, func() (err error) {
		file, err = unix.Open(timens.OffsetsFile(tid), unix.O_WRONLY|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// A write to timens_offsets needs CAP_SYS_TIME in the user namespace that owns
// the time namespace. Root of a user namespace may set the offsets that it owns,
// and none that its parent owns.
func TestOffsetsFileOwner(t *testing.T) {
	timens.Need(t)
	p := timens.NewProgram(t)
	outer := p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWTIME)
	newUser := p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWUSER)
	foreign := p.WriteFile(offsetsFile, "monotonic 3 4\n")
	inner := p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWTIME)
	own := p.WriteFile(offsetsFile, "monotonic 5 6\n")
	timens.Run(t, timens.Fork, p)
	for what, result := range map[string]interface{ Err() error }{
		"unshare(CLONE_NEWTIME)": outer, "unshare(CLONE_NEWUSER)": newUser, "unshare(CLONE_NEWTIME) in it": inner,
	} {
		if err := result.Err(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	if err := foreign.Err(); err != unix.EPERM {
		t.Errorf("write from a user namespace to offsets owned by its parent: %v, want %v", err, unix.EPERM)
	}
	if err := own.Err(); err != nil {
		t.Errorf("write to offsets owned by the writer's user namespace: %v", err)
	}
}

// A timens_offsets file that was opened in a user namespace cannot set the
// offsets of a time namespace that the initial user namespace owns, even if the
// initial root writes to it.
func TestOffsetsFileOpenedInUserNamespace(t *testing.T) {
	timens.Need(t)
	p := timens.NewProgram(t)
	p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWTIME)
	p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWUSER)
	file := p.Open(offsetsFile, unix.O_WRONLY)
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	child := start(t, timens.Fork, p)
	fd, err := file.Value()
	if err != nil {
		t.Fatalf("open %s in a user namespace: %v", offsetsFile, err)
	}
	pidfd, err := unix.PidfdOpen(child.PID, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pidfd)
	mine, err := unix.PidfdGetfd(pidfd, fd, 0)
	if err != nil {
		t.Fatalf("pidfd_getfd: %v", err)
	}
	defer unix.Close(mine)
	if _, err := unix.Write(mine, []byte("monotonic 3 4\n")); err != unix.EPERM {
		t.Errorf("root's write to a file opened in a user namespace: %v, want %v", err, unix.EPERM)
	}
	if err := timens.Write(child.PID, "monotonic 3 4\n"); err != nil {
		t.Errorf("root's write to the same file opened by root: %v", err)
	}
	finish(t, child)
}

// An unprivileged user can make a time namespace together with a user
// namespace, and set its offsets.
func TestOffsetsFileOfUser(t *testing.T) {
	timens.Need(t)
	err := osthread.Run(func() error {
		if err := capability.SetUser(user); err != nil {
			return err
		}
		p := timens.NewProgram(t)
		alone := p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWTIME)
		both := p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWUSER|unix.CLONE_NEWTIME)
		write := p.WriteFile(offsetsFile, timens.Across.String())
		file := p.ReadFile(offsetsFile)
		timens.Run(t, timens.Fork, p)
		if err := alone.Err(); err != unix.EPERM {
			t.Errorf("unshare(CLONE_NEWTIME) by user %d: %v, want %v", user, err, unix.EPERM)
		}
		if err := both.Err(); err != nil {
			t.Fatalf("unshare(CLONE_NEWUSER|CLONE_NEWTIME) by user %d: %v", user, err)
		}
		if err := write.Err(); err != nil {
			t.Errorf("write %q by user %d to the user's own offsets: %v", timens.Across, user, err)
		}
		if got := timens.Text(t, file); got != timens.Across.String() {
			t.Errorf("the file is\n%swant\n%s", got, timens.Across)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// Every user may read the timens_offsets file of every task. Only the task's user
// may open it for writing, and still needs CAP_SYS_TIME to write.
func TestOffsetsFileMode(t *testing.T) {
	timens.Need(t)
	timens.WithPending(t, timens.Ahead, func() {
		path := timens.OffsetsFile(unix.Gettid())
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode(); got != 0o644 {
			t.Errorf("the mode of %s is %v, want %v", path, got, os.FileMode(0o644))
		}
		err = osthread.Run(func() error {
			if err := capability.SetUser(user); err != nil {
				return err
			}
			if text, err := os.ReadFile(path); string(text) != timens.Ahead.String() || err != nil {
				t.Errorf("user %d reads %q, %v, want %q", user, text, err, timens.Ahead)
			}
			for _, flags := range []int{unix.O_WRONLY, unix.O_RDWR} {
				if err := openAndClose(path, flags); err != unix.EACCES {
					t.Errorf("user %d opens root's file with flags %#x: %v, want %v", user, flags, err, unix.EACCES)
				}
			}
			if err := timens.Write(unix.Gettid(), "monotonic 0 0\n"); err != unix.EPERM {
				t.Errorf("user %d writes to the user's own file of the initial namespace: %v, want %v", user, err, unix.EPERM)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func openAndClose(path string, flags int) error {
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
	if err == nil {
		err = unix.Close(fd)
	}
	return err
}

// A timens_offsets file that was opened before its task ended is empty while the
// task is a zombie. Later reads, and all writes, fail with ESRCH.
func TestOffsetsFileOfDeadTask(t *testing.T) {
	timens.Need(t)
	child := start(t, timens.Unshared(timens.Ahead), pausing(t))
	path := timens.OffsetsFile(child.PID)
	file, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(file)
	check := func(task, wantText string, wantRead, wantWrite error) {
		t.Helper()
		buf := make([]byte, 512)
		n, err := unix.Pread(file, buf, 0)
		if err != wantRead || string(buf[:max(n, 0)]) != wantText {
			t.Errorf("read from %s of a %s task: %q, %v, want %q, %v", path, task, buf[:max(n, 0)], err, wantText, wantRead)
		}
		if _, err := unix.Write(file, []byte("monotonic 1 0\n")); err != wantWrite {
			t.Errorf("write to %s of a %s task: %v, want %v", path, task, err, wantWrite)
		}
	}
	check("living", timens.Ahead.String(), nil, unix.EACCES)
	if err := child.Resume(); err != nil {
		t.Fatal(err)
	}
	awaitZombie(t, child)
	check("zombie", "", nil, unix.ESRCH)
	timens.Reap(t, child)
	check("reaped", "", unix.ESRCH, unix.ESRCH)
	if err := openAndClose(path, unix.O_RDONLY); err != unix.ENOENT {
		t.Errorf("open of %s: %v, want %v", path, err, unix.ENOENT)
	}
}

// awaitZombie waits until a child has ended, and leaves it a zombie.
func awaitZombie(t *testing.T, child *clone.Child) {
	t.Helper()
	if err := unix.Waitid(unix.P_PID, child.PID, nil, unix.WEXITED|unix.WNOWAIT|unix.WALL, nil); err != nil {
		t.Fatal(fmt.Errorf("waitid %d: %w", child.PID, err))
	}
}
