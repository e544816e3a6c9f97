// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/capability"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/osthread"
	"timens-vmtest/tests/internal/timens"
)

type nsHandle timens.Handle

// openHandle opens a namespace by the bytes of a handle. The error is not wrapped.
func openHandle(t *testing.T, kind int32, bytes []byte) (*os.File, error) {
	t.Helper()
	fd, err := unix.OpenByHandleAt(unix.FD_NSFS_ROOT, unix.NewFileHandle(kind, bytes), unix.O_RDONLY|unix.O_CLOEXEC)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "namespace by its handle")
	t.Cleanup(func() { file.Close() })
	return file, nil
}

func (h nsHandle) open(t *testing.T) (*os.File, error) {
	t.Helper()
	return openHandle(t, timens.HandleType, clone.Bytes(h))
}

// openInside adds an open of the namespace to a program.
func (h nsHandle) openInside(p *clone.Program) clone.Result {
	file := clone.Alloc[timens.FileHandle](p)
	*file = timens.NewFileHandle(timens.Handle(h))
	return timens.OpenByHandle(p, file)
}

// handleOf returns the handle of a namespace. It skips the test on a kernel whose
// namespaces have no handles.
func handleOf(t *testing.T, file *os.File) nsHandle {
	t.Helper()
	handle, _, err := unix.NameToHandleAt(int(file.Fd()), "", unix.AT_EMPTY_PATH)
	lacks(t, "name_to_handle_at() of a namespace", err, unix.EOPNOTSUPP)
	if err != nil {
		t.Fatalf("name_to_handle_at: %v", err)
	}
	want := nsHandle{needID(t, file), unix.CLONE_NEWTIME, uint32(inode(t, file))}
	if got := handle.Bytes(); handle.Type() != timens.HandleType || string(got) != string(clone.Bytes(want)) {
		t.Errorf("the handle of a namespace has type %#x and bytes %x, want %#x and %x", handle.Type(), got, timens.HandleType, clone.Bytes(want))
	}
	return want
}

// handleOfTask is handleOf for a namespace that nobody has open afterwards.
func handleOfTask(t *testing.T, pid int, name string) nsHandle {
	t.Helper()
	file := openNamespace(t, pid, name)
	h := handleOf(t, file)
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	return h
}

// The file handle of a time namespace has its identifier, its type and its inode
// number, and opens the namespace: also the initial one, and one that is only for
// children.
func TestFileHandle(t *testing.T) {
	timens.Need(t)
	child := start(t, timens.Unshared(timens.Ahead), withUnshared(t))
	defer finish(t, child)
	for _, in := range []struct {
		name, link string
		pid        int
	}{{"initial", "time", os.Getpid()}, {"new", "time", child.PID}, {"for children", "time_for_children", child.PID}} {
		h := handleOfTask(t, in.pid, in.link)
		for what, try := range map[string]nsHandle{"whole": h, "with the identifier alone": {ID: h.ID}} {
			file, err := try.open(t)
			if err != nil {
				t.Errorf("open_by_handle_at of the namespace that is %s, by its handle %s: %v", in.name, what, err)
				continue
			}
			if got := inode(t, file); got != uint64(h.Inode) {
				t.Errorf("the handle %s of the namespace that is %s opens inode %d, want %d", what, in.name, got, h.Inode)
			}
			if kind, err := ioctl(file, unix.NS_GET_NSTYPE, 0); kind != unix.CLONE_NEWTIME || err != nil {
				t.Errorf("NS_GET_NSTYPE of a namespace opened by its handle: %#x, %v, want %#x", kind, err, unix.CLONE_NEWTIME)
			}
		}
	}
}

// setns() enters a time namespace that was opened by its file handle.
func TestFileHandleSetns(t *testing.T) {
	timens.Need(t)
	for _, ns := range timens.Examples {
		target := resident(t, timens.Unshared(ns.Offsets))
		link, h := taskLink(t, target.PID, "time"), handleOfTask(t, target.PID, "time")
		p := timens.NewProgram(t)
		open := h.openInside(p)
		setns := p.On(open, unix.SYS_SETNS, unix.CLONE_NEWTIME)
		v := newVisit(t, p)
		timens.Run(t, timens.Fork, p)
		steps{"open_by_handle_at": open, "setns": setns}.check(t)
		v.check(t, "after setns() by the handle of "+ns.Name, link, link, ns.Offsets)
	}
}

// A file handle does not keep its time namespace. When nobody is in the namespace
// and nobody has it open, open_by_handle_at() fails with ESTALE. A process that has
// entered by the handle, or an open descriptor, keeps the namespace.
func TestFileHandleOfLeftNamespace(t *testing.T) {
	timens.Need(t)
	handleOfTask(t, os.Getpid(), "time") // skips the whole test, not only its subtests
	// All children are made without a thread that has the namespace and might end later.
	stale := func(t *testing.T, h nsHandle) {
		t.Helper()
		if _, err := h.open(t); err != unix.ESTALE {
			t.Errorf("open_by_handle_at of a namespace that nobody is in: %v, want %v", err, unix.ESTALE)
		}
	}
	opens := func(t *testing.T, h nsHandle) *os.File {
		t.Helper()
		file, err := h.open(t)
		if err != nil {
			t.Fatalf("open_by_handle_at of a namespace that is in use: %v", err)
		}
		return file
	}
	for _, name := range linkNames {
		t.Run(name, func(t *testing.T) {
			child := start(t, newTime(0), withUnshared(t))
			h := handleOfTask(t, child.PID, name)
			opens(t, h).Close()
			finish(t, child)
			stale(t, h)
		})
		t.Run(name+", open", func(t *testing.T) {
			child := start(t, newTime(0), withUnshared(t))
			h := handleOfTask(t, child.PID, name)
			file := opens(t, h)
			finish(t, child)
			again := opens(t, h)
			file.Close()
			opens(t, h).Close()
			again.Close()
			stale(t, h)
		})
	}
	t.Run("entered", func(t *testing.T) {
		child := start(t, newTime(0), pausing(t))
		h := handleOfTask(t, child.PID, "time")
		p := timens.NewProgram(t)
		open := h.openInside(p)
		setns := p.On(open, unix.SYS_SETNS, unix.CLONE_NEWTIME)
		p.On(open, unix.SYS_CLOSE)
		if err := p.Pause(); err != nil {
			t.Fatal(err)
		}
		guest := start(t, timens.Fork, p)
		steps{"open_by_handle_at": open, "setns": setns}.check(t)
		finish(t, child)
		opens(t, h).Close()
		finish(t, guest)
		stale(t, h)
	})
}

// open_by_handle_at() refuses a handle that no time namespace has.
func TestFileHandleRefuses(t *testing.T) {
	timens.Need(t)
	child := resident(t, timens.Unshared(timens.Ahead))
	h := handleOfTask(t, child.PID, "time")
	bytes := func(change func(*nsHandle)) []byte {
		changed := h
		change(&changed)
		return clone.Bytes(changed)
	}
	for _, test := range []struct {
		name  string
		kind  int32
		bytes []byte
		want  unix.Errno
	}{
		{"no identifier", timens.HandleType, bytes(func(h *nsHandle) { h.ID = 0 }), unix.ESTALE},
		{"identifier of the initial namespace", timens.HandleType, bytes(func(h *nsHandle) { h.ID = initialID }), unix.ESTALE},
		{"identifier of nothing", timens.HandleType, bytes(func(h *nsHandle) { h.ID += 1 << 40 }), unix.ESTALE},
		{"another type", timens.HandleType, bytes(func(h *nsHandle) { h.Type = unix.CLONE_NEWUTS }), unix.ESTALE},
		{"type of nothing", timens.HandleType, bytes(func(h *nsHandle) { h.Type = unix.CLONE_VM }), unix.ESTALE},
		{"no type", timens.HandleType, bytes(func(h *nsHandle) { h.Type = 0 }), unix.ESTALE},
		{"another inode", timens.HandleType, bytes(func(h *nsHandle) { h.Inode++ }), unix.ESTALE},
		{"no inode", timens.HandleType, bytes(func(h *nsHandle) { h.Inode = 0 }), unix.ESTALE},
		{"too short", timens.HandleType, clone.Bytes(h)[:12], unix.ESTALE},
		{"handle of another kind", timens.HandleType - 1, clone.Bytes(h), unix.ESTALE},
		{"empty", timens.HandleType, nil, unix.EINVAL},
		{"too long", timens.HandleType, make([]byte, 132), unix.EINVAL},
	} {
		if _, err := openHandle(t, test.kind, test.bytes); err != test.want {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
	}
}

// Everybody may open the time namespace that the caller is in by its handle. For
// another one, the caller must be in the initial PID namespace and have
// CAP_SYS_ADMIN in the initial user namespace.
func TestFileHandleOfStranger(t *testing.T) {
	timens.Need(t)
	child := resident(t, timens.Unshared(timens.Ahead))
	own, other := handleOfTask(t, os.Getpid(), "time"), handleOfTask(t, child.PID, "time")
	err := osthread.Run(func() error {
		if err := capability.SetUser(user); err != nil {
			return err
		}
		if _, err := own.open(t); err != nil {
			t.Errorf("user %d opens the own namespace by its handle: %v", user, err)
		}
		if _, err := other.open(t); err != unix.ESTALE {
			t.Errorf("user %d opens another namespace by its handle: %v, want %v", user, err, unix.ESTALE)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	for name, flags := range map[string]uint64{"PID": unix.CLONE_NEWPID, "user": unix.CLONE_NEWUSER} {
		p := timens.NewProgram(t)
		first, second := own.openInside(p), other.openInside(p)
		timens.Run(t, launcher(flags, unix.SIGCHLD), p)
		if err := first.Err(); err != nil {
			t.Errorf("from a new %s namespace, open of the own time namespace by its handle: %v", name, err)
		}
		if err := second.Err(); err != unix.ESTALE {
			t.Errorf("from a new %s namespace, open of another time namespace by its handle: %v, want %v", name, err, unix.ESTALE)
		}
	}
}

// A file handle is refused if bytes that the kernel does not know are not zero, and
// taken if all of them are.
func TestGapFileHandleTail(t *testing.T) {
	timens.Need(t)
	known := clone.Bytes(handleOf(t, openNamespace(t, os.Getpid(), "time")))
	if _, err := openHandle(t, timens.HandleType, known); err != nil {
		t.Fatalf("open_by_handle_at: %v", err)
	}
	for _, more := range []int{4, 8, 112} {
		tail := make([]byte, more)
		if _, err := openHandle(t, timens.HandleType, slices.Concat(known, tail)); err != nil {
			t.Errorf("open_by_handle_at with %d more bytes that are zero: %v", more, err)
		}
		tail[more-1] = 1
		if _, err := openHandle(t, timens.HandleType, slices.Concat(known, tail)); err != unix.ESTALE {
			t.Errorf("open_by_handle_at with %d more bytes that are not all zero: %v, want %v", more, err, unix.ESTALE)
		}
	}
}
