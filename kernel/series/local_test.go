// SPDX-License-Identifier: BSD-3-Clause

package series

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/internal/sandbox"
)

// contents returns the texts of all files of a folder, including those in .git.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		all[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// The patch turns a checkout of the commit into the tree, including binary and new files.
// Nothing is written to the tree, whatever its settings are.
func TestLocal(t *testing.T) {
	r := history(t)
	r.git("config", "core.splitIndex", "true")
	r.git("update-index", "--split-index")
	if commit, changes, err := Local(t.Context(), new(hosttest.Steps), r.dir); err != nil || commit != r.git("rev-parse", "HEAD") || len(changes) != 0 {
		t.Errorf("of a clean tree: got %q with the changes %q, %v", commit, changes, err)
	}
	r.write("a.c", lines(40, map[int]string{20: "not committed\n"}))
	r.write("new", "\x00\x01\xff")
	r.write("staged", "staged\n")
	r.write("new.o", "ignored\n")
	if err := os.Symlink("new", filepath.Join(r.dir, "link")); err != nil {
		t.Fatal(err)
	}
	r.git("add", "staged")
	for _, name := range []string{"b.c", "c.c", "d.c", "e.c"} { // enough files that git makes another shared index
		r.write(name, name)
	}
	before := contents(t, r.dir)
	commit, changes, err := Local(t.Context(), new(hosttest.Steps), r.dir)
	if err != nil || commit != r.git("rev-parse", "HEAD") {
		t.Fatalf("got %q, %v", commit, err)
	}
	if after := contents(t, r.dir); !maps.Equal(before, after) {
		t.Errorf("the tree was written to: it had %d files and has %d", len(before), len(after))
	}
	if strings.Contains(string(changes), "new.o") {
		t.Errorf("what git ignores is in the patch:\n%s", changes)
	}
	clone := filepath.Join(t.TempDir(), "clone")
	r.git("clone", "-q", r.dir, clone)
	apply := sandbox.Git(t.Context(), clone, "apply", "-")
	apply.Stdin = strings.NewReader(string(changes))
	if _, err := sandbox.Run(apply); err != nil {
		t.Fatal(err)
	}
	if to, err := os.Readlink(filepath.Join(clone, "link")); to != "new" {
		t.Errorf("the new link points to %q, %v", to, err)
	}
	for _, name := range []string{"a.c", "new", "staged"} {
		got, err := os.ReadFile(filepath.Join(clone, name))
		if err != nil || string(got) != before[filepath.Join(r.dir, name)] {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

func TestLocalOfOddTrees(t *testing.T) {
	r := history(t)
	if err := os.Remove(filepath.Join(r.dir, ".git", "index")); err != nil {
		t.Fatal(err)
	}
	if commit, changes, err := Local(t.Context(), new(hosttest.Steps), r.dir); commit == "" || len(changes) != 0 || err != nil {
		t.Errorf("of a tree without an index: got %q with the changes %q, %v", commit, changes, err)
	}
	empty := repo{t, t.TempDir()}
	empty.git("init", "-q")
	empty.write("a.c", "x\n")
	below := filepath.Join(r.dir, "below") // not a git tree, but inside one
	if err := os.Mkdir(below, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{empty.dir, t.TempDir(), below, filepath.Join(below, "none")} {
		if commit, changes, err := Local(t.Context(), new(hosttest.Steps), dir); commit != "" || changes != nil || err != nil {
			t.Errorf("%s: got %q with the changes %q, %v, want nothing", dir, commit, changes, err)
		}
	}
}
