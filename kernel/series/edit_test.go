// SPDX-License-Identifier: BSD-3-Clause

package series

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kernel/source"
)

func TestMain(m *testing.M) { hosttest.Main(m) }

// lines returns the text of a file of n lines, some of which are changed.
func lines(n int, change map[int]string) string {
	var b strings.Builder
	for i := 1; i <= n; i++ {
		if text, ok := change[i]; ok {
			b.WriteString(text)
			continue
		}
		fmt.Fprintf(&b, "line %d\n", i)
	}
	return b.String()
}

var editTree = map[string]string{
	"Makefile": "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 1\n",
	"a.c":      lines(40, nil), "dir/b.c": lines(40, nil),
	"run.sh": "#!/bin/sh\n", ".gitignore": "*.o\n", "ignored.o": "kept in the tarball\n",
}

const formatted = `From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001
From: Ann Author <a@example.org>
Date: Sun, 22 Nov 2026 00:00:00 +0000
Subject: [PATCH] a: change the %[1]s line

Because of [reasons].

  - a list

Signed-off-by: Ann Author <a@example.org>
---
 a.c | 2 +-
 1 file changed, 1 insertion(+), 1 deletion(-)

diff --git a/a.c b/a.c
index %[2]s 100644
--- a/a.c
+++ b/a.c
@@ -%[3]d,7 +%[3]d,7 @@ line %[4]d
`

// workshop has a base in a cache, and a series for it.
type workshop struct {
	*testing.T
	host.Host
	base   source.Base
	folder string // of the series
	tree   string // where Edit makes the git tree
}

// packaged packs a tree and fetches it as the base.
func packaged(t *testing.T, h host.Host, tree map[string]string) source.Base {
	t.Helper()
	dir := hosttest.Folder(t, tree)
	if err := os.Chmod(filepath.Join(dir, "run.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	tarball := filepath.Join(t.TempDir(), "linux.tar")
	if _, err := sandbox.Run(sandbox.Command(t.Context(), dir, nil, "tar", "-cf", tarball, "--transform=s,^\\.,linux,", ".")); err != nil {
		t.Fatal(err)
	}
	sum, err := cache.HashFile(tarball)
	if err != nil {
		t.Fatal(err)
	}
	base, err := source.Spec{URL: "file://" + tarball, SHA256: sum}.Fetch(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	return base
}

func newWorkshop(t *testing.T) workshop {
	h := hosttest.New(t)
	w := workshop{t, h, packaged(t, h, editTree), "", filepath.Join(t.TempDir(), "tree")}
	hunk := func(n int) string {
		return fmt.Sprintf(" line %d\n line %d\n line %d\n-line %d\n+changed\n line %d\n line %d\n line %d\n", n-3, n-2, n-1, n, n+1, n+2, n+3)
	}
	w.folder = filepath.Join(hosttest.Folder(t, map[string]string{
		"s/series":                                 "# About.\n0001-a-change-the-tenth-line.patch\n0002-a-change-the-thirtieth-line.patch # why\n",
		"s/0001-a-change-the-tenth-line.patch":     fmt.Sprintf(formatted, "tenth", "6a4ef9fa34b1..a0c74a8bd2f7", 7, 6) + hunk(10),
		"s/0002-a-change-the-thirtieth-line.patch": fmt.Sprintf(formatted, "thirtieth", "a0c74a8bd2f7..0a85d5d7d2a8", 27, 26) + hunk(30),
		"s/expect": "fail p T # why\n",
	}), "s")
	return w
}

func (w workshop) place() Workplace {
	return Workplace{Name: w.folder, Folder: w.folder, Dir: w.tree, Program: "vmtest"}
}

func (w workshop) edit(base source.Base, folder, tree string) error {
	repository := func() (string, error) { return base.Repository(w.Context(), w.Host) }
	w.folder, w.tree = folder, tree
	return w.place().Edit(w.Context(), w.Host, repository, base.Version)
}

func (w workshop) mustEdit() {
	w.Helper()
	if err := w.edit(w.base, w.folder, w.tree); err != nil {
		w.Fatal(err)
	}
}

func (w workshop) mustExport(want ...string) {
	w.Helper()
	changed, err := w.place().Export(w.Context(), sandbox.Box{})
	if err != nil {
		w.Fatal(err)
	}
	if !slices.Equal(changed, want) {
		w.Errorf("changed %q, want %q", changed, want)
	}
}

// git runs git in the tree as the user would.
func (w workshop) git(args ...string) string {
	w.Helper()
	out, err := sandbox.Run(sandbox.Command(w.Context(), w.tree, []string{"GIT_CONFIG_GLOBAL=/dev/null", "GIT_EDITOR=true"},
		"git", append([]string{"-c", "user.name=U", "-c", "user.email=u@example.org"}, args...)...))
	if err != nil {
		w.Fatal(err)
	}
	return string(out)
}

func (w workshop) write(path, text string) {
	w.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		w.Fatal(err)
	}
}

func (w workshop) read(path string) string {
	w.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		w.Fatal(err)
	}
	return string(text)
}

func (w workshop) inFolder(name string) string { return filepath.Join(w.folder, name) }

func (w workshop) inTree(name string) string { return filepath.Join(w.tree, name) }

const (
	tenth     = "0001-a-change-the-tenth-line.patch"
	thirtieth = "0002-a-change-the-thirtieth-line.patch"
)

func TestEditThenExportChangesNothing(t *testing.T) {
	w := newWorkshop(t)
	// The index lines above are invented; the first export replaces them by git's.
	w.mustEdit()
	if _, err := w.place().Export(t.Context(), sandbox.Box{}); err != nil {
		t.Fatal(err)
	}
	before := w.read(w.inFolder(tenth)) + w.read(w.inFolder(thirtieth)) + w.read(w.inFolder("series"))
	w.mustExport()
	if !strings.HasPrefix(before, "From 0000000000000000000000000000000000000000 ") {
		t.Errorf("the ID of a commit, which changes by itself, is in\n%s", before)
	}
	w.tree += "-again"
	w.mustEdit()
	w.mustExport()
	if after := w.read(w.inFolder(tenth)) + w.read(w.inFolder(thirtieth)) + w.read(w.inFolder("series")); after != before {
		t.Errorf("exported:\n%s\nbefore:\n%s", after, before)
	}
	// The user's own settings do not change the form of the patches.
	w.git("config", "format.signature", "me")
	w.git("config", "diff.noprefix", "true")
	w.git("config", "core.abbrev", "40")
	w.git("config", "format.pretty", "fuller")
	w.mustExport()
	if got := w.git("log", "--format=%an %s"); got != "Ann Author a: change the thirtieth line\nAnn Author a: change the tenth line\ntimens-vmtest Linux 6.12.1\n" {
		t.Errorf("the tree's history is\n%s", got)
	}
	if info, err := os.Stat(w.inTree("run.sh")); err != nil || info.Mode()&0o100 == 0 {
		t.Errorf("run.sh is not executable: %v", err)
	}
	if got := w.read(w.inTree("ignored.o")); got != editTree["ignored.o"] {
		t.Errorf("ignored.o holds %q", got)
	}
}

func TestEditSurvivesCache(t *testing.T) {
	w := newWorkshop(t)
	w.mustEdit()
	if err := os.RemoveAll(w.Cache.Dir); err != nil {
		t.Fatal(err)
	}
	w.git("fsck", "--full")
	if _, err := w.place().Export(t.Context(), sandbox.Box{}); err != nil {
		t.Error(err)
	}
}

func TestExportWritesWhatChanged(t *testing.T) {
	w := newWorkshop(t)
	w.mustEdit()
	w.mustExport(tenth, thirtieth) // git's index lines
	w.write(w.inTree("dir/b.c"), lines(40, map[int]string{5: "five\n"}))
	w.git("commit", "-qam", "b: change the fifth line")
	w.mustExport("0003-b-change-the-fifth-line.patch", "series")
	if got, want := w.read(w.inFolder("series")), "# About.\n"+tenth+"\n"+thirtieth+" # why\n0003-b-change-the-fifth-line.patch\n"; got != want {
		t.Errorf("series is %q, want %q", got, want)
	}
	w.git("reset", "-q", "--hard", "HEAD~2")
	w.git("commit", "-q", "--amend", "-m", "a: Say ten")
	w.mustExport("0001-a-Say-ten.patch", "series", tenth, thirtieth, "0003-b-change-the-fifth-line.patch")
	s, err := Load(t.Context(), sandbox.Box{}, "", w.folder)
	if err != nil || len(s.Patches) != 1 || s.Patches[0].Subject != "a: Say ten" || s.Expect == nil {
		t.Errorf("the folder holds %+v, %v", s, err)
	}
}

func TestExportRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil func(w *workshop)
		want  string
	}{
		"changed file": {func(w *workshop) { w.write(w.inTree("a.c"), "x") }, "something is not committed; commit it, stash it or remove it:\n M a.c"},
		"new file":     {func(w *workshop) { w.write(w.inTree("new.c"), "x") }, "?? new.c"},
		"staged file":  {func(w *workshop) { w.write(w.inTree("a.c"), "x"); w.git("add", "a.c") }, "M  a.c"},
		"patch changed": {func(w *workshop) {
			w.write(w.inFolder(tenth), strings.Replace(w.read(w.inFolder(tenth)), "a list", "that", 1))
		}, "were changed since"},
		"patch added":    {func(w *workshop) { w.write(w.inFolder("0003.patch"), w.read(w.inFolder(tenth))) }, "were changed since"},
		"order changed":  {func(w *workshop) { w.write(w.inFolder("series"), thirtieth+"\n"+tenth+"\n") }, "were changed since"},
		"other base":     {func(w *workshop) { w.git("checkout", "-q", "--orphan", "o"); w.git("commit", "-qm", "o") }, "HEAD is not built on the base"},
		"no patch left":  {func(w *workshop) { w.git("reset", "-q", "--hard", "linux-6.12.1") }, "every patch of"},
		"rebase":         {func(w *workshop) { w.git("-c", "sequence.editor=sed -i s/pick/edit/", "rebase", "-q", "-i", "HEAD~1") }, "is not finished"},
		"empty commit":   {func(w *workshop) { w.git("commit", "-q", "--allow-empty", "-m", "nothing") }, "changes no file"},
		"another series": {func(w *workshop) { w.git("config", seriesKey, "/other") }, "this is the tree of /other"},
		"no such tree":   {func(w *workshop) { w.tree += "x" }, "vmtest series edit"},
		"foreign tree":   {func(w *workshop) { w.git("config", "--unset", seriesKey) }, "was not made by"},
		"merge": {func(w *workshop) {
			w.git("checkout", "-q", "-b", "side", "HEAD~1")
			w.write(w.inTree("dir/b.c"), "x")
			w.git("commit", "-qam", "side")
			w.git("checkout", "-q", "s")
			w.git("merge", "-q", "--no-edit", "side")
		}, "is a merge"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorkshop(t)
			w.mustEdit()
			tc.spoil(&w)
			before := make(map[string]string)
			names, err := filepath.Glob(w.inFolder("*"))
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range names {
				before[name] = w.read(name)
			}
			_, err = w.place().Export(t.Context(), sandbox.Box{})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error that says %q", err, tc.want)
			}
			for name, text := range before {
				if got, err := os.ReadFile(name); err != nil || string(got) != text {
					t.Errorf("%s was written to: %v", name, err)
				}
			}
		})
	}
}

func TestEditRefuses(t *testing.T) {
	w := newWorkshop(t)
	w.mustEdit()
	var usage *blame.UsageError
	if err := w.edit(w.base, w.folder, w.tree); !errors.As(err, &usage) || !strings.Contains(err.Error(), "already exists and may hold work") {
		t.Errorf("into a tree: got %v, want a refusal", err)
	}
	if err := w.edit(source.Base{Dir: w.base.Dir}, w.folder, w.tree+"2"); !errors.As(err, &usage) || !strings.Contains(err.Error(), "git am") {
		t.Errorf("of a checkout: got %v, want a refusal", err)
	}
	if err := w.edit(w.base, w.folder+"x", w.tree+"3"); !errors.As(err, &usage) || !strings.Contains(err.Error(), "there is no series sx") {
		t.Errorf("of no series: got %v, want a refusal", err)
	}
	if _, err := os.Stat(w.tree + "3"); err == nil {
		t.Error("a tree was made for a series that is not there")
	}
}

// On a newer base the first patch applies at another line, and one hunk of the second patch
// does not fit. Edit names that hunk, and Export writes both patches as they apply to the
// newer base.
func TestEditOnNewerBase(t *testing.T) {
	w := newWorkshop(t)
	w.write(w.inFolder(thirtieth), strings.Replace(w.read(w.inFolder(thirtieth)), "a.c | 2", "a.c | 4", 1)+
		"diff --git a/dir/b.c b/dir/b.c\n--- a/dir/b.c\n+++ b/dir/b.c\n@@ -1,3 +1,3 @@\n-line 1\n+one\n line 2\n line 3\n@@ -20,3 +20,3 @@ line 19\n line 20\n-line 21\n+twenty-one\n line 22\n")
	newer := make(map[string]string)
	for name, text := range editTree {
		newer[name] = text
	}
	newer["Makefile"] = strings.Replace(newer["Makefile"], "SUBLEVEL = 1", "SUBLEVEL = 2", 1)
	newer["a.c"] = lines(40, map[int]string{1: "new\nnew\nnew\nline 1\n"})
	newer["dir/b.c"] = lines(40, map[int]string{22: "line 22, changed\n"})
	w.base = packaged(t, w.Host, newer)
	err := w.edit(w.base, w.folder, w.tree)
	var build *blame.BuildError
	if !errors.As(err, &build) {
		t.Fatalf("got %v, want a BuildError", err)
	}
	for _, want := range []string{thirtieth + " does not apply to linux-6.12.2: dir/b.c, hunk 2 of 2, @@ -20,3 +20,3 @@ line 19", "git -C " + w.tree + " am --continue", "vmtest series export " + w.folder + " " + w.tree} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	if _, err := w.place().Export(t.Context(), sandbox.Box{}); err == nil || !strings.Contains(err.Error(), "not finished") {
		t.Errorf("export within git am: got %v", err)
	}
	if got := w.read(w.inTree("dir/b.c.rej")); !strings.Contains(got, "+twenty-one") {
		t.Errorf("the rejected hunk is %q", got)
	}
	w.write(w.inTree("dir/b.c"), strings.Replace(w.read(w.inTree("dir/b.c")), "line 21\n", "twenty-one\n", 1))
	if err := os.Remove(w.inTree("dir/b.c.rej")); err != nil {
		t.Fatal(err)
	}
	w.git("add", "-u")
	w.git("am", "--continue")
	w.mustExport(tenth, thirtieth)
	if got := w.read(w.inFolder(tenth)); !strings.Contains(got, "@@ -10,7 +10,7 @@ line 6\n") {
		t.Errorf("the first patch is not refreshed:\n%s", got)
	}
	s, err := Load(t.Context(), sandbox.Box{}, "", w.folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range s.Patches {
		cmd := sandbox.Git(t.Context(), hosttest.Folder(t, newer), "apply", "--include="+p.Changes()[0].Path, "-")
		cmd.Stdin = bytes.NewReader(p.Text)
		if _, err := sandbox.Run(cmd); err != nil {
			t.Errorf("%s does not apply to the newer base: %v", p.Name, err)
		}
	}
	if !strings.Contains(string(s.Patches[1].Text), "+one\n") || !strings.Contains(string(s.Patches[1].Text), "+twenty-one\n") {
		t.Errorf("the second patch lost a hunk:\n%s", s.Patches[1].Text)
	}
}

func TestRelist(t *testing.T) {
	const list = "# top\na.patch # first\n\n# between\nb.patch\n"
	for want, names := range map[string][]string{
		list: {"a.patch", "b.patch"},
		"# top\n\n# between\nb.patch\na.patch # first\n": {"b.patch", "a.patch"},
		"# top\n\n# between\nc.patch\na.patch # first\n": {"c.patch", "a.patch"},
		"# top\n\n# between\n":                           {},
	} {
		if got := string(relist([]byte(list), names)); got != want {
			t.Errorf("%v: got %q, want %q", names, got, want)
		}
	}
}
