// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/kconfig"
	"timens-vmtest/kernel/kbuild"
	"timens-vmtest/kernel/patch"
	"timens-vmtest/kernel/series"
	"timens-vmtest/kernel/source"
)

// compilerTree is fakeTree with a compiler that the user chooses.
func compilerTree() map[string]string {
	tree := maps.Clone(fakeTree)
	tree["Makefile"] = strings.Replace(tree["Makefile"], "\t@gcc -c", "\t@$(CC) -c", 1)
	return tree
}

// compilerWorld is a world whose base is compilerTree.
func compilerWorld(t *testing.T) world {
	t.Helper()
	hosttest.NeedSandbox(t)
	w := world{hosttest.New(t), t, t.Context(), source.Base{}}
	var err error
	if w.base, err = (source.Spec{Tree: hosttest.Folder(t, compilerTree())}).Fetch(w.ctx, w.Host); err != nil {
		t.Fatal(err)
	}
	return w
}

// program makes a program of a shell script.
func program(t *testing.T, path, script string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
}

// with builds the base with patches, by these variables of make.
func (w world) with(vars kbuild.MakeVars, foreign string, patches ...patch.Patch) Image {
	w.t.Helper()
	tree, err := Apply(w.ctx, w.Host, w.base, series.Series{Name: "s", Foreign: foreign, Patches: patches})
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := kconfig.Parse("frag", []byte(good))
	if err != nil {
		w.t.Fatal(err)
	}
	image, err := Build(w.ctx, w.Host, Spec{Tree: tree, Config: c, Make: vars})
	if err != nil {
		w.t.Fatal(err)
	}
	return image
}

// A compiler outside of the system's folders and PATH is found by make, with what it is installed
// with.
func TestBuildWithCompilerElsewhere(t *testing.T) {
	w, dir := compilerWorld(t), t.TempDir()
	cc := filepath.Join(dir, "gcc-of-mine", "bin", "cc")
	program(t, cc, `exec gcc $(cat "$(dirname "$0")/../lib/flags") "$@"`+"\n")
	lib := filepath.Join(dir, "gcc-of-mine", "lib")
	if err := errors.Join(os.Mkdir(lib, 0o755), os.WriteFile(filepath.Join(lib, "flags"), []byte("-Dunused"), 0o644)); err != nil {
		t.Fatal(err)
	}
	alone := filepath.Join(dir, "cc")
	program(t, alone, `exec gcc "$@"`+"\n")
	plain := w.with(nil, "")
	for _, path := range []string{cc, alone} {
		if image := w.with(kbuild.MakeVars{"CC=" + path}, ""); image.Cached || image.BuildID != plain.BuildID {
			t.Errorf("CC=%s: the kernel is %s (cached %t), want %s", path, image.BuildID, image.Cached, plain.BuildID)
		}
	}
}
