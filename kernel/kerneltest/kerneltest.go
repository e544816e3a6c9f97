// SPDX-License-Identifier: BSD-3-Clause

// Package kerneltest makes small kernel trees for tests.
package kerneltest

import (
	"testing"

	"timens-vmtest/internal/host"
	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/kernel"
	"timens-vmtest/kernel/patch"
	"timens-vmtest/kernel/series"
	"timens-vmtest/kernel/source"
)

// Makefile is the text of a Makefile that gives a tree its version, 6.12.1. Nothing can
// be built with it.
const Makefile = "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 1\nEXTRAVERSION =\n"

// World is a host and a base. New makes it.
type World struct {
	host.Host
	Base source.Base
}

// New returns a world whose base has these files, by their paths in it. If files has no
// "Makefile", the base gets the text Makefile.
func New(t testing.TB, files map[string]string) World {
	t.Helper()
	all := map[string]string{"Makefile": Makefile}
	for name, text := range files {
		all[name] = text
	}
	w := World{Host: hosttest.New(t)}
	var err error
	if w.Base, err = (source.Spec{Tree: hosttest.Folder(t, all)}).Fetch(t.Context(), w.Host); err != nil {
		t.Fatal(err)
	}
	return w
}

// Tree returns the base with these patches applied. A patch that does not apply fails the
// test.
func (w World) Tree(t testing.TB, patches ...patch.Patch) kernel.Tree {
	t.Helper()
	tree, err := kernel.Apply(t.Context(), w.Host, w.Base, series.Series{Name: "s", Patches: patches})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}
