// SPDX-License-Identifier: BSD-3-Clause

package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

// exitNoSandbox is the exit status of a process that could not enter the sandbox.
const exitNoSandbox = 126

// Enter is the main function of a process that Box.Command or Try has started in new
// namespaces. It mounts a root of its own, gives up all privileges and executes the
// command. It does not return. If it cannot enter the sandbox, it says why on standard
// error and exits with status 126.
func Enter() {
	if err := enterSandbox(); err != nil {
		fmt.Fprintf(os.Stderr, "sandbox: %v\n", err)
		unix.Exit(exitNoSandbox)
	}
	unix.Exit(0) // not os.Exit: with the race detector that sleeps for a second
}

func enterSandbox() error {
	runtime.LockOSThread() // each thread has its own privileges, and this thread executes the command
	var c confinement
	if len(os.Args) < 2 {
		return errors.New("only vmtest starts this program to enter the sandbox")
	}
	if err := json.Unmarshal([]byte(os.Args[1]), &c); err != nil {
		return err
	}
	if err := c.Limits.prepare(); err != nil {
		return err
	}
	if err := c.mountRoot(); err != nil {
		return err
	}
	if err := c.Limits.hold(); err != nil {
		return err
	}
	if err := giveWay(); err != nil {
		return err
	}
	if err := dropPrivileges(); err != nil {
		return err
	}
	if err := os.Chdir(c.Dir); err != nil {
		return err
	}
	if err := filterSystemCalls(); err != nil {
		return err
	}
	if len(os.Args) == 2 {
		return nil
	}
	cmdline := append([]string{"/bin/sh", "-c", firstProcess, "sandbox"}, os.Args[2:]...)
	err := unix.Exec(cmdline[0], cmdline, os.Environ())
	return &fs.PathError{Op: "exec", Path: cmdline[0], Err: err}
}

// lowNice is the nice value of what runs in the sandbox. Beside a build a guest may run whose tests
// measure how late it is: with this value the guest has nine times the weight of a compiler.
const lowNice = 10

// giveWay has the command let others run first, unless it does so already.
func giveWay() error {
	now, err := unix.Getpriority(unix.PRIO_PROCESS, 0) // the system call returns 20 less the nice value
	if err != nil || 20-now >= lowNice {
		return os.NewSyscallError("getpriority", err)
	}
	return os.NewSyscallError("setpriority", unix.Setpriority(unix.PRIO_PROCESS, 0, lowNice))
}

// devices are the only devices in the sandbox's /dev.
var devices = []string{"null", "zero", "full", "random", "urandom"}

// mountRoot mounts the file system that the command sees, and makes it the root.
func (c confinement) mountRoot() error {
	if err := mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE); err != nil {
		return err
	}
	if err := mount("tmpfs", c.Root, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV); err != nil {
		return err
	}
	for _, dir := range systemFolders {
		if err := c.show(dir); err != nil {
			return err
		}
	}
	if err := c.makeEtc(); err != nil {
		return err
	}
	for _, dir := range c.Readable {
		if err := c.bind(dir); err != nil {
			return err
		}
	}
	for _, path := range c.Programs {
		if err := os.MkdirAll(filepath.Join(c.Root, filepath.Dir(path)), 0o755); err != nil {
			return err
		}
		if err := c.show(path); err != nil {
			return err
		}
	}
	for _, name := range devices {
		if err := c.bind(filepath.Join("/dev", name)); err != nil {
			return err
		}
	}
	if err := os.Symlink("/proc/self/fd", filepath.Join(c.Root, "dev/fd")); err != nil {
		return err
	}
	if err := c.mountProc(); err != nil {
		return err
	}
	for _, dir := range c.Writable {
		if err := c.bind(dir); err != nil {
			return err
		}
	}
	if err := setReadOnly(c.Root, unix.AT_RECURSIVE, true); err != nil {
		return err
	}
	for _, dir := range c.Writable {
		if err := setReadOnly(filepath.Join(c.Root, c.at(dir)), 0, false); err != nil {
			return err
		}
	}
	if err := os.Chdir(c.Root); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil { // pivot_root(2) says that "." needs no folder for the old root
		return os.NewSyscallError("pivot_root", err)
	}
	return os.NewSyscallError("umount2", unix.Unmount(".", unix.MNT_DETACH))
}

// show makes a path visible in the new root: it copies a symbolic link and binds
// anything else. A path that does not exist is left out.
func (c confinement) show(path string) error {
	target, err := os.Readlink(path)
	if err == nil {
		return os.Symlink(target, filepath.Join(c.Root, path))
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return c.bind(path)
}

// bind mounts a file or folder of the host at the same path in the new root, or where
// c.At has it.
func (c confinement) bind(path string) error {
	to := filepath.Join(c.Root, c.at(path))
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.IsDir() {
		err = os.MkdirAll(to, 0o755)
	} else if err = os.MkdirAll(filepath.Dir(to), 0o755); err == nil {
		var f *os.File
		if f, err = os.OpenFile(to, os.O_RDONLY|os.O_CREATE, 0o644); err == nil { // not truncated: it may be there, in a folder of the host
			err = f.Close()
		}
	}
	if err != nil {
		return err
	}
	return mount(path, to, "", unix.MS_BIND|unix.MS_REC)
}

// mountProc mounts a /proc that has only the processes in the sandbox. The kernel
// forbids that in a container that hides parts of its own /proc. Then the /proc of the
// container is bound: the command sees processes outside and cannot touch them.
func (c confinement) mountProc() error {
	to := filepath.Join(c.Root, "proc")
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	if unix.Mount("proc", to, "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "") == nil {
		return nil
	}
	return mount("/proc", to, "", unix.MS_BIND|unix.MS_REC)
}

func mount(from, to, kind string, flags uintptr) error {
	if err := unix.Mount(from, to, kind, flags, ""); err != nil {
		return &fs.PathError{Op: "mount", Path: to, Err: err}
	}
	return nil
}

func setReadOnly(path string, flags uint, on bool) error {
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	if !on {
		attr = unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY}
	}
	if err := unix.MountSetattr(unix.AT_FDCWD, path, flags, &attr); err != nil {
		return &fs.PathError{Op: "mount_setattr", Path: path, Err: err} // mount_setattr needs Linux 5.12
	}
	return nil
}

// dropPrivileges gives up every capability over these namespaces, so that the command
// cannot change the mounts. Neither root nor a program with file capabilities gets one
// back.
func dropPrivileges() error {
	for c := uintptr(0); ; c++ {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err == unix.EINVAL && c > unix.CAP_LAST_CAP {
			break
		} else if err != nil && err != unix.EINVAL {
			return os.NewSyscallError("prctl PR_CAPBSET_DROP", err)
		}
	}
	none := [2]unix.CapUserData{}
	if err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &none[0]); err != nil {
		return os.NewSyscallError("capset", err)
	}
	return os.NewSyscallError("prctl PR_SET_NO_NEW_PRIVS", unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
}
