// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"strings"
	"testing"

	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/kernel/series"
	"timens-vmtest/kernel/source"
)

// The variant for a tree is the nearest that applies, whatever release the tree says that it
// is. What came before it is a misfit.
func TestChoose(t *testing.T) {
	change := func(old string) string {
		return "diff --git a/a.c b/a.c\n--- a/a.c\n+++ b/a.c\n@@ -1 +1 @@\n-" + old + "\n+new\n"
	}
	dir := hosttest.Folder(t, map[string]string{
		"s/series": "a.patch\n", "s/a.patch": change("old"),
		"s/7.3/series": "a.patch\n", "s/7.3/a.patch": change("older"),
		"s/7.5/series": "../a.patch\n",
		"one/series":   "a.patch\n", "one/a.patch": change("old"),
	})
	for name, tc := range map[string]struct {
		which, version, text string
		variant              string
		misfits              string
		fits                 bool
	}{
		"the release's own":       {"s", "7 3", "older", "7.3", "", true},
		"the default":             {"s", "6 12", "old", "6.12", "", true},
		"an older one":            {"s", "7 3", "old", "6.12", "7.3", true},
		"a newer one":             {"s", "6 12", "older", "7.3", "6.12", true},
		"between":                 {"s", "7 4", "older", "7.3", "", true},
		"newest":                  {"s", "7 9", "old", "7.5", "", true},
		"none":                    {"s", "7 3", "other", "7.3", "7.3 6.12 7.5", false},
		"named by the user":       {"s/7.3", "6 12", "old", "7.3", "7.3", false},
		"named by the user, fits": {"s/7.3", "6 12", "older", "7.3", "", true},
		"without variants":        {"one", "7 3", "old", "", "", true},
		"without, does not apply": {"one", "7 3", "older", "", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			major, minor, _ := strings.Cut(tc.version, " ")
			h := hosttest.New(t)
			base, err := source.Spec{Tree: hosttest.Folder(t, map[string]string{
				"Makefile": "VERSION = " + major + "\nPATCHLEVEL = " + minor + "\nSUBLEVEL = 1\n", "a.c": tc.text + "\n",
			})}.Fetch(t.Context(), h)
			if err != nil {
				t.Fatal(err)
			}
			s, err := series.Load(t.Context(), h.Sandbox, dir, tc.which)
			if err != nil {
				t.Fatal(err)
			}
			s.Foreign = "others"
			got, misfits, fits, err := Choose(t.Context(), h, base, s)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, m := range misfits {
				names = append(names, m.Variant)
				if !strings.Contains(m.Err.Error(), "a.patch does not apply to linux-"+strings.Replace(tc.version, " ", ".", 1)+".1") {
					t.Errorf("the misfit %s says %q", m.Variant, m.Err)
				}
			}
			if got.Variant != tc.variant || fits != tc.fits || strings.Join(names, " ") != tc.misfits || got.Name != strings.TrimSuffix(tc.which, "/7.3") {
				t.Errorf("got %s of %s, misfits %q, fits %t; want %s, misfits %q, fits %t", got.Variant, got.Name, names, fits, tc.variant, tc.misfits, tc.fits)
			}
			if got.Foreign != "others" || got.Variants != nil && tc.variant != "" {
				t.Errorf("got foreign %q, variants %v", got.Foreign, got.Variants)
			}
		})
	}
}
