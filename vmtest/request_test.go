// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/wire"
	"timens-vmtest/kernel/series"
	"timens-vmtest/vmtest/nightly"
	"timens-vmtest/vmtest/progress"
)

// requestsOf returns what the arguments of "vmtest run" ask for.
func requestsOf(t *testing.T, args ...string) (*app, []string, error) {
	t.Helper()
	a := &app{progress: progress.New()}
	a.Host.Report, a.Host.Sandbox.Off = a.progress, true // the patches are ours
	if _, err := a.parse(verbNamed(t, "run"), args); err != nil {
		return a, nil, err
	}
	a.Checkout.Root = ".."
	if err := a.Check(a.Checkout.Root); err != nil {
		return a, nil, err
	}
	reqs, err := a.Unchecked(t.Context())
	if err != nil {
		return a, nil, err
	}
	return a, append([]string{names(reqs)}, taskOf(reqs, true).Series...), nil
}

// Each base is tested with each series, in a folder of its own.
func TestRequestsOfBases(t *testing.T) {
	for args, want := range map[string]string{
		"-series control":                                                "control control",
		"-series control -base 7.3":                                      "control control",
		"-series control,timens-offset":                                  "control+timens-offset control timens-offset",
		"-series control,timens-offset -base 6.12,7.3":                   "6.12+7.3-control+timens-offset 6.12/control 6.12/timens-offset 7.3/control 7.3/timens-offset",
		"-series control -base debian:linux-source-6.12=6.12.1-1,newest": "linux-source-6.12_6.12.1-1+newest-control linux-source-6.12_6.12.1-1/control newest/control",
	} {
		_, got, err := requestsOf(t, strings.Fields(args)...)
		if err != nil || !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%s: got %q, %v, want %q", args, got, err, want)
		}
	}
	for args, want := range map[string]string{
		"-base 7.3,7.3":       "-base 7.3 is given twice",
		"-base 6.12,bookworm": "-base bookworm is none of ",
		"-base 6.12 -tree /":  "the base is given by -tree or -tarball already",
	} {
		if _, _, err := requestsOf(t, strings.Fields(args)...); blame.Of(err) != blame.User || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", args, err, want)
		}
	}
	a, _, err := requestsOf(t, "-base", "6.12,7.3")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.OneRequest(t.Context()); blame.Of(err) != blame.User || !strings.Contains(err.Error(), "-base: this verb takes one, not 2") {
		t.Errorf("a verb for one base: got %v", err)
	}
}

// A cell has the base that it names, and no other one that -base names.
func TestCellRequest(t *testing.T) {
	a := &app{progress: progress.New()}
	a.Host.Report, a.Host.Sandbox.Off = a.progress, true // the patches are ours
	if _, err := a.parse(verbNamed(t, "nightly"), []string{"-out", t.TempDir(), "-base", "6.12,7.3"}); err != nil {
		t.Fatal(err)
	}
	a.Checkout.Root = ".."
	if err := a.Check(a.Checkout.Root); err != nil {
		t.Fatal(err)
	}
	for _, base := range []string{"7.3", "6.12"} {
		req, err := a.cellRequest(t.Context(), nightly.Cell{Base: base, Series: "control", Config: defaultConfig, Lane: wire.Real})
		if err != nil || req.Base.Name() != base {
			t.Errorf("a cell of %s: got %q, %v", base, req.Base.Name(), err)
		}
	}
}

// A night checks each series with patches on each base, and does so again when a patch of the
// series or of any of its variants has changed.
func TestPresubmitCells(t *testing.T) {
	a := &app{}
	a.Host.Sandbox.Off = true // the patches are ours
	a.Checkout.Root = ".."
	a.MakeVars = []string{"LLVM=1"}
	cells, err := a.presubmitCells(t.Context(), []string{"control", "timens-offset"}, []string{"6.12", "7.3"})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range cells {
		names = append(names, c.Name)
		if !c.Changed || !slices.Contains(c.Command, "LLVM=1") || c.Command[len(c.Command)-1] != "timens-offset" {
			t.Errorf("%s runs %q, and only after a change: %v", c.Name, c.Command, c.Changed)
		}
	}
	if want := []string{"presubmit/6.12/timens-offset", "presubmit/7.3/timens-offset"}; !slices.Equal(names, want) {
		t.Fatalf("the cells are %q, want %q", names, want)
	}
	var digests []string
	for _, d := range cells[0].Patches {
		digests = append(digests, d.Name)
	}
	for _, folder := range []string{"", "7.3/"} {
		files, err := filepath.Glob(filepath.Join(a.Checkout.Patches(), "timens-offset", folder, "*.patch"))
		files = slices.DeleteFunc(files, func(path string) bool { return filepath.Base(path) == series.CoverFile })
		if err != nil || len(files) == 0 {
			t.Fatalf("%d patches, %v", len(files), err)
		}
		for _, f := range files {
			if name := folder + filepath.Base(f); !slices.Contains(digests, name) {
				t.Errorf("a change of %s wakes no cell", name)
			}
		}
	}
}

// A cell that checks a series has the store of the night. No key has the path of the store, which may
// differ between machines.
func TestPresubmitCellsStore(t *testing.T) {
	a := &app{progress: progress.New()}
	a.Host.Report, a.Host.Sandbox.Off = a.progress, true // the patches are ours
	dir := t.TempDir()
	if _, err := a.parse(verbNamed(t, "nightly"), []string{"-out", t.TempDir(), "-store", dir}); err != nil {
		t.Fatal(err)
	}
	a.Checkout.Root = ".."
	cells, err := a.presubmitCells(t.Context(), []string{"timens-offset"}, []string{"6.12"})
	if err != nil {
		t.Fatal(err)
	}
	if c := cells[0].Command; !slices.Equal(c[len(c)-3:], []string{"-store", dir, "timens-offset"}) {
		t.Errorf("it runs %q", c)
	}
	if err := a.setKeys(t.Context(), cells); err != nil {
		t.Fatal(err)
	}
	for name, key := range cells[0].Keys {
		if strings.Contains(key, "store") || strings.Contains(key, dir) {
			t.Errorf("the key %s is %q", name, key)
		}
	}
}
