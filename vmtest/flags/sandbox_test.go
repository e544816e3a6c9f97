// SPDX-License-Identifier: BSD-3-Clause

package flags

import (
	"path/filepath"
	"testing"

	"timens-vmtest/kernel/patch"
	"timens-vmtest/kernel/series"
	"timens-vmtest/vmtest/run"
)

// Whose work something is shows in where it lies, however it is written.
func TestOrigin(t *testing.T) {
	root, elsewhere := t.TempDir(), t.TempDir()
	origin := func(from, which string, patches ...string) string {
		t.Helper()
		t.Chdir(from)
		c := Command{Series: List{which}, patches: patches, Checkout: run.Checkout{Root: root}}
		s := series.Series{Patches: []patch.Patch{{Text: []byte(from)}}}
		got, err := c.origin(which, s)
		if err != nil {
			t.Fatal(err)
		}
		if foreign := c.foreign(); (foreign == nil) != (got == "") {
			t.Errorf("series %s with %q in %s: foreign are %q, and the origin is %q", which, patches, from, foreign, got)
		}
		return got
	}
	for _, tc := range []struct {
		from, series string
		patches      []string
		own          bool
	}{
		{elsewhere, "control", nil, true},
		{elsewhere, filepath.Join(root, "tests/canary/faults"), nil, true},
		{root, "./mine", nil, true},
		{root, "control", []string{"fix.patch"}, true},
		{elsewhere, "control", []string{"fix.patch"}, false},
		{elsewhere, "./mine", nil, false},
		{root, filepath.Join(elsewhere, "mine"), nil, false},
		{root, "mail.mbox", nil, false},
	} {
		if got := origin(tc.from, tc.series, tc.patches...); (got == "") != tc.own {
			t.Errorf("series %s with %q in %s: the origin is %q", tc.series, tc.patches, tc.from, got)
		}
	}
	third := t.TempDir()
	for name, of := range map[string]func(dir string) string{
		"series":  func(dir string) string { return origin(dir, "./mine") },
		"patch":   func(dir string) string { return origin(dir, "control", "fix.patch") },
		"mailbox": func(dir string) string { return origin(dir, "mail.mbox") },
	} {
		if of(elsewhere) == of(third) {
			t.Errorf("two of the same name: one %s is taken for the other", name)
		}
	}
}
