// SPDX-License-Identifier: BSD-3-Clause

package run

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/internal/wire"
	"timens-vmtest/kernel/series"
	"timens-vmtest/kernel/source"
)

func TestMain(m *testing.M) { hosttest.Main(m) }

// Each design has tests, and a series that names the design.
func TestDesigns(t *testing.T) {
	for _, design := range append(slices.Clone(wire.Designs), wire.NoDesign) {
		name := design
		if design == wire.NoDesign {
			name = "control"
		}
		s, err := series.Load(t.Context(), hosttest.New(t).Sandbox, filepath.Join("..", "..", "kernel", "patches"), name)
		if err != nil || s.Design != design {
			t.Errorf("series %s has the design %q, %v; want %s", name, s.Design, err, design)
		}
		folders, only := Request{}.testFolders(design)
		for _, folder := range folders {
			dir, i386 := strings.CutSuffix(folder, wire.I386)
			if got := only[folder]; i386 != (got == wire.Virtual) || !i386 && got != "" {
				t.Errorf("design %s: %s is only for the lane %q", design, folder, got)
			}
			if !i386 && !slices.Contains(folders, folder+wire.I386) {
				t.Errorf("design %s: %s has no 32-bit programs", design, folder)
			}
			if found, err := filepath.Glob(filepath.Join("..", "..", dir, "*_test.go")); err != nil || len(found) == 0 {
				t.Errorf("design %s: no tests in %s, %v", design, dir, err)
			}
		}
	}
	for said, want := range map[string]string{"": wire.NoDesign, "namespaces": "namespaces"} {
		h := hosttest.New(t)
		req := Request{Checkout: Checkout{Root: "../.."}, Base: source.Spec{Tree: "../testdata/tree"}, Series: series.Series{Design: said}}
		once, err := req.Settle(t.Context(), h)
		if err != nil || once.Series.Design != want {
			t.Errorf("a series of %q: %s, %v, want %s", said, once.Series.Design, err, want)
		}
		if twice, err := once.Settle(t.Context(), h); err != nil || !bytes.Equal(twice.Series.Expect, once.Series.Expect) {
			t.Errorf("a series of %q, settled again: it expects %s, %v, want %s", said, twice.Series.Expect, err, once.Series.Expect)
		}
	}
}
