// SPDX-License-Identifier: BSD-3-Clause

package source

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/internal/sandbox"
)

// A survey of a git tree includes changed and new files, and leaves out files that git
// ignores.
func TestSurveyOfGitTree(t *testing.T) {
	dir := hosttest.Folder(t, map[string]string{"Makefile": "", ".gitignore": "*.o\n", "tracked": "x", "new": "x", "ignored.o": "x"})
	for _, args := range [][]string{{"init", "-q"}, {"add", "tracked", ".gitignore"}} {
		if _, err := sandbox.Run(sandbox.Command(t.Context(), dir, nil, "git", args...)); err != nil {
			t.Fatal(err)
		}
	}
	files, err := Survey(t.Context(), Base{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(slices.Sorted(maps.Keys(files)), " ")
	if want := ".gitignore Makefile new tracked"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// repository makes a git tree with one commit of a kernel.
func repository(t *testing.T) (dir string, git func(args ...string) string) {
	t.Helper()
	dir = hosttest.Folder(t, map[string]string{"Makefile": "VERSION = 6\nPATCHLEVEL = 12\n", "a.c": "committed\n"})
	git = func(args ...string) string {
		t.Helper()
		out, err := sandbox.GitLine(t.Context(), dir, append([]string{"-c", "user.name=U", "-c", "user.email=u@example.org"}, args...)...)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	git("init", "-q")
	git("add", "--all")
	git("commit", "-q", "-m", "base")
	return dir, git
}

// The files of a commit are fetched as they were committed, even if the tree has changed
// since.
func TestFetchCommit(t *testing.T) {
	dir, git := repository(t)
	h, commit := hosttest.New(t), git("rev-parse", "HEAD")
	write(t, filepath.Join(dir, "a.c"), "not committed\n")
	base, err := Spec{Tree: dir, Commit: commit}.Fetch(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(base.Dir, "a.c")); err != nil || string(text) != "committed\n" || base.Version != "6.12" || base.Origin != "commit "+commit[:12] {
		t.Errorf("version %s, %s: a.c is %q, %v", base.Version, base.Origin, text, err)
	}
	again, err := Spec{Tree: dir, Commit: commit}.Fetch(t.Context(), h)
	if err != nil || again.Dir != base.Dir || again.ID != base.ID {
		t.Errorf("asked again it is %v, %v, want %v", again, err, base)
	}
}

// A kernel without time namespaces is refused, wherever it comes from. What has no release is
// unknown.
func TestFetchTooOld(t *testing.T) {
	dir, git := repository(t)
	write(t, filepath.Join(dir, "Makefile"), "VERSION = 5\nPATCHLEVEL = 5\nSUBLEVEL = 19\n")
	git("commit", "-qam", "older")
	tarball := filepath.Join(t.TempDir(), "linux.tar")
	if _, err := sandbox.Run(sandbox.Command(t.Context(), dir, nil, "tar", "-cf", tarball, "--transform=s,^,linux/,", "Makefile")); err != nil {
		t.Fatal(err)
	}
	sum, err := cache.HashFile(tarball)
	if err != nil {
		t.Fatal(err)
	}
	commit := git("rev-parse", "HEAD")
	h := hosttest.New(t)
	for want, spec := range map[string]Spec{
		"-tree " + dir + " is linux-5.5.19: time namespaces exist since Linux 5.6":                           {Tree: dir},
		"the base (commit " + commit[:12] + ") is linux-5.5.19: time namespaces exist since Linux 5.6":       {Tree: dir, Commit: commit},
		"the base (file://" + tarball + ") is linux-5.5.19: time namespaces exist since Linux 5.6, clone3()": {URL: "file://" + tarball, SHA256: sum},
	} {
		for range 2 { // the second time the cache has it
			if base, err := spec.Fetch(t.Context(), h); blame.Of(err) != blame.User || !strings.Contains(err.Error(), want) {
				t.Errorf("got linux-%s, %v, want %q", base.Version, err, want)
			}
		}
	}
	for _, text := range []string{"VERSION = 5\nPATCHLEVEL = 6\n", "VERSION = x\nPATCHLEVEL = 1\n"} {
		write(t, filepath.Join(dir, "Makefile"), text)
		if _, err := (Spec{Tree: dir}).Fetch(t.Context(), h); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// The origin of a tree says whether it has changes that are not committed.
func TestOpenTree(t *testing.T) {
	dir, git := repository(t)
	for _, want := range []string{"", " with changes that are not committed (files: 2, the first is a.c)"} {
		base, err := Spec{Tree: dir}.Fetch(t.Context(), hosttest.New(t))
		if want = "commit " + git("rev-parse", "--short=12", "HEAD") + want; err != nil || base.Origin != want {
			t.Errorf("got %q, %v, want %q", base.Origin, err, want)
		}
		write(t, filepath.Join(dir, "a.c"), "changed\n")
		write(t, filepath.Join(dir, "b.c"), "new\n")
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
