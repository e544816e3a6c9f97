// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/kernel/patch"
	"timens-vmtest/kernel/source"
)

// The kernel's scripts for gdb are made once, from the tree and from what make generates. Those of
// a series from elsewhere are not, because gdb would run them.
func TestGDBScripts(t *testing.T) {
	w := newWorld(t)
	plain := w.mustBuild(good)
	spec := Spec{Tree: w.tree(), Config: goodConfig(t)}
	if path, err := GDBScripts(w.ctx, w.Host, spec, plain); path != "" || err != nil {
		t.Errorf("a tree without scripts: got %q, %v", path, err)
	}
	files := maps.Clone(fakeTree)
	files["Makefile"] += "scripts_gdb:\n\t@mkdir -p $(O)/scripts/gdb/linux\n\t@echo made >> $(O)/scripts/gdb/linux/constants.py\n"
	files["scripts/gdb/vmlinux-gdb.py"], files["scripts/gdb/linux/tasks.py"] = "top\n", "tasks\n"
	base, err := source.Spec{Tree: hosttest.Folder(t, files)}.Fetch(t.Context(), w.Host)
	if err != nil {
		t.Fatal(err)
	}
	w.base = base
	image := w.mustBuild(good)
	spec.Tree = w.tree()
	for range 2 {
		path, err := GDBScripts(w.ctx, w.Host, spec, image)
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{"vmlinux-gdb.py": "top\n", "scripts/gdb/linux/tasks.py": "tasks\n", "scripts/gdb/linux/constants.py": "made\n"} {
			if got, err := os.ReadFile(filepath.Join(filepath.Dir(path), name)); err != nil || string(got) != want {
				t.Errorf("%s: got %q, %v, want %q", name, got, err, want)
			}
		}
	}
	change := patchOf("main.c", "return 0;", "return 1;")
	p, err := patch.Parse("0001.patch", []byte(change))
	if err != nil {
		t.Fatal(err)
	}
	patched := w.mustBuild(good, change)
	spec.Tree = w.tree(p)
	spec.Tree.Series.Foreign = "a stranger"
	if _, err := GDBScripts(w.ctx, w.Host, spec, patched); err == nil || !strings.Contains(err.Error(), "from elsewhere") {
		t.Errorf("a series from elsewhere: got %v", err)
	}
}
