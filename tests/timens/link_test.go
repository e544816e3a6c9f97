// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/timens"
)

// initialLink is what the links of the first process show. The inode number of
// the initial time namespace is part of the kernel's interface.
const initialLink = "time:[4026531834]"

var linkNames = []string{"time", "time_for_children"}

func namespacePath(pid int, name string) string { return fmt.Sprintf("/proc/%d/ns/%s", pid, name) }

// The time namespace links of the first process and of this one show the inode
// number of the initial namespace.
func TestLinksOfInitialNamespace(t *testing.T) {
	timens.Need(t)
	for _, pid := range []int{1, os.Getpid()} {
		for _, name := range linkNames {
			if got := taskLink(t, pid, name); got != initialLink {
				t.Errorf("%s is %s, want %s", namespacePath(pid, name), got, initialLink)
			}
		}
	}
}

// A time namespace link shows "time" and the inode number, which is unique to the
// namespace. The link time_for_children also shows "time".
func TestLinks(t *testing.T) {
	timens.Need(t)
	seen := map[string]bool{initialLink: true}
	text := regexp.MustCompile(`^time:\[[0-9]+\]$`)
	for range 3 {
		child := resident(t, timens.Unshared(timens.Ahead))
		link := taskLink(t, child.PID, "time")
		if seen[link] || !text.MatchString(link) {
			t.Errorf("a new namespace is %s, want another number than %v", link, seen)
		}
		seen[link] = true
		for _, name := range linkNames {
			file := openNamespace(t, child.PID, name)
			if want := fmt.Sprintf("time:[%d]", inode(t, file)); taskLink(t, child.PID, name) != want {
				t.Errorf("%s is %s, and fstat() says %s", namespacePath(child.PID, name), taskLink(t, child.PID, name), want)
			}
			opened, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", file.Fd()))
			if err != nil || opened != link {
				t.Errorf("the descriptor of %s links to %q, %v, want %s", namespacePath(child.PID, name), opened, err, link)
			}
		}
	}
}

// A zombie has no time namespace, so its namespace links cannot be read or
// opened.
func TestLinksOfZombie(t *testing.T) {
	timens.Need(t)
	child, _ := zombie(t)
	for _, name := range linkNames {
		path := namespacePath(child.PID, name)
		if n, err := unix.Readlink(path, make([]byte, 64)); err != unix.ENOENT {
			t.Errorf("readlink %s of a zombie: %d, %v, want %v", path, n, err, unix.ENOENT)
		}
		if err := openAndClose(path, unix.O_RDONLY); err != unix.ENOENT {
			t.Errorf("open %s of a zombie: %v, want %v", path, err, unix.ENOENT)
		}
	}
	timens.Reap(t, child)
}

// A descriptor or a bind mount keeps a time namespace when all its tasks have
// ended. Its offsets stay, and stay final.
func TestNamespaceOutlivesTasks(t *testing.T) {
	timens.Need(t)
	for _, name := range linkNames {
		t.Run("descriptor of "+name, func(t *testing.T) {
			child := start(t, timens.Unshared(timens.Across), pausing(t))
			file, link := openNamespace(t, child.PID, name), taskLink(t, child.PID, name)
			finish(t, child)
			enterLeft(t, fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), file.Fd()), link)
		})
		t.Run("mount of "+name, func(t *testing.T) {
			child := start(t, timens.Unshared(timens.Across), pausing(t))
			link, path := taskLink(t, child.PID, name), filepath.Join(t.TempDir(), "ns")
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := unix.Mount(namespacePath(child.PID, name), path, "", unix.MS_BIND, ""); err != nil {
				t.Fatalf("bind %s: %v", namespacePath(child.PID, name), err)
			}
			t.Cleanup(func() {
				if err := unix.Unmount(path, 0); err != nil {
					t.Errorf("unmount: %v", err)
				}
			})
			finish(t, child)
			enterLeft(t, path, link)
		})
	}
}

// enterLeft lets a child enter the namespace behind path, which has no task.
func enterLeft(t *testing.T, path, link string) {
	t.Helper()
	p := timens.NewProgram(t)
	setns := p.Setns(path, unix.CLONE_NEWTIME)
	v := newVisit(t, p)
	write := p.WriteFile(offsetsFile, "monotonic 1 0\n")
	timens.Run(t, timens.Fork, p)
	if err := setns.Err(); err != nil {
		t.Fatalf("setns by %s: %v", path, err)
	}
	v.check(t, "after setns()", link, link, timens.Across)
	if err := write.Err(); err != unix.EACCES {
		t.Errorf("write to %s inside: %v, want %v", offsetsFile, err, unix.EACCES)
	}
}

// A descriptor keeps a time namespace that no task was ever in. The first task
// that enters it finds the offsets that were written last.
func TestPendingNamespaceOutlivesTasks(t *testing.T) {
	timens.Need(t)
	var pending *os.File
	timens.WithPending(t, timens.Across, func() {
		pending = openNamespace(t, unix.Gettid(), "time_for_children")
	})
	enterLeft(t, fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), pending.Fd()), fmt.Sprintf("time:[%d]", inode(t, pending)))
}
