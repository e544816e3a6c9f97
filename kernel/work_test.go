// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kconfig"
	"timens-vmtest/kernel/kbuild"
	"timens-vmtest/kernel/series"
	"timens-vmtest/kernel/source"
)

// ownTree is a git tree with a commit "base" and one on top of it that changes main.c.
func ownTree(t *testing.T) (dir string, git func(args ...string)) {
	tree := twoSources("int other;\n")
	tree["Makefile"] = strings.Replace(tree["Makefile"], "CC      main.o", "CC      $*.o", 1)
	tree["scripts/link"] = "" // becomes a link to a folder, as scripts/dtc has some
	dir = hosttest.Folder(t, tree)
	git = func(args ...string) {
		t.Helper()
		who := []string{"-c", "user.name=Ann", "-c", "user.email=a@example.org"}
		if _, err := sandbox.Run(sandbox.Git(t.Context(), dir, append(who, args...)...)); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(dir, "scripts", "link")
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../unrelated", link); err != nil {
		t.Fatal(err)
	}
	git("init", "-q")
	git("add", ".")
	git("commit", "-qm", "base: Begin")
	git("branch", "base")
	edit(t, filepath.Join(dir, "main.c"), "return 0", "return 1")
	git("commit", "-qam", "main: Return one")
	return dir, git
}

func edit(t *testing.T, path, from, to string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), from, to, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Second) // a second edit within the clock's tick is seen
	if err := os.Chtimes(path, later, later); err != nil {
		t.Fatal(err)
	}
}

// workbench builds states of one git tree.
type workbench struct {
	world
	dir    string
	config kconfig.Config
	make   kbuild.MakeVars
}

func newWorkbench(t *testing.T, dir string) workbench {
	t.Helper()
	c, err := kconfig.Parse("frag", []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	return workbench{world: world{hosttest.New(t), t, t.Context(), source.Base{}}, dir: dir, config: c}
}

// standing is the tree as it stands.
func (w workbench) standing() (source.Base, series.Series) {
	w.t.Helper()
	base, err := source.Spec{Tree: w.dir}.Fetch(w.ctx, w.Host)
	if err != nil {
		w.t.Fatal(err)
	}
	return base, series.Series{Name: "tree", InTree: true}
}

// ranged are the commits from base to HEAD.
func (w workbench) ranged() (source.Base, series.Series) {
	w.t.Helper()
	s, commit, err := series.LoadRange(w.ctx, w.Host, w.dir, "base..HEAD")
	if err != nil {
		w.t.Fatal(err)
	}
	base, err := source.Spec{Tree: w.dir, Commit: commit}.Fetch(w.ctx, w.Host)
	if err != nil {
		w.t.Fatal(err)
	}
	return base, s
}

var compiled = regexp.MustCompile(`(?m)^  CC +(\S+)`)

// built builds, and returns the build ID and what was done for it: the objects that were
// compiled, and "config".
func (w workbench) built(base source.Base, s series.Series) (id, done string) {
	w.t.Helper()
	tree, err := Apply(w.ctx, w.Host, base, s)
	if err != nil {
		w.t.Fatal(err)
	}
	spec := Spec{Tree: tree, Config: w.config, Make: w.make, Log: filepath.Join(w.Cache.Dir, "log")}
	image, err := Build(w.ctx, w.Host, spec)
	if err != nil {
		w.t.Fatal(err)
	}
	log, err := os.ReadFile(spec.Log)
	if err != nil {
		w.t.Fatal(err)
	}
	var all []string
	if image.Cached {
		all = append(all, "cached")
	}
	if strings.Contains(string(log), "tinyconfig") {
		all = append(all, "config")
	}
	for _, m := range compiled.FindAllStringSubmatch(string(log), -1) {
		all = append(all, m[1])
	}
	slices.Sort(all)
	return image.BuildID, strings.Join(all, " ")
}

// A tree as it stands and a range of its commits have most files in common: make compiles
// those that differ and no other, in whatever order the two are built.
func TestBuildsOfOneTreeShareObjects(t *testing.T) {
	for name, swap := range map[string]bool{"tree first": false, "range first": true} {
		t.Run(name, func(t *testing.T) {
			dir, git := ownTree(t)
			w := newWorkbench(t, dir)
			states := []func() (source.Base, series.Series){w.standing, w.ranged}
			if swap {
				slices.Reverse(states)
			}
			pair := func(when, want string) {
				t.Helper()
				first, did := w.built(states[0]())
				if did != want {
					t.Errorf("%s: did %q, want %q", when, did, want)
				}
				if second, did := w.built(states[1]()); did != "" || second != first {
					t.Errorf("%s, the other: did %q, want nothing; build ID %s, want %s", when, did, second, first)
				}
			}
			pair("first", "config main.o other.o")
			base, s := w.ranged()
			s.Patches = nil
			if _, did := w.built(base, s); did != "main.o" {
				t.Errorf("the base of the range: did %q, want main.o", did)
			}
			edit(t, filepath.Join(dir, "other.c"), "int other;", "int other = 1;")
			git("commit", "-qam", "other: Set it")
			pair("with one more commit", "main.o other.o")
			edit(t, filepath.Join(dir, "Kconfig"), `"Good"`, `"Better"`)
			git("commit", "-qam", "Kconfig: Improve it")
			pair("with another Kconfig", "config")
		})
	}
}

// A folder that a private base is built in for the first time is not taken for one whose
// base was verified.
func TestSharedFolderVerifiesBase(t *testing.T) {
	dir, _ := ownTree(t)
	w := newWorkbench(t, dir)
	w.built(w.standing())
	base, s := w.ranged()
	path := filepath.Join(base.Dir, "unrelated", "file")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("tExt\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	tree, err := Apply(w.ctx, w.Host, base, s)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Build(w.ctx, w.Host, Spec{Tree: tree, Config: w.config}); err == nil || !strings.Contains(err.Error(), "unrelated/file is not as it was unpacked") {
		t.Errorf("got %v, want a refusal of the damaged base", err)
	}
}

// A file that changed since it was surveyed is not taken for the one that was, although
// the work folder has it already.
func TestEqualFileChangedWhileRead(t *testing.T) {
	dir, _ := ownTree(t)
	w := newWorkbench(t, dir)
	w.built(w.standing())
	path := filepath.Join(dir, "main.c")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	edit(t, path, "return 1", "return 2")
	base, s := w.standing()
	tree, err := Apply(w.ctx, w.Host, base, s)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, before, 0o644); err != nil {
		t.Fatal(err)
	}
	spec := Spec{Tree: tree, Config: w.config}
	var changed *source.ChangedError
	if err := tree.materialise(tree.files, filepath.Join(w.Cache.Dir, "work", spec.workKey()), w.Report); !errors.As(err, &changed) {
		t.Errorf("got %v, want a ChangedError", err)
	}
}
