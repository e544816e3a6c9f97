// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kernel/patch"
	"timens-vmtest/kernel/series"
	"timens-vmtest/kernel/source"
)

// Patches that build on one another make the tree that git am makes of them, one after
// the other.
func TestSeriesAppliesAsGitDoes(t *testing.T) {
	g := newGitBench(t, 100)
	at := func(name string) string { return filepath.Join(g.dir, name) }
	edit := func(name, from, to string) func() error {
		return func() error {
			text, err := os.ReadFile(at(name))
			return errors.Join(err, g.put(name, strings.Replace(string(text), from, to, 1)))
		}
	}
	move := func(from, to string) func() error { return func() error { return os.Rename(at(from), at(to)) } }
	for name, commits := range map[string][]func() error{
		"edit, rename":               {edit("fs/x.c", "line 5 ", "five "), move("fs/x.c", "fs/y.c")},
		"edit, rename, edit":         {edit("fs/x.c", "line 5 ", "five "), move("fs/x.c", "fs/y.c"), edit("fs/y.c", "line 6 ", "six ")},
		"rename there and back":      {move("fs/x.c", "fs/y.c"), edit("fs/y.c", "line 5 ", "five "), move("fs/y.c", "fs/x.c")},
		"delete, create":             {func() error { return os.Remove(at("fs/x.c")) }, func() error { return g.put("fs/x.c", "new\n") }},
		"create, edit, delete":       {func() error { return g.put("n.c", "new\n") }, edit("n.c", "new", "newer"), func() error { return os.Remove(at("n.c")) }},
		"same lines":                 {edit("fs/x.c", "line 5 ", "five "), edit("fs/x.c", "five ", "cinq "), edit("fs/x.c", "line 7 ", "sept ")},
		"mode, edit":                 {func() error { return os.Chmod(at("fs/x.c"), 0o755) }, edit("fs/x.c", "line 5 ", "five ")},
		"file, folder":               {func() error { return os.Remove(at("noeol.c")) }, func() error { return g.put("noeol.c/x.c", "x\n") }},
		"link, its text, gone":       {func() error { return os.Symlink("x.c", at("fs/l.c")) }, func() error { return errors.Join(os.Remove(at("fs/l.c")), g.put("fs/l.c", "text\n")) }, func() error { return os.Remove(at("fs/l.c")) }},
		"edit of one, copy of other": {edit("kernel/time/a.c", "line 5 ", "five "), func() error { return g.put("copy.c", strings.Replace(numbered(0, 60), "line 50", "fifty", 1)) }},
	} {
		for i, commit := range commits {
			g.must(commit())
			g.git("add", "-A")
			g.git("commit", "-qm", strings.Repeat("x", i+1))
		}
		dir := t.TempDir()
		g.git("format-patch", "-q", "-C", "-C", "-o", dir, "base")
		want := snapshot(t, g.dir)
		g.git("reset", "-q", "--hard", "base")
		g.git("clean", "-fdxq")
		paths, err := filepath.Glob(filepath.Join(dir, "*"))
		g.must(err)
		var patches []patch.Patch
		for _, path := range paths {
			some, err := patch.Load(t.Context(), sandbox.Box{}, path)
			g.must(err)
			patches = append(patches, some...)
		}
		got, err := g.applied(patches)
		if err != nil || len(patches) != len(commits) || !maps.Equal(got, want) {
			t.Errorf("%s: %d patches, %v\ngot  %.2000q\nwant %.2000q", name, len(patches), err, got, want)
		}
	}
}

// git would apply all of these in an empty folder. In the tree they lead elsewhere.
func TestApplyRefusesOtherFiles(t *testing.T) {
	g := newGitBench(t, 101)
	for path, want := range map[string]string{
		"linked/time/a.c": "linked/time/a.c is behind the symbolic link linked", // to kernel/time/a.c
		"link.c":          "x.patch does not apply to linux-6.12.1",             // to kernel/time/a.c
		"fs":              "the patch takes fs for a file, and the tree has a folder there",
		"absent.c":        "absent.c: No such file or directory",
	} {
		text := "--- a/" + path + "\n+++ b/" + path + "\n@@ -1,3 +1,3 @@\n line 1 of 0;\n-line 2 of 0;\n+two;\n line 3 of 0;\n"
		p, err := patch.Parse("x.patch", []byte(text))
		g.must(err)
		_, err = g.applied([]patch.Patch{p})
		if _, build := errors.AsType[*blame.BuildError](err); !build || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want a BuildError that says %q", path, err, want)
		}
	}
	link := "diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+/etc\n\\ No newline at end of file\n"
	p, err := patch.Parse("x.patch", []byte(link))
	g.must(err)
	if _, err := g.applied([]patch.Patch{p}); err == nil || !strings.Contains(err.Error(), "l a symbolic link that leads out of the tree, to /etc") {
		t.Errorf("a link to /etc: got %v", err)
	}
}

// What a series makes of links is laid out, read and compared as links.
func TestTreeOfLinks(t *testing.T) {
	g := newGitBench(t, 102)
	link := func(name, to string) string {
		return "diff --git a/" + name + " b/" + name + "\nnew file mode 120000\n--- /dev/null\n+++ b/" + name + "\n@@ -0,0 +1 @@\n+" + to + "\n\\ No newline at end of file\n"
	}
	p, err := patch.Parse("x.patch", []byte(link("fs/l.c", "../fs/x.c")+link("one", "two")+link("two", "one")))
	g.must(err)
	tree := Tree{Base: g.base, Series: series.Series{Name: "s", Patches: []patch.Patch{p}}}
	tree.over, err = apply(t.Context(), sandbox.Box{}, g.base, tree.Series.Patches)
	g.must(err)
	if text, err := tree.Read("fs/l.c"); err != nil || string(text) != numbered(2, 60) {
		t.Errorf("through the link: %q, %v", text, err)
	}
	if _, err := tree.Read("one"); err == nil || !strings.Contains(err.Error(), "too many levels of symbolic links") {
		t.Errorf("a ring of links: got %v", err)
	}
	diff, err := tree.Diff(t.Context())
	if err != nil || len(diff) != 3 || diff[0].Path != "fs/l.c" || diff[0].Lines[0].Text != "../fs/x.c" {
		t.Errorf("the diff is %+v, %v", diff, err)
	}
	dir := t.TempDir()
	g.must(os.WriteFile(filepath.Join(g.base.Dir, "Makefile"), []byte("VERSION = 6\n"), 0o644)) // or it is no kernel
	files, err := source.Survey(t.Context(), g.base)
	g.must(err)
	src := filepath.Join(dir, "src")
	g.must(tree.materialise(files, dir, nothing{}))
	if to, err := os.Readlink(filepath.Join(src, "fs/l.c")); err != nil || to != "../fs/x.c" {
		t.Errorf("laid out: %q, %v", to, err)
	}
	// Another series in the same folder has a folder there, and the next one none of it.
	tree.over = overlay{"fs/l.c/deep.c": {text: []byte("x")}}
	g.must(tree.materialise(files, dir, nothing{}))
	tree.over = overlay{"fs/l.c": {text: []byte("text")}}
	g.must(tree.materialise(files, dir, nothing{}))
	if text, err := os.ReadFile(filepath.Join(src, "fs/l.c")); err != nil || string(text) != "text" {
		t.Errorf("laid out again: %q, %v", text, err)
	}
}

// nothing is a reporter that tells nobody.
type nothing struct{}

func (nothing) Step(string, ...any) {}
func (nothing) Note(string)         {}

func (nothing) Count(string, int, int, string) {}
