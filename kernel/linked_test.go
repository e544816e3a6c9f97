// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kconfig"
	"timens-vmtest/kernel/series"
	"timens-vmtest/kernel/source"
)

// optionalTree is a tree with two sources, of which other.c is linked into the kernel if
// CONFIG_GOOD is set. As kbuild does, it keeps the objects in an archive.
func optionalTree() map[string]string {
	tree := twoSources("int other(int unused) { return 0; }\n")
	tree["Makefile"] = "-include $(O)/.config\nOBJECTS = main.o $(if $(CONFIG_GOOD),other.o)\n" + strings.NewReplacer(
		"vmlinux: $(O)/main.o $(O)/other.o\n", "%.o: $(O)/%.o ;\nvmlinux: $(addprefix $(O)/,$(OBJECTS))\n\t@cd $(O) && rm -f vmlinux.a && ar cDPrST vmlinux.a $(OBJECTS)\n",
		"vmlinux $(O)/main.o $(O)/other.o", "vmlinux $(O)/vmlinux.a",
		"-Wl,-e,main", "-Wl,-e,main -Wl,--whole-archive",
		"CC      main.o", "CC      $*.o",
		"-Wall", "-Wall $(if $(W),-Wextra)",
		"-o $@ $(CURDIR)/$<", "-ftest-coverage -o $@ $(CURDIR)/$< && touch $(@D)/.$(@F).cmd",
	).Replace(tree["Makefile"])
	return tree
}

// A linter asks about the sources that the configuration builds, although make leaves the objects
// of others in the folder. So does whoever reads the compiler's notes.
func TestObjectOfOptionSwitchedOff(t *testing.T) {
	off, err := kconfig.Parse("frag", []byte("# CONFIG_GOOD is not set\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, cut := range []bool{false, true} {
		t.Run(map[bool]string{false: "build", true: "build after one that was cut short"}[cut], func(t *testing.T) {
			b := newSeedbench(t, source.Base{}, hosttest.Folder(t, optionalTree()))
			control := series.Series{Name: "control"}
			tree, err := Apply(b.ctx, b.Host, b.base, control)
			if err != nil {
				t.Fatal(err)
			}
			warnings := func(c kconfig.Config) (files []string) {
				t.Helper()
				found, err := W1.Lint(b.ctx, b.Host, Spec{Tree: tree, Config: c}, []string{"main.c", "other.c"})
				if err != nil {
					t.Fatal(err)
				}
				for _, w := range found {
					files = append(files, w.File)
				}
				return files
			}
			if got := warnings(b.config); len(got) != 1 || got[0] != "other.c" {
				t.Errorf("with the option there are warnings of %q, want one of other.c", got)
			}
			folder := filepath.Join(b.Cache.Dir, "work", Spec{Tree: tree, Config: b.config}.workKey())
			made := func() (n int) {
				for _, name := range []string{"other.o", ".other.o.cmd", "other.gcno"} {
					if _, err := os.Lstat(filepath.Join(folder, "out", name)); err == nil {
						n++
					}
				}
				return n
			}
			if n := made(); n != 3 {
				t.Fatalf("with the option there are %d files of other.o, want 3", n)
			}
			if cut { // it has linked the archive, and noted before what was in the last one
				if err := os.WriteFile(filepath.Join(folder, "linked"), []byte("main.o\nother.o\n"), 0o644); err != nil {
					t.Fatal(err)
				}
				out := filepath.Join(folder, "out")
				if _, err := sandbox.Run(sandbox.Command(b.ctx, out, nil, "sh", "-c", "rm vmlinux.a && ar cDPrST vmlinux.a main.o")); err != nil {
					t.Fatal(err)
				}
			}
			if got := warnings(off); got != nil {
				t.Errorf("without the option there are warnings of %q, want none", got)
			}
			if n := made(); n != 0 {
				t.Errorf("without the option there are %d files of other.o, want none", n)
			}
			if got := warnings(b.config); len(got) != 1 {
				t.Errorf("with the option again there are warnings of %q, want one of other.c", got)
			}
		})
	}
}

// A kernel without the archive keeps its objects, whatever a build before it was linked of. Without them a
// linter would find nothing to ask about, and say nothing.
func TestObjectsOfKernelWithoutArchive(t *testing.T) {
	b := newSeedbench(t, source.Base{}, hosttest.Folder(t, twoSources("int other;\n")))
	tree, err := Apply(b.ctx, b.Host, b.base, series.Series{Name: "control"})
	if err != nil {
		t.Fatal(err)
	}
	spec := Spec{Tree: tree, Config: b.config}
	folder := filepath.Join(b.Cache.Dir, "work", spec.workKey())
	if err := cache.WriteFile(filepath.Join(folder, "linked"), []byte("main.o\nother.o\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := Build(b.ctx, b.Host, spec); err != nil {
		t.Fatal(err)
	}
	for _, object := range []string{"main.o", "other.o"} {
		if _, err := os.Lstat(filepath.Join(folder, "out", object)); err != nil {
			t.Error(err)
		}
	}
}
