// SPDX-License-Identifier: BSD-3-Clause

package canary

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"timens-vmtest/internal/wire"
)

// TestMountOver mounts empty file systems over all that uinit and the next test
// need, and passes.
func TestMountOver(t *testing.T) {
	inGuest(t)
	for _, dir := range []string{"/bin", wire.TestDir, "/tmp", "/sys", "/dev", "/proc"} {
		if err := unix.Mount("none", dir, "tmpfs", 0, ""); err != nil {
			t.Errorf("mount over %s: %v", dir, err)
		}
	}
}

// TestDeleteBinary deletes its own binary, which is also that of the next test.
func TestDeleteBinary(t *testing.T) {
	inGuest(t)
	if err := os.Remove(wire.TestBinary("canary")); err != nil {
		t.Fatal(err)
	}
}

// TestFillFileSystems writes to every file system that it can write to, until
// each is full, and passes.
func TestFillFileSystems(t *testing.T) {
	inGuest(t)
	chunk := make([]byte, 1<<20)
	for _, dir := range []string{"/", "/dev", "/dev/shm", "/etc", "/tmp"} {
		f, err := os.Create(filepath.Join(dir, "canary"))
		for err == nil {
			_, err = f.Write(chunk)
		}
		if !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.EROFS) && !errors.Is(err, os.ErrPermission) {
			t.Errorf("fill %s: %v", dir, err)
		}
		t.Log(err)
	}
}

// TestSysctl forbids time namespaces to the whole machine, and passes.
func TestSysctl(t *testing.T) {
	inGuest(t)
	write(t, "/proc/sys/user/max_time_namespaces", "0")
}

// TestLeaveProcess leaves a process behind that would never end, and passes.
// The process has a session of its own.
func TestLeaveProcess(t *testing.T) {
	inGuest(t)
	pid, _, errno := unix.RawSyscall(unix.SYS_FORK, 0, 0, 0)
	if pid == 0 && errno == 0 {
		// It has no Go runtime, so it may only make system calls.
		unix.RawSyscall(unix.SYS_SETSID, 0, 0, 0)
		for {
			unix.RawSyscall(unix.SYS_PAUSE, 0, 0, 0)
		}
	}
	if errno != 0 {
		t.Fatal(errno)
	}
}

// TestFindKey looks for the key of the run below what is mounted. Who has the
// key can forge the records of a pass.
func TestFindKey(t *testing.T) {
	inGuest(t)
	for _, dir := range []string{"/etc", "/tmp"} {
		for unix.Unmount(dir, unix.MNT_DETACH) == nil {
		}
	}
	for _, path := range []string{wire.KeyPath, filepath.Join("/tmp", wire.KeyPath)} {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v, want that it does not exist", path, err)
		}
	}
}
