// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/timens"
)

// lacks skips a test if err is the answer of a kernel that does not have what the
// test is about. kernel/expect says on which kernels the test may be skipped.
func lacks(t *testing.T, what string, err error, answer unix.Errno) {
	t.Helper()
	if err == answer {
		t.Skipf("%s: %v: this kernel does not have it", what, err)
	}
}

// The identifiers of the initial time namespace and of the last initial namespace.
const (
	initialID     = 6
	lastInitialID = 8
)

// namespaceID asks for the identifier of a namespace. The error is not wrapped.
func namespaceID(file *os.File) (id uint64, err error) {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, file.Fd(), unix.NS_GET_ID, uintptr(unsafe.Pointer(&id)))
	if errno != 0 {
		return 0, errno
	}
	return id, nil
}

// needID is namespaceID for a test that is skipped on a kernel without identifiers.
func needID(t *testing.T, file *os.File) uint64 {
	t.Helper()
	id, err := namespaceID(file)
	lacks(t, "NS_GET_ID", err, unix.ENOTTY)
	if err != nil {
		t.Fatalf("NS_GET_ID: %v", err)
	}
	return id
}

// withUnshared returns a program that unshares a time namespace for its children and
// pauses.
func withUnshared(t *testing.T) *clone.Program {
	t.Helper()
	p := timens.NewProgram(t)
	p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWTIME)
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	return p
}

// NS_GET_ID returns the identifier of a time namespace, which is the same for every
// descriptor. That of the initial namespace is 6. Each new namespace gets a larger
// one than all before.
func TestNamespaceID(t *testing.T) {
	timens.Need(t)
	if got := needID(t, openNamespace(t, os.Getpid(), "time")); got != initialID {
		t.Errorf("the identifier of the initial namespace is %d, want %d", got, initialID)
	}
	last := uint64(lastInitialID)
	for range 3 {
		child := start(t, timens.Unshared(timens.Ahead), withUnshared(t))
		pidfd := openPID(t, child.PID)
		for _, in := range []struct {
			name    string
			request uint
		}{{"time", pidfdGetTime}, {"time_for_children", pidfdGetTimeForChildren}} {
			id := needID(t, openNamespace(t, child.PID, in.name))
			if id <= last {
				t.Errorf("the identifier of %s is %d, and that of an older namespace is %d", in.name, id, last)
			}
			last = id
			if got := needID(t, namespaceOf(t, pidfd, in.request)); got != id {
				t.Errorf("ioctl %#x of the pidfd opens namespace %d, and the link %s opens %d", in.request, got, in.name, id)
			}
		}
		finish(t, child)
	}
	mem := timens.TwoPages(t, unix.PROT_READ, unix.PROT_NONE)
	if _, err := ioctl(openNamespace(t, os.Getpid(), "time"), unix.NS_GET_ID, uintptr(unsafe.Pointer(&mem[0]))); err != unix.EFAULT {
		t.Errorf("NS_GET_ID to memory that is read-only: %v, want %v", err, unix.EFAULT)
	}
}

// The requests of NSIO that are for mount and PID namespaces, and one that does not
// exist. Package unix lacks some.
const (
	nsGetTGIDFromPIDNS = 0x8004b707
	nsGetPIDInPIDNS    = 0x8004b708
	nsGetTGIDInPIDNS   = 0x8004b709
	nsMntGetInfo       = 0x8010b70a
	nsMntGetNext       = 0x8010b70b
	nsMntGetPrev       = 0x8010b70c
	nsNothing          = 0xb77f
)

// A time namespace refuses the ioctls that are for mount and PID namespaces with
// EINVAL, and those that no namespace has with ENOTTY.
func TestNamespaceIoctlsOfOtherKinds(t *testing.T) {
	timens.Need(t)
	child := resident(t, timens.Unshared(timens.Ahead))
	mem := timens.TwoPages(t, unix.PROT_READ|unix.PROT_WRITE, unix.PROT_NONE)
	arg := uintptr(unsafe.Pointer(&mem[0]))
	self := uintptr(os.Getpid())
	for pid, name := range map[int]string{os.Getpid(): "initial", child.PID: "new"} {
		file := openNamespace(t, pid, "time")
		for _, test := range []struct {
			name    string
			request uint
			arg     uintptr
			want    unix.Errno
		}{
			{"NS_GET_MNTNS_ID", unix.NS_GET_MNTNS_ID, arg, unix.EINVAL},
			{"NS_GET_PID_FROM_PIDNS", unix.NS_GET_PID_FROM_PIDNS, self, unix.EINVAL},
			{"NS_GET_TGID_FROM_PIDNS", nsGetTGIDFromPIDNS, self, unix.EINVAL},
			{"NS_GET_PID_IN_PIDNS", nsGetPIDInPIDNS, self, unix.EINVAL},
			{"NS_GET_TGID_IN_PIDNS", nsGetTGIDInPIDNS, self, unix.EINVAL},
			{"NS_MNT_GET_INFO", nsMntGetInfo, arg, unix.EINVAL},
			{"NS_MNT_GET_NEXT", nsMntGetNext, arg, unix.EINVAL},
			{"NS_MNT_GET_PREV", nsMntGetPrev, arg, unix.EINVAL},
			{"a request that does not exist", nsNothing, arg, unix.ENOTTY},
		} {
			_, err := ioctl(file, test.request, test.arg)
			if test.request != nsNothing {
				lacks(t, test.name, err, unix.ENOTTY)
			}
			if err != test.want {
				t.Errorf("%s of the %s namespace: %v, want %v", test.name, name, err, test.want)
			}
		}
	}
}
