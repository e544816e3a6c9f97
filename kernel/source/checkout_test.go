// SPDX-License-Identifier: BSD-3-Clause

package source

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host/hosttest"
)

// looked returns the paths of the files that Look takes of a checkout, and what it leaves
// out.
func looked(t *testing.T, dir string) (files, aside string) {
	t.Helper()
	c, err := Look(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, f := range c.Files {
		if f.Info != nil {
			paths = append(paths, f.Path)
		}
	}
	return strings.Join(paths, " "), strings.Join(c.Aside, ", ")
}

// specials puts a pipe, a socket and links into a folder.
func specials(t *testing.T, dir string) {
	t.Helper()
	if err := errors.Join(
		syscall.Mkfifo(filepath.Join(dir, "console.pipe"), 0o600),
		os.Symlink("a.c", filepath.Join(dir, "link")),
		os.Symlink("/nonsuch/build", filepath.Join(dir, "out")),
	); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir) // the path of a socket is short
	l, err := net.Listen("unix", "monitor.sock")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
}

// In a folder without git, the files of make and of editors are left out.
func TestLookAtPlainFolder(t *testing.T) {
	dir := hosttest.Folder(t, map[string]string{
		"Makefile": "", "Kconfig": "", "a.c": "", "localversion-rt": "-rt1\n", "net/core/dev.c": "", "include/linux/x.h": "",
		"lib/.gitignore": "/table.h\n", "lib/table.h": "generated", "lib/gen.c": "",
		"a.o": "old", ".a.o.cmd": "", ".config": "", "include/config/auto.conf": "", "include/generated/x.h": "",
		"arch/x86/include/generated/y.h": "", "vmlinux": "", "System.map": "", "fs/ext4/ext4.mod.c": "",
		".cache/clangd/index": "", ".vscode/settings.json": "", ".git.old/config": "",
		"build/.gitignore": "*\n", "build/main.o": "", "build/generated.c": "",
		"other/.git/HEAD": "ref: refs/heads/main\n", "other/.git/objects/x": "", "other/.git/refs/x": "", "other/b.c": "",
	})
	specials(t, dir)
	files, aside := looked(t, dir)
	if want := "Kconfig Makefile a.c include/linux/x.h lib/.gitignore lib/gen.c link localversion-rt net/core/dev.c out"; files != want {
		t.Errorf("got  %s\nwant %s", files, want)
	}
	if want := "console.pipe (a named pipe), monitor.sock (a socket), other/ (a git repository of its own)"; aside != want {
		t.Errorf("left out: %s\nwant %s", aside, want)
	}
}

// The .gitignore of a Debian source package ignores everything at its top.
func TestLookAtDebianFolder(t *testing.T) {
	dir := hosttest.Folder(t, map[string]string{
		".gitignore": "*.o\n/tags\n/*\n!/debian/\n", "Makefile": "", "Kbuild": "", "Kconfig": "", "kernel/fork.c": "", "kernel/fork.o": "", "tags": "",
	})
	if files, _ := looked(t, dir); files != "Kbuild Kconfig Makefile kernel/fork.c" {
		t.Errorf("got %s", files)
	}
}

// In a git tree, Look takes the files that git tracks or would track. It leaves out pipes,
// other repositories and large files.
func TestLookAtGitTree(t *testing.T) {
	dir, git := repository(t)
	write(t, filepath.Join(dir, ".gitignore"), "*.o\n.*\n!.gitignore\n")
	for _, name := range []string{"gone.c", "pipe.c", "built.c"} {
		write(t, filepath.Join(dir, name), "")
	}
	git("add", "--all")
	git("commit", "-q", "-m", "more")
	specials(t, dir)
	write(t, filepath.Join(dir, "built.o"), "")
	write(t, filepath.Join(dir, "new ä.c"), "")
	write(t, filepath.Join(dir, "core"), "")
	if err := errors.Join(os.Remove("gone.c"), os.Remove("pipe.c"), syscall.Mkfifo("pipe.c", 0o600), os.Truncate("core", hugeFile+1),
		os.MkdirAll(".cache", 0o755), os.WriteFile(".cache/x", nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"init", "-q", "hollow"}, {"clone", "-q", ".", "clone"}, {"worktree", "add", "-q", "worktree"}} {
		git(args...)
	}
	files, aside := looked(t, dir)
	if want := ".gitignore Makefile a.c built.c link new ä.c out"; files != want {
		t.Errorf("got  %s\nwant %s", files, want)
	}
	want := "clone/ (a git repository of its own), core (64 MB, and git does not track it), hollow/ (a git repository of its own), pipe.c (a named pipe), worktree/ (a git repository of its own)"
	if aside != want {
		t.Errorf("left out: %s\nwant %s", aside, want)
	}
	if files, _ := looked(t, filepath.Join(dir, "worktree")); files != ".gitignore Makefile a.c built.c gone.c pipe.c" {
		t.Errorf("of the worktree: got %s", files)
	}
}

// A tree from which no kernel can be built is refused as the user's fault. Each message
// says what to do.
func TestTreeRefused(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(dir string, git func(...string) string) error
		want  string
	}{
		"sparse": {func(dir string, git func(...string) string) error {
			git("sparse-checkout", "set", "--no-cone", "/Makefile", "/kernel/")
			return nil
		}, "is a sparse checkout, but a build needs all files (a.c is missing); type \"git -C "},
		"no checkout": {func(dir string, git func(...string) string) error {
			return errors.Join(os.Remove(filepath.Join(dir, "Makefile")), os.Remove(filepath.Join(dir, "a.c")))
		}, "has no Makefile checked out"},
		"a pipe for a Makefile": {func(dir string, git func(...string) string) error {
			path := filepath.Join(dir, "Makefile")
			return errors.Join(os.Remove(path), syscall.Mkfifo(path, 0o600))
		}, "it is a named pipe, not a regular file"},
		"a moved repository": {func(dir string, git func(...string) string) error {
			path := filepath.Join(dir, ".git")
			return errors.Join(os.RemoveAll(path), os.WriteFile(path, []byte("gitdir: /nonsuch\n"), 0o644))
		}, "type \"git worktree repair\" there"},
		"git that ignores all": {func(dir string, git func(...string) string) error {
			git("rm", "-r", "-q", "--cached", ".")
			return os.WriteFile(filepath.Join(dir, ".gitignore"), []byte("/*\n"), 0o644)
		}, "git ignores its Makefile"},
	} {
		dir, git := repository(t)
		if err := test.spoil(dir, git); err != nil {
			t.Fatal(err)
		}
		base, err := Spec{Tree: dir}.Fetch(t.Context(), hosttest.New(t))
		if err == nil {
			_, _, err = base.Identified(t.Context(), cache.Cache{Dir: t.TempDir()}, nil)
		}
		if blame.Of(err) != blame.User || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "-tree "+dir) {
			t.Errorf("%s: got %v, want %q of the user's", name, err, test.want)
		}
	}
}

// A sparse checkout that lacks only Documentation/ is accepted.
func TestSparseWithoutDocumentation(t *testing.T) {
	dir, git := repository(t)
	if err := os.Mkdir(filepath.Join(dir, "Documentation"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "Documentation", "index.rst"), "")
	git("add", "--all")
	git("commit", "-q", "-m", "more")
	git("sparse-checkout", "set", "--no-cone", "/*", "!/Documentation/")
	files, err := Survey(t.Context(), Base{Dir: dir})
	if err != nil || len(files) != 2 {
		t.Errorf("got %v, %v", files, err)
	}
}

// A commit that is not a kernel tree leaves nothing in the cache.
func TestFetchCommitOfNoKernel(t *testing.T) {
	dir, git := repository(t)
	git("rm", "-q", "Makefile")
	git("commit", "-q", "-m", "none")
	h, spec := hosttest.New(t), Spec{Tree: dir, Commit: git("rev-parse", "HEAD")}
	for range 2 {
		if _, err := spec.Fetch(t.Context(), h); blame.Of(err) != blame.User || !strings.Contains(err.Error(), "is no kernel source tree") {
			t.Errorf("got %v", err)
		}
	}
}

// Files with different contents have different stamps, even if size and time of writing are
// equal. A file that changes while it is read is an error.
func TestStamp(t *testing.T) {
	dir := hosttest.Folder(t, map[string]string{"Makefile": "VERSION = 6\n", "a.c": "one\n"})
	path := filepath.Join(dir, "a.c")
	before, err := Survey(t.Context(), Base{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, "two\n")
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	after, err := Survey(t.Context(), Base{Dir: dir})
	if err != nil || before["a.c"] == after["a.c"] || before["Makefile"] != after["Makefile"] {
		t.Errorf("before %v, after %v, %v", before, after, err)
	}
	b := Base{Dir: dir}
	if _, _, err := b.Open("a.c", before["a.c"]); !isChanged(err) {
		t.Errorf("opened: %v", err)
	}
	f, same, err := b.Open("a.c", after["a.c"])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := same(); err != nil {
		t.Errorf("it did not change: %v", err)
	}
	write(t, path, "three\n")
	if err := same(); !isChanged(err) {
		t.Errorf("it changed: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Open("a.c", after["a.c"]); !isChanged(err) {
		t.Errorf("it is gone: %v", err)
	}
}

func isChanged(err error) bool {
	_, ok := errors.AsType[*ChangedError](err)
	return ok
}

// The report of what is left out is one line.
func TestSay(t *testing.T) {
	var said hosttest.Steps
	Checkout{Dir: "/t"}.Say(&said)
	Checkout{Dir: "/t", Aside: []string{"a", "b", "c", "d", "e", "f", "g"}}.Say(&said)
	if want := (hosttest.Steps{"left out of /t: a, b, c, d, e and 2 more"}); !slices.Equal(said, want) {
		t.Errorf("got %q, want %q", said, want)
	}
}
