// SPDX-License-Identifier: BSD-3-Clause

package several_test

import (
	"os"
	"path/filepath"
	"testing"

	"timens-vmtest/internal/wire"
	"timens-vmtest/vmtest/several"
)

// The last presubmit of exactly these patches counts, wherever it lies among the results.
func TestPresubmitted(t *testing.T) {
	results := filepath.Join(t.TempDir(), "with [brackets]")
	write := func(dir string, done bool, patches ...string) {
		t.Helper()
		dir = filepath.Join(results, dir)
		var check several.Check
		for _, text := range patches {
			check.Patches = append(check.Patches, several.PatchToCheck{SHA256: several.DigestOf([]byte(text))})
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, v := range map[string]any{several.CheckFile: check, several.PresubmitFile: several.Presubmit{Done: done}} {
			if err := wire.WriteJSON(filepath.Join(dir, name), v); err != nil {
				t.Fatal(err)
			}
		}
	}
	write("20260101-000000-presubmit-a/a", true, "one", "two")
	write("20260102-000000-presubmit-a/a", true, "one", "two")
	write("20260103-000000-presubmit-a/a", false, "one", "two")
	write("20260104-000000-presubmit-a/a", true, "one")
	write("20260105-000000-presubmit-a/a", true, "two", "one")
	if err := os.Symlink("20260101-000000-presubmit-a", filepath.Join(results, "latest")); err != nil {
		t.Fatal(err)
	}
	damaged := filepath.Join(results, "20260106-000000-presubmit-a/a")
	write("20260106-000000-presubmit-a/a", true, "one", "two")
	if err := os.Truncate(filepath.Join(damaged, several.CheckFile), 9); err != nil {
		t.Fatal(err)
	}
	for want, patches := range map[string][]string{
		"20260102-000000-presubmit-a/a": {"one", "two"},
		"20260104-000000-presubmit-a/a": {"one"},
		"":                              {"one", "three"},
	} {
		var digests []string
		for _, text := range patches {
			digests = append(digests, several.DigestOf([]byte(text)))
		}
		if want != "" {
			want = filepath.Join(results, want)
		}
		if got, err := several.Presubmitted(results, digests); got != want || err != nil {
			t.Errorf("%q: got %q, %v, want %q", patches, got, err, want)
		}
	}
}
