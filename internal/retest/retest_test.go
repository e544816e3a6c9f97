// SPDX-License-Identifier: BSD-3-Clause

package retest

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestNotes is what TestIfChanged runs in a checkout.
func TestNotes(t *testing.T) {
	if checkout := os.Getenv("RETEST_CHECKOUT"); checkout != "" {
		IfChanged(t, checkout, strings.Fields(os.Getenv("RETEST_PATHS"))...)
	}
}

// go test learns from the log of a test which files and folders it is to look at.
func TestIfChanged(t *testing.T) {
	dir := t.TempDir()
	for path, text := range map[string]string{"a/b/tracked": "", "a/new": "", "c/other.md": "", "ignored/x": "", ".gitignore": "/ignored/\n"} {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"init", "-q"}, {"add", "a/b", "c", ".gitignore"}} {
		if out, err := exec.Command("git", append([]string{"-C", dir}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
	}
	for paths, want := range map[string][]string{
		"":             {".", ".gitignore", "a", "a/b", "a/b/tracked", "a/new", "c", "c/other.md"},
		"a":            {".", "a", "a/b", "a/b/tracked", "a/new"},
		". :!*.md":     {".", ".gitignore", "a", "a/b", "a/b/tracked", "a/new"},
		"nothing here": nil,
	} {
		log := filepath.Join(t.TempDir(), "log")
		cmd := exec.Command(os.Args[0], "-test.run=^TestNotes$", "-test.testlogfile="+log)
		cmd.Env = append(os.Environ(), "RETEST_CHECKOUT="+dir, "RETEST_PATHS="+paths)
		if out, err := cmd.CombinedOutput(); (err == nil) != (want != nil) || want == nil && !strings.Contains(string(out), "lists no file of "+dir) {
			t.Errorf("%q: %v\n%s", paths, err, out)
		}
		if want == nil {
			continue
		}
		text, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for line := range strings.Lines(string(text)) {
			if path, ok := strings.CutPrefix(strings.TrimSpace(line), "stat "); ok {
				if rel, err := filepath.Rel(dir, path); err == nil && filepath.IsLocal(rel) {
					got = append(got, rel)
				}
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%q: go test looks at %q, want %q", paths, got, want)
		}
	}
}
