// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/kernel/kbuild"
	"timens-vmtest/kernel/patch"
	"timens-vmtest/kernel/series"
	"timens-vmtest/kernel/source"
)

// pathsTree is a tree with two sources. As kbuild does, its Makefile compiles everything
// again if the tree or the output is at another path than before.
func pathsTree(t *testing.T) string {
	tree := twoSources("int main(void)\n{\n\treturn 5;\n}\n")
	tree["Makefile"] = strings.NewReplacer(
		"CC      main.o", "CC      $*.o",
		"$(O)/%.o: %.c", "$(O)/where: FORCE\n\t@echo $(CURDIR) $(O) | cmp -s - $@ || echo $(CURDIR) $(O) > $@\nFORCE:\n$(O)/%.o: %.c $(O)/where",
		"gcc -c -Wall", "gcc -c -Wall -Dmain=in_$*",
		"-e,main", "-e,in_main",
	).Replace(tree["Makefile"])
	return hosttest.Folder(t, tree)
}

// seedbench builds series on one base.
type seedbench struct {
	workbench
	base source.Base
}

func newSeedbench(t *testing.T, base source.Base, dir string) seedbench {
	hosttest.NeedSandbox(t)
	b := seedbench{newWorkbench(t, dir), base}
	if base.Dir == "" {
		base, err := source.Spec{Tree: dir}.Fetch(b.ctx, b.Host)
		if err != nil {
			t.Fatal(err)
		}
		b.base = base
	}
	return b
}

// private makes the base one of the cache.
func (b *seedbench) private() {
	b.t.Helper()
	_, files, err := b.base.Identified(b.ctx, cache.Cache{Dir: b.t.TempDir()}, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	dir := filepath.Join(b.Cache.Dir, "base", "x")
	if err := os.CopyFS(dir, os.DirFS(b.dir)); err != nil {
		b.t.Fatal(err)
	}
	sums := make(map[string]string)
	for path := range maps.Keys(files) {
		if sums[path], err = cache.HashFile(filepath.Join(dir, path)); err != nil {
			b.t.Fatal(err)
		}
	}
	if err := cache.WriteJSON(dir+".contents", sums); err != nil {
		b.t.Fatal(err)
	}
	b.base = source.Base{Dir: dir, Version: "6.12.1", ID: cache.Digest("x"), Private: true}
}

// series returns a series of one patch a file, which has the file return a number.
func (b seedbench) series(name, foreign string, files map[string]string) series.Series {
	b.t.Helper()
	s := series.Series{Name: name, Foreign: foreign}
	for file, to := range files {
		was := "return 0;"
		if file == "other.c" {
			was = "return 5;"
		}
		p, err := patch.Parse(file+".patch", []byte(patchOf(file, was, "return "+to+";")))
		if err != nil {
			b.t.Fatal(err)
		}
		s.Patches = append(s.Patches, p)
	}
	return s
}

func (b seedbench) wants(s series.Series, want string) (id string) {
	b.t.Helper()
	id, did := b.built(b.base, s)
	if did != want {
		b.t.Errorf("series %s of %q: did %q, want %q", s.Name, s.Foreign, did, want)
	}
	return id
}

func (b seedbench) forgetKernels() {
	b.t.Helper()
	if err := os.RemoveAll(filepath.Join(b.Cache.Dir, "kernel")); err != nil {
		b.t.Fatal(err)
	}
}

// A mailbox costs the files that it touches, from the first build on, and nothing when it
// comes again. Its kernel is that of a whole build.
func TestForeignBeginsWithOurObjects(t *testing.T) {
	for _, private := range []bool{true, false} {
		t.Run(map[bool]string{true: "base in the cache", false: "checkout"}[private], func(t *testing.T) {
			dir := pathsTree(t)
			ready := func() seedbench {
				b := newSeedbench(t, source.Base{}, dir)
				if private {
					b.private()
				}
				return b
			}
			b, whole := ready(), ready()
			first := b.series("a", "A", map[string]string{"main.c": "1"})
			second := b.series("b", "B", map[string]string{"main.c": "2"})

			want := whole.wants(first, "config main.o other.o")
			b.wants(series.Series{Name: "control"}, "config main.o other.o")
			if id := b.wants(first, "main.o"); id != want {
				t.Errorf("build ID %s, want %s, which a whole build has", id, want)
			}
			b.wants(second, "main.o")
			for range 2 { // back and forth
				b.forgetKernels()
				if id := b.wants(first, ""); id != want {
					t.Errorf("again: build ID %s, want %s", id, want)
				}
				b.wants(second, "")
			}
		})
	}
}

// So does a series of the checkout, and a series on the tree that was built as it is.
func TestOursBeginsWithOurObjects(t *testing.T) {
	b, whole := newSeedbench(t, source.Base{}, pathsTree(t)), newSeedbench(t, source.Base{}, pathsTree(t))
	mine := b.series("mine", "", map[string]string{"main.c": "1"})
	want := whole.wants(mine, "config main.o other.o")
	b.wants(series.Series{Name: "tree", InTree: true}, "config main.o other.o")
	if id := b.wants(mine, "main.o"); id != want {
		t.Errorf("build ID %s, want %s, which a whole build has", id, want)
	}
	b.wants(b.series("theirs", "A", map[string]string{"main.c": "2"}), "main.o")
}

// No file that make may write to is shared by two work folders.
func TestSeedSharesNothingWritable(t *testing.T) {
	b := newSeedbench(t, source.Base{}, pathsTree(t))
	b.private()
	b.wants(series.Series{Name: "control"}, "config main.o other.o")
	b.wants(b.series("a", "A", map[string]string{"main.c": "1"}), "main.o")
	outs, err := filepath.Glob(filepath.Join(b.Cache.Dir, "work", "*", "out"))
	if err != nil || len(outs) != 2 {
		t.Fatalf("got %v, %v, want two work folders", outs, err)
	}
	for _, out := range outs {
		err := filepath.WalkDir(out, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			info, err := d.Info()
			if err == nil && info.Sys().(*syscall.Stat_t).Nlink != 1 {
				t.Errorf("%s has several links", path)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// Objects that others' code may have touched are nobody else's beginning, nor are those of
// a build that failed, or of another compiler.
func TestSeedIsOursAndComplete(t *testing.T) {
	all := "config main.o other.o"
	mailbox := func(b seedbench) series.Series { return b.series("b", "B", map[string]string{"main.c": "2"}) }
	for name, before := range map[string]func(b seedbench){
		"nothing":         func(b seedbench) {},
		"another mailbox": func(b seedbench) { b.wants(b.series("a", "A", map[string]string{"main.c": "1"}), all) },
		"a folder of ours with a patch from elsewhere": func(b seedbench) {
			s := b.series("control", "/tmp/x.patch", map[string]string{"main.c": "1"})
			b.wants(s, all)
		},
		"a build that failed": func(b seedbench) {
			b.wants(series.Series{Name: "mine"}, all)
			tree, err := Apply(b.ctx, b.Host, b.base, b.series("mine", "", map[string]string{"main.c": "none"}))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Build(b.ctx, b.Host, Spec{Tree: tree, Config: b.config}); err == nil {
				t.Fatal("it was built")
			}
		},
		"a build without sandbox": func(b seedbench) {
			b.Sandbox.Off = true
			b.wants(series.Series{Name: "control"}, all)
		},
		"another compiler": func(b seedbench) {
			b.make = kbuild.MakeVars{"HOSTCC=gcc"}
			b.wants(series.Series{Name: "control"}, all)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newSeedbench(t, source.Base{}, pathsTree(t))
			before(b)
			b.wants(mailbox(b), all)
		})
	}
	t.Run("no sandbox now", func(t *testing.T) {
		b := newSeedbench(t, source.Base{}, pathsTree(t))
		b.wants(series.Series{Name: "control"}, all)
		b.Sandbox.Off = true
		b.wants(mailbox(b), all)
	})
}

// Of several builds the one with the fewest other files is the beginning.
func TestSeedIsTheNearest(t *testing.T) {
	b := newSeedbench(t, source.Base{}, pathsTree(t))
	b.wants(series.Series{Name: "control"}, "config main.o other.o")
	b.wants(b.series("mine", "", map[string]string{"other.c": "6"}), "other.o")
	b.wants(b.series("v2", "B", map[string]string{"other.c": "6", "main.c": "2"}), "main.o")
	b.wants(b.series("other", "C", map[string]string{"main.c": "3"}), "main.o")
}

// A build with another configuration begins with the objects, too: make compiles those that
// depend on what differs. Its kernel is that of a whole build. Objects of the same
// configuration are preferred, though more files differ.
func TestSeedOfAnotherConfiguration(t *testing.T) {
	tree := hosttest.Folder(t, configuredTree(t))
	b, whole := newSeedbench(t, source.Base{}, tree), newSeedbench(t, source.Base{}, tree)
	control, mine := series.Series{Name: "control"}, b.series("mine", "", map[string]string{"main.c": "1", "other.c": "6"})
	good := b.config
	b.wants(control, "config main.o other.o")

	b.config.Options, whole.config.Options = nil, nil
	want := whole.wants(control, "config main.o other.o")
	if id := b.wants(control, "config main.o"); id != want {
		t.Errorf("build ID %s, want %s, which a whole build has", id, want)
	}
	b.forgetKernels()
	b.wants(control, "")

	b.config = good
	b.wants(mine, "main.o other.o")
	b.config.Options = nil
	b.wants(b.series("mine too", "", map[string]string{"main.c": "1", "other.c": "6"}), "main.o other.o")
}

// A folder gives up its objects for those of another configuration if a header has changed and make
// has less to do with the others. It keeps them if only a source differs, or if as few objects depend on the
// header as on the configuration.
func TestSeedInPlaceOfOwn(t *testing.T) {
	files := configuredTree(t)
	files["all.h"] = "int main(void)\n{\n\treturn 0;\n}\n"
	files["few.h"] = files["all.h"]
	files["Makefile"] = strings.NewReplacer(
		"$(O)/%.o: %.c", "$(O)/other.o: few.h\n$(O)/%.o: %.c all.h",
		"-o $@ $(CURDIR)/$<", "-o $@ $(CURDIR)/$<\n"+`	@{ test $* = other || echo " (wildcard include/config/GOOD) "; echo " $(addprefix $(CURDIR)/,$^) "; } > $(O)/.$*.o.cmd`,
	).Replace(files["Makefile"])
	tree := hosttest.Folder(t, files)
	b, whole := newSeedbench(t, source.Base{}, tree), newSeedbench(t, source.Base{}, tree)
	good := b.config
	b.wants(b.series("mine", "", nil), "config main.o other.o")
	b.config.Options, whole.config.Options = nil, nil
	b.wants(b.series("check", "", nil), "config main.o")
	for _, tc := range []struct{ file, mine, check string }{
		{"other.c", "other.o", "other.o"},
		{"few.h", "other.o", "other.o"},
		{"all.h", "main.o other.o", "config main.o"},
	} {
		edit := map[string]string{tc.file: "6"}
		b.config = good
		b.wants(b.series("mine", "", edit), tc.mine)
		b.config.Options = nil
		id := b.wants(b.series("check", "", edit), tc.check)
		if want, _ := whole.built(whole.base, b.series("check", "", edit)); id != want {
			t.Errorf("%s: build ID %s, want %s, which a whole build has", tc.file, id, want)
		}
		b.config = good
		b.built(b.base, b.series("mine", "", nil))
		b.config.Options = nil
		b.built(b.base, b.series("check", "", nil))
	}
}

// A mailbox may begin with what was made of it with another configuration, and no other one may.
func TestSeedOfTheSameMailbox(t *testing.T) {
	b := newSeedbench(t, source.Base{}, hosttest.Folder(t, configuredTree(t)))
	b.wants(b.series("a", "A", map[string]string{"main.c": "1"}), "config main.o other.o")
	b.config.Options = nil
	b.wants(b.series("a", "A", map[string]string{"main.c": "1"}), "config main.o")
	b.wants(b.series("a", "B", map[string]string{"main.c": "1"}), "config main.o other.o")
}

// configuredTree is a tree with two sources, of which main.c depends on the configuration.
func configuredTree(t *testing.T) map[string]string {
	tree := twoSources("int main(void)\n{\n\treturn 5;\n}\n")
	tree["Makefile"] = strings.NewReplacer(
		"CC      main.o", "CC      $*.o",
		"$(O)/%.o: %.c", "$(O)/good: FORCE\n\t@grep GOOD $(O)/.config | cmp -s - $@ || grep GOOD $(O)/.config > $@ || true\nFORCE:\n$(O)/main.o: $(O)/good\n$(O)/%.o: %.c",
		"gcc -c -Wall", "gcc -c -Wall -Dmain=in_$* -Wa,--defsym,good=$$(test $* = other || grep -c GOOD=y $(O)/.config; true)0",
		"-e,main", "-e,in_main",
	).Replace(tree["Makefile"])
	return tree
}

// A copy that was cut short is not taken for a work folder, and does not stay.
func TestSeedAfterCopyWasKilled(t *testing.T) {
	b := newSeedbench(t, source.Base{}, pathsTree(t))
	b.wants(series.Series{Name: "control"}, "config main.o other.o")
	s := b.series("a", "A", map[string]string{"main.c": "1"})
	tree, err := Apply(b.ctx, b.Host, b.base, s)
	if err != nil {
		t.Fatal(err)
	}
	half := filepath.Join(b.Cache.Dir, "work", "tmp-"+Spec{Tree: tree, Config: b.config}.workKey(), "out")
	if err := os.MkdirAll(half, 0o755); err != nil {
		t.Fatal(err)
	}
	b.wants(s, "main.o")
	if _, err := os.Stat(half); err == nil {
		t.Error("the half copy is still there")
	}
}

// A source goes after what was made of it, and a work folder stays young when its kernel
// is used or its objects are copied.
func TestUseOfSourceAndWorkFolder(t *testing.T) {
	b := newSeedbench(t, source.Base{}, pathsTree(t))
	b.private()
	oldest := func() string {
		t.Helper()
		all, err := b.Cache.Entries()
		if err != nil {
			t.Fatal(err)
		}
		var order []string
		for _, e := range all {
			word, _, _ := strings.Cut(e.What, " ")
			order = append(order, string(e.Kind)+" "+word)
		}
		return strings.Join(order, ", ")
	}
	wants := func(when, want string) {
		t.Helper()
		if got := oldest(); got != want {
			t.Errorf("%s: %s, want %s", when, got, want)
		}
	}
	control := series.Series{Name: "control"}
	b.wants(control, "config main.o other.o")
	wants("built", "kernel control, work control, base ")
	b.wants(b.series("mine", "", map[string]string{"main.c": "1"}), "main.o")
	wants("another built", "kernel control, work control, kernel mine, work mine, base ")
	b.wants(control, "cached config main.o other.o")
	wants("used again", "kernel mine, work mine, kernel control, work control, base ")
	b.wants(b.series("a", "A", map[string]string{"main.c": "1", "other.c": "6"}), "other.o")
	wants("objects copied", "kernel mine, kernel control, work control, work mine, kernel a, work a, base ")
}
