// SPDX-License-Identifier: BSD-3-Clause

package flags

import (
	"os"
	"path/filepath"
	"testing"

	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/kernel/series"
	"timens-vmtest/vmtest/run"
)

// A kernel is shared only if everything that it is made of is of this checkout, but for the base.
func TestShares(t *testing.T) {
	root := hosttest.Folder(t, map[string]string{"kernel/patches/own/series": "", "kernel/patches/own/7.3/series": "", "tests/faults/series": ""})
	elsewhere := hosttest.Folder(t, map[string]string{"series": ""})
	patches := filepath.Join(root, "kernel", "patches")
	if err := os.Symlink(elsewhere, filepath.Join(patches, "link")); err != nil {
		t.Fatal(err)
	}
	t.Chdir(root)
	own := series.Series{Folder: filepath.Join(patches, "own")}
	for _, tc := range []struct {
		what   string
		series series.Series
		change func(c *Command)
		want   bool
	}{
		{"a series of ours", own, nil, true},
		{"by a relative path", series.Series{Folder: "./kernel/patches/own"}, nil, true},
		{"a variant", series.Series{Folder: filepath.Join(patches, "own", "7.3")}, nil, true},
		{"on a tarball", own, func(c *Command) { c.set["tarball"], c.Source.URL = true, "file:///x" }, true},
		{"with a fragment of ours", own, func(c *Command) { c.Configs = Paths{"debug"} }, true},
		{"without a sandbox", own, func(c *Command) { c.Sandbox = "off" }, true},

		{"with -sandbox on", own, func(c *Command) { c.Sandbox = "on" }, false},
		{"with another fragment", own, func(c *Command) { c.Configs = Paths{"debug", "./x.config"} }, false},
		{"from elsewhere", series.Series{Folder: elsewhere}, nil, false},
		{"by a link to elsewhere", series.Series{Folder: filepath.Join(patches, "link")}, nil, false},
		{"another folder of the checkout", series.Series{Folder: filepath.Join(root, "tests", "faults")}, nil, false},
		{"the folder of all series", series.Series{Folder: patches}, nil, false},
		{"no folder", series.Series{}, nil, false},
		{"a folder that is gone", series.Series{Folder: filepath.Join(patches, "none")}, nil, false},
		{"a stranger's", series.Series{Folder: own.Folder, Foreign: "x"}, nil, false},
		{"commits of a tree", series.Series{Folder: own.Folder, InTree: true}, nil, false},
		{"with -patch", own, func(c *Command) { c.set["patch"] = true }, false},
		{"on -tree", own, func(c *Command) { c.set["tree"] = true }, false},
		{"with -range", own, func(c *Command) { c.set["range"] = true }, false},
		{"with -make", own, func(c *Command) { c.set["make"] = true }, false},
		{"with -build", own, func(c *Command) { c.set["build"] = true }, false},
		{"on -config-base", own, func(c *Command) { c.set["config-base"] = true }, false},
	} {
		c := Command{Checkout: run.Checkout{Root: root}, Sandbox: "auto", set: make(map[string]bool)}
		if tc.change != nil {
			tc.change(&c)
		}
		if got := c.shares(tc.series); got != tc.want {
			t.Errorf("%s: shared %v, want %v", tc.what, got, tc.want)
		}
	}
}
