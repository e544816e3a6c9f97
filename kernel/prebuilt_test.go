// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"os"
	"path/filepath"
	"testing"

	"timens-vmtest/internal/blame"
)

// A kernel belongs to a tree of the version that its release begins with.
func TestCheckBuiltFrom(t *testing.T) {
	for _, tc := range []struct {
		release, version string
		want             bool
	}{
		{"6.12.117", "6.12.117", true},
		{"6.12.117+", "6.12.117", true},
		{"6.12.117-debug-00010-gabcdef123456-dirty\n", "6.12.117", true},
		{"6.13.0-rc2-next-20241101", "6.13.0-rc2", true},
		{"6.12", "6.12", true},
		{"6.12.1.mine", "6.12.1", true},
		{"6.12.117", "6.12.11", false},
		{"6.12.1", "6.12", false},
		{"6.12.0", "7.3.0", false},
		{"7.3.0-rc1", "7.3.0", false}, // the tree has the release now
		{"7.3.0-rc10", "7.3.0-rc1", false},
		{"7.3.0", "7.3.0-rc1", false},
		{"", "6.12.0", false},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, releaseFile)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(tc.release), 0o644); err != nil {
			t.Fatal(err)
		}
		err := CheckBuiltFrom(dir, "tree", tc.version)
		if (err == nil) != tc.want || err != nil && blame.Of(err) != blame.User {
			t.Errorf("a kernel %q and a tree linux-%s: got %v", tc.release, tc.version, err)
		}
	}
}
