// SPDX-License-Identifier: BSD-3-Clause

// Package kerneltest makes small trees for tests.
package kerneltest

import (
	"testing"

	"timens-vmtest/internal/host"
	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/kernel"
	"timens-vmtest/kernel/patch"
	"timens-vmtest/kernel/source"
)

// Makefile is enough of a kernel's for a tree that nobody builds.
const Makefile = "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 1\nEXTRAVERSION =\n"

// World is a host with a base.
type World struct {
	host.Host
	Base source.Base
}

// New is a world whose base has these files, and Makefile unless it is among them.
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

// Tree is the base with these patches.
func (w World) Tree(t testing.TB, patches ...patch.Patch) kernel.Tree {
	t.Helper()
	tree, err := kernel.Apply(t.Context(), w.Host, w.Base, patch.Series{Name: "s", Patches: patches})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}
