// SPDX-License-Identifier: BSD-3-Clause

package uinit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"

	"timens-vmtest/internal/wire"
)

// checkMounts checks the mounts that tests need, because u-root's init only
// logs a mount that failed.
func checkMounts() error {
	for _, m := range []struct {
		dir   string
		magic int64
	}{
		{"/proc", unix.PROC_SUPER_MAGIC},
		{"/sys", unix.SYSFS_MAGIC},
		{"/dev", unix.TMPFS_MAGIC}, // devtmpfs
		{tmpDir, unix.TMPFS_MAGIC},
	} {
		var fs unix.Statfs_t
		if err := unix.Statfs(m.dir, &fs); err != nil {
			return fmt.Errorf("statfs %s: %w", m.dir, err)
		}
		if int64(fs.Type) != m.magic {
			return fmt.Errorf("%s is not mounted: file system type %#x, want %#x", m.dir, fs.Type, m.magic)
		}
	}
	return tidyMounts()
}

// tidyMounts unmounts what u-root's init mounts and no test needs. On /etc it
// mounts a copy, which would hide the file wire.KeyPath from us and not from a
// test that unmounts the copy. Hierarchies of cgroup v1 would keep controllers
// from tests of cgroup v2. POSIX shared memory goes to tmpDir.
func tidyMounts() error {
	const shm, etcCopy = "/dev/shm", tmpDir + "/etc"
	for _, dir := range []string{"/etc", "/sys/fs/cgroup", shm} {
		err := unix.Unmount(dir, unix.MNT_DETACH)
		if err != nil && err != unix.EINVAL && err != unix.ENOENT { // else it is not mounted
			return fmt.Errorf("unmount %s: %w", dir, err)
		}
	}
	return errors.Join(os.RemoveAll(etcCopy), os.RemoveAll(shm), os.Symlink(tmpDir, shm))
}

// protectMounts makes the file systems read-only that hold the programs and the
// device files. Device files can still be written to. Each test has a mount
// namespace of its own, so nothing that it mounts or unmounts changes ours.
func protectMounts() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make the mounts private: %w", err)
	}
	for _, dir := range []string{"/", "/dev"} {
		if err := unix.Mount("", dir, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			return fmt.Errorf("make %s read-only: %w", dir, err)
		}
	}
	return nil
}

// tmpDir is the only folder in which a test can make files. Each test has a
// file system of its own there. It may fill a quarter of the memory.
const (
	tmpDir     = "/tmp"
	tmpOptions = "size=25%,mode=1777"
)

// mountTmp mounts an empty file system on tmpDir and makes the folder of a test
// there.
func mountTmp(t wire.Test) (dir string, err error) {
	if err := unix.Mount("tmpfs", tmpDir, "tmpfs", 0, tmpOptions); err != nil {
		return "", fmt.Errorf("mount %s: %w", tmpDir, err)
	}
	dir = filepath.Join(tmpDir, t.Name)
	return dir, os.Mkdir(dir, 0o755)
}

// unmountTmp removes all that a test has left in tmpDir.
func unmountTmp() error {
	if err := unix.Unmount(tmpDir, unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount %s: %w", tmpDir, err)
	}
	return nil
}

// openMounts opens the mount namespace of a process, which then lives on when
// the process ends.
func openMounts(pid int) (*os.File, error) {
	return os.Open(fmt.Sprintf("/proc/%d/ns/mnt", pid))
}

// enterMounts puts the calling goroutine, and the processes that it starts from
// now on, into a mount namespace.
func enterMounts(ns *os.File) error {
	// A namespace belongs to a thread, which is therefore never unlocked. And
	// setns() refuses a thread that shares its root folder with others.
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	return os.NewSyscallError("setns", unix.Setns(int(ns.Fd()), unix.CLONE_NEWNS))
}
