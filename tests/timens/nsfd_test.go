// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/capability"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/osthread"
	"timens-vmtest/tests/internal/timens"
)

// These ioctls of a pidfd open a namespace of its task: _IO(0xff, n).
const (
	pidfdGetTime            = 0xff07
	pidfdGetTimeForChildren = 0xff08
)

// namespaceOf opens a namespace by a pidfd.
func namespaceOf(t *testing.T, pidfd *os.File, request uint) *os.File {
	t.Helper()
	fd, err := ioctl(pidfd, request, 0)
	if err != nil {
		t.Fatalf("ioctl %#x of %s: %v", request, pidfd.Name(), err)
	}
	file := os.NewFile(uintptr(fd), "namespace")
	t.Cleanup(func() { file.Close() })
	return file
}

func ioctl(file *os.File, request uint, arg uintptr) (int, error) {
	ret, _, errno := unix.Syscall(unix.SYS_IOCTL, file.Fd(), uintptr(request), arg)
	if errno != 0 {
		return -1, errno
	}
	return int(ret), nil
}

// The ioctls of a pidfd open both time namespaces of its task without /proc.
func TestPidfdGetNamespace(t *testing.T) {
	timens.Need(t)
	p := timens.NewProgram(t)
	p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWTIME)
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	child := start(t, timens.Unshared(timens.Ahead), p)
	pidfd := openPID(t, child.PID)
	inodes := make(map[string]uint64)
	for name, request := range map[string]uint{"time": pidfdGetTime, "time_for_children": pidfdGetTimeForChildren} {
		file := namespaceOf(t, pidfd, request)
		inodes[name] = inode(t, file)
		if want := inode(t, openNamespace(t, child.PID, name)); inodes[name] != want {
			t.Errorf("ioctl %#x opens namespace %d, and /proc/PID/ns/%s is %d", request, inodes[name], name, want)
		}
		if flags, err := unix.FcntlInt(file.Fd(), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("ioctl %#x: F_GETFD is %#x, %v, want FD_CLOEXEC", request, flags, err)
		}
		if _, err := ioctl(pidfd, request, 1); err != unix.EINVAL {
			t.Errorf("ioctl %#x with an argument: %v, want %v", request, err, unix.EINVAL)
		}
	}
	if inodes["time"] == inodes["time_for_children"] {
		t.Errorf("after unshare() both are namespace %d", inodes["time"])
	}
	finish(t, child)
}

// The ioctls of a pidfd fail with ESRCH for a zombie and for a task that was
// waited for.
func TestPidfdGetNamespaceOfDead(t *testing.T) {
	timens.Need(t)
	child, pidfd := zombie(t)
	for _, request := range []uint{pidfdGetTime, pidfdGetTimeForChildren} {
		if _, err := ioctl(pidfd, request, 0); err != unix.ESRCH {
			t.Errorf("ioctl %#x for a zombie: %v, want %v", request, err, unix.ESRCH)
		}
	}
	timens.Reap(t, child)
	for _, request := range []uint{pidfdGetTime, pidfdGetTimeForChildren} {
		if _, err := ioctl(pidfd, request, 0); err != unix.ESRCH {
			t.Errorf("ioctl %#x for a process that is gone: %v, want %v", request, err, unix.ESRCH)
		}
	}
}

// zombie returns a child that has ended in a time namespace and that nobody has
// waited for.
func zombie(t *testing.T) (*clone.Child, *os.File) {
	t.Helper()
	child := start(t, timens.Unshared(timens.Ahead), pausing(t))
	pidfd := openPID(t, child.PID)
	if err := child.Resume(); err != nil {
		t.Fatal(err)
	}
	awaitZombie(t, child)
	return child, pidfd
}

// A user can open another user's time namespaces neither by their links nor by a
// pidfd.
func TestNamespacesOfStranger(t *testing.T) {
	timens.Need(t)
	child := resident(t, timens.Unshared(timens.Ahead))
	pidfd := openPID(t, child.PID)
	err := osthread.Run(func() error {
		if err := capability.SetUser(user); err != nil {
			return err
		}
		for name, request := range map[string]uint{"time": pidfdGetTime, "time_for_children": pidfdGetTimeForChildren} {
			path := namespacePath(child.PID, name)
			if _, err := unix.Readlink(path, make([]byte, 64)); err != unix.EACCES {
				t.Errorf("readlink %s by user %d: %v, want %v", path, user, err, unix.EACCES)
			}
			if err := openAndClose(path, unix.O_RDONLY); err != unix.EACCES {
				t.Errorf("open %s by user %d: %v, want %v", path, user, err, unix.EACCES)
			}
			if _, err := ioctl(pidfd, request, 0); err != unix.EACCES {
				t.Errorf("ioctl %#x by user %d: %v, want %v", request, user, err, unix.EACCES)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// The ioctls of a time namespace return its type and the user namespace that owns
// it. It has no parent and no owning user ID.
func TestNamespaceIoctls(t *testing.T) {
	timens.Need(t)
	mine, foreign := resident(t, timens.Unshared(timens.Ahead)), resident(t, launcher(unix.CLONE_NEWUSER|unix.CLONE_NEWTIME, unix.SIGCHLD))
	for name, child := range map[string]*clone.Child{"initial": nil, "owned by the initial user namespace": mine, "owned by another": foreign} {
		pid := os.Getpid()
		if child != nil {
			pid = child.PID
		}
		owner := inode(t, openNamespace(t, pid, "user"))
		for _, link := range []string{"time", "time_for_children"} {
			t.Run(name+"/"+link, func(t *testing.T) {
				file := openNamespace(t, pid, link)
				if kind, err := ioctl(file, unix.NS_GET_NSTYPE, 0); kind != unix.CLONE_NEWTIME || err != nil {
					t.Errorf("NS_GET_NSTYPE: %#x, %v, want %#x", kind, err, unix.CLONE_NEWTIME)
				}
				fd, err := ioctl(file, unix.NS_GET_USERNS, 0)
				if err != nil {
					t.Fatalf("NS_GET_USERNS: %v", err)
				}
				user := os.NewFile(uintptr(fd), "owner")
				defer user.Close()
				if got := inode(t, user); got != owner {
					t.Errorf("NS_GET_USERNS: user namespace %d, want %d", got, owner)
				}
				if _, err := ioctl(file, unix.NS_GET_PARENT, 0); err != unix.EINVAL {
					t.Errorf("NS_GET_PARENT: %v, want %v", err, unix.EINVAL)
				}
				uid := timens.TwoPages(t, unix.PROT_READ|unix.PROT_WRITE, unix.PROT_NONE)
				if _, err := ioctl(file, unix.NS_GET_OWNER_UID, uintptr(unsafe.Pointer(&uid[0]))); err != unix.EINVAL {
					t.Errorf("NS_GET_OWNER_UID: %v, want %v", err, unix.EINVAL)
				}
			})
		}
	}
}

// A process in a user namespace cannot open the outer user namespace that owns
// its time namespace.
func TestNamespaceOwnerOutside(t *testing.T) {
	timens.Need(t)
	p := timens.NewProgram(t)
	file := p.Open(current, unix.O_RDONLY)
	before := p.On(file, unix.SYS_IOCTL, unix.NS_GET_USERNS, 0)
	unshare := p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWUSER|unix.CLONE_NEWTIME)
	after := p.On(file, unix.SYS_IOCTL, unix.NS_GET_USERNS, 0)
	own := p.Open(children, unix.O_RDONLY)
	inside := p.On(own, unix.SYS_IOCTL, unix.NS_GET_USERNS, 0)
	timens.Run(t, timens.Fork, p)
	for what, err := range map[string]error{
		"unshare": unshare.Err(), "NS_GET_USERNS before it": before.Err(), "NS_GET_USERNS of one's own": inside.Err(),
	} {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := after.Err(); err != unix.EPERM {
		t.Errorf("NS_GET_USERNS of an outer namespace: %v, want %v", err, unix.EPERM)
	}
}

func inode(t *testing.T, file *os.File) uint64 {
	t.Helper()
	var stat unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &stat); err != nil {
		t.Fatalf("fstat: %v", err)
	}
	return stat.Ino
}
