// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"os"
	"testing"

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
	if again := build("CONFIG_MINE=y\nCONFIG_IMPOSSIBLE=y"); !again.Cached {
		t.Error("the same .config: the kernel was built again")
	}
	if other := build("CONFIG_MINE=m\n"); other.Cached {
		t.Error("another .config: the kernel was taken from the cache")
	}
}
