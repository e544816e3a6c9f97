// SPDX-License-Identifier: BSD-3-Clause

package flags

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Commas part names, and not the path of what exists.
func TestListFlag(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{"a,b", "c", "a,b,c", "e,,f.mbox"} {
		if err := os.WriteFile(filepath.Join(dir, path), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	for value, want := range map[string][]string{
		"control":             {"control"},
		"control,namespaces":  {"control", "namespaces"},
		"./a,b":               {"./a,b"},
		dir + "/a,b":          {dir + "/a,b"},
		"control,./a,b,x":     {"control", "./a,b", "x"},
		"./a,b,c":             {"./a,b,c"}, // the longest that exists
		"./a,b,./c":           {"./a,b", "./c"},
		"./e,,f.mbox,control": {"./e,,f.mbox", "control"},
		"./nonsuch,control":   {"./nonsuch", "control"},
	} {
		var got List
		if err := got.Set(value); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: got %q, %v, want %q", value, []string(got), err, want)
		}
	}
	for _, value := range []string{"", ",", "control,", "./no,,such"} {
		var got List
		if err := got.Set(value); err == nil {
			t.Errorf("%q: got %q, want an error", value, []string(got))
		}
	}
}
