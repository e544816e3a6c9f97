// SPDX-License-Identifier: BSD-3-Clause

// The tests in this file pass on kernels with and without a series.

package clone3

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/design"
	"timens-vmtest/tests/internal/timens"
)

// hierarchy is a mounted cgroup2.
type hierarchy struct{ root string }

func mountHierarchy(t *testing.T) hierarchy {
	t.Helper()
	h := hierarchy{t.TempDir()}
	if err := unix.Mount("none", h.root, "cgroup2", 0, ""); err != nil {
		t.Fatalf("mount cgroup2: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(h.root, 0); err != nil {
			t.Errorf("unmount cgroup2: %v", err)
		}
	})
	return h
}

// limitProcesses turns on the controller pids in the root group, for pids.max
// in groups below. u-root mounts the controller in a v1 hierarchy of its own.
// uinit has unmounted it, but the kernel frees a hierarchy with a delay.
func (h hierarchy) limitProcesses(t *testing.T) {
	t.Helper()
	file := filepath.Join(h.root, "cgroup.subtree_control")
	err := os.WriteFile(file, []byte("+pids"), 0)
	for end := time.Now().Add(timens.Patience); errors.Is(err, unix.ENOENT) && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
		err = os.WriteFile(file, []byte("+pids"), 0)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// make makes a group and returns its descriptor for clone_args.
func (h hierarchy) make(t *testing.T, name string) uint64 {
	t.Helper()
	dir := filepath.Join(h.root, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Rmdir(dir); err != nil && err != unix.ENOENT {
			t.Errorf("rmdir %s: %v", dir, err)
		}
	})
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return uint64(fd)
}

func (h hierarchy) write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(h.root, file), []byte(text), 0); err != nil {
		t.Fatal(err)
	}
}

func inGroup(fd uint64) *clone.Args {
	args := design.NewTime()
	args.Flags |= unix.CLONE_INTO_CGROUP
	args.Cgroup = fd
	return args
}

// A child with CLONE_INTO_CGROUP and CLONE_NEWTIME starts in the given cgroup
// and in a new time namespace.
func TestIntoCgroup(t *testing.T) {
	timens.Need(t)
	h := mountHierarchy(t)
	args := inGroup(h.make(t, "born-here"))
	for name, flags := range map[string]uint64{"fork": 0, "vfork": unix.CLONE_VM | unix.CLONE_VFORK} {
		t.Run(name, func(t *testing.T) {
			args := *args
			args.Flags |= flags
			p := timens.NewProgram(t)
			group, link := p.ReadFile("/proc/self/cgroup"), p.ReadLink(children)
			launch := func(p *clone.Program) (*clone.Child, error) { return clone.Start(&args, clone.SizeVer2, p) }
			timens.Run(t, launch, p)
			if got, want := timens.Text(t, group), "0::/born-here\n"; !strings.HasSuffix(got, want) {
				t.Errorf("the child is in the group %q, want %q", got, want)
			}
			if got := timens.Text(t, link); got == threadLink(t, "time") {
				t.Errorf("the child has its parent's time namespace %s", got)
			}
		})
	}
}

// clone3() refuses a cgroup that cannot be used. It finds a descriptor that is out
// of range, and a size without the member, before it makes the time namespace. It
// finds the other faults after that.
func TestIntoCgroupRefused(t *testing.T) {
	timens.Need(t)
	h := mountHierarchy(t)
	h.limitProcesses(t)
	full := h.make(t, "full")
	h.write(t, "full/pids.max", "0")
	h.make(t, "domain")
	h.make(t, "domain/threads")
	h.write(t, "domain/threads/cgroup.type", "threaded")
	invalid := h.make(t, "domain/threads/invalid")
	removed := h.make(t, "removed")
	if err := unix.Rmdir(filepath.Join(h.root, "removed")); err != nil {
		t.Fatal(err)
	}
	good := h.make(t, "good")
	file, err := os.Open(filepath.Join(h.root, "good", "cgroup.procs"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, test := range []struct {
		name  string
		group uint64
		size  uintptr
		want  unix.Errno
	}{
		{"full", full, clone.SizeVer2, unix.EAGAIN},
		{"neither for processes nor for threads", invalid, clone.SizeVer2, unix.EOPNOTSUPP},
		{"removed", removed, clone.SizeVer2, unix.ENOENT},
		{"a file of a group", uint64(file.Fd()), clone.SizeVer2, unix.EBADF},
		{"no descriptor", 1 << 20, clone.SizeVer2, unix.EBADF},
		{"too large for a descriptor", 1 << 31, clone.SizeVer2, unix.EINVAL},
		{"largest number", ^uint64(0), clone.SizeVer2, unix.EINVAL},
		{"a size without the member", good, clone.SizeVer1, unix.EINVAL},
	} {
		t.Run(test.name, func(t *testing.T) {
			design.RefuseSize(t, inGroup(test.group), test.size, test.want)
		})
	}
	t.Run("somebody else's", func(t *testing.T) {
		asUser(t, func() {
			args := inGroup(good)
			args.Flags |= unix.CLONE_NEWUSER
			design.RefuseSize(t, args, clone.SizeVer2, unix.EACCES)
		})
	})
}

// Without CLONE_INTO_CGROUP clone3() ignores the member cgroup.
func TestIntoCgroupWithoutFlag(t *testing.T) {
	timens.Need(t)
	args := design.NewTime()
	args.Cgroup = ^uint64(0)
	launch := func(p *clone.Program) (*clone.Child, error) { return clone.Start(args, clone.SizeVer2, p) }
	timens.Run(t, launch, timens.NewProgram(t))
}
