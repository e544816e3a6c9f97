// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/kconfig"
)

// The requests go on top of a .config of the user's, in place of tinyconfig's. What the tree
// does not take of it is said.
func TestBuildOnTopOfConfig(t *testing.T) {
	w := newWorld(t)
	var said hosttest.Steps
	w.Report = &said
	build := func(start string) Image {
		t.Helper()
		c, err := kconfig.Parse("frag", []byte("CONFIG_GOOD=y\n"))
		if err != nil {
			t.Fatal(err)
		}
		if c, err = c.On(kconfig.Start{File: "my.config", Text: []byte(start)}); err != nil {
			t.Fatal(err)
		}
		image, err := Build(w.ctx, w.Host, Spec{Tree: w.tree(), Config: c})
		if err != nil {
			t.Fatal(err)
		}
		return image
	}
	image := build("CONFIG_MINE=y\nCONFIG_IMPOSSIBLE=y")
	text, err := os.ReadFile(image.Config)
	if err != nil || string(text) != "CONFIG_MINE=y\nCONFIG_GOOD=y\n" {
		t.Errorf("the .config is %q, %v", text, err)
	}
	if want := "my.config: 1 of its options are otherwise in this tree: CONFIG_IMPOSSIBLE=y (n)"; !said.Said(want) {
		t.Errorf("said %q, want %q", said, want)
	}
	said = nil
	again := build("CONFIG_MINE=y\nCONFIG_IMPOSSIBLE=y")
	if !again.Cached {
		t.Error("the same .config: the kernel was built again")
	}
	if want := "my.config: 1 of its options are otherwise in this tree: CONFIG_IMPOSSIBLE=y (n)"; !said.Said(want) || !slices.Equal(again.LeftOut, []string{want}) {
		t.Errorf("of a kernel in the cache: said %q and %q, want %q", said, again.LeftOut, want)
	}
	if other := build("CONFIG_MINE=m\n"); other.Cached {
		t.Error("another .config: the kernel was taken from the cache")
	}
}

// Each build says which options are not for its tree: the first one, one that takes the kernel from
// the cache, one that need not configure again, and one that fails. A patch can define what an
// option is for.
func TestBuildSaysWhatIsLeftOut(t *testing.T) {
	w := newWorld(t)
	var said hosttest.Steps
	w.Report = &said
	const config = good + "#if-defined NEVER\nCONFIG_NEVER=y\n"
	const line = "frag:3: CONFIG_NEVER=y is left out: this tree does not define NEVER"
	define := "--- a/Kconfig\n+++ b/Kconfig\n@@ -1,3 +1,4 @@\n+config NEVER # but here\n config GOOD\n \tbool \"Good\"\n config IMPOSSIBLE\n"
	for _, tc := range []struct {
		name, config, patch string
		left, cached, fails bool
	}{
		{"first", config, "", true, false, false},
		{"cached", config, "", true, true, false},
		{"configured already", config, patchOf("main.c", "return 0;", "return 3;"), true, false, false},
		{"fails", config + "CONFIG_IMPOSSIBLE=y\n", "", true, false, true},
		{"defined by a patch", config, define, false, false, false},
	} {
		said = nil
		var patches []string
		if tc.patch != "" {
			patches = []string{tc.patch}
		}
		image, err := w.build(tc.config, patches...)
		if (err != nil) != tc.fails || image.Cached != tc.cached {
			t.Errorf("%s: cached %v, %v", tc.name, image.Cached, err)
		}
		var want []string
		if tc.left {
			want = []string{line}
		}
		if said.Said("CONFIG_NEVER") != tc.left || !slices.Equal(image.LeftOut, want) {
			t.Errorf("%s: said %q, and %q are left out, want %q", tc.name, said, image.LeftOut, want)
		}
	}
}

// A kernel in the cache knows what its tree defines: the Kconfig files, which are gone here, are not
// read. An older vmtest did not store it.
func TestKernelKnowsSymbols(t *testing.T) {
	w := newWorld(t)
	const config = good + "#if-defined NEVER\nCONFIG_NEVER=y\n#if-defined IMPOSSIBLE\n# CONFIG_IMPOSSIBLE is not set\n"
	c, err := kconfig.Parse("frag", []byte(config))
	if err != nil {
		t.Fatal(err)
	}
	tree := w.tree()
	build := func() Image {
		image, err := Build(w.ctx, w.Host, Spec{Tree: tree, Config: c})
		if err != nil {
			t.Fatal(err)
		}
		return image
	}
	image := build()
	if want := []string{"NEVER"}; !slices.Equal(image.Undefined, want) || len(image.LeftOut) != 1 {
		t.Errorf("the tree lacks %q, and %q are left out; want %q, and one line", image.Undefined, image.LeftOut, want)
	}
	if err := os.Remove(filepath.Join(w.base.Dir, "Kconfig")); err != nil {
		t.Fatal(err)
	}
	if again := build(); !again.Cached || !slices.Equal(again.LeftOut, image.LeftOut) {
		t.Errorf("cached %v: %q are left out, want %q", again.Cached, again.LeftOut, image.LeftOut)
	}
	image.Undefined = nil
	if err := cache.WriteSealed(filepath.Join(filepath.Dir(image.Vmlinux), "image.json"), image); err != nil {
		t.Fatal(err)
	}
	if again := build(); !again.Cached || len(again.LeftOut) != 2 {
		t.Errorf("without what the kernel knows: cached %v, %q are left out, want both, as no file defines anything", again.Cached, again.LeftOut)
	}
}
