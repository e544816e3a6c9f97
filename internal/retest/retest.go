// SPDX-License-Identifier: BSD-3-Clause

// Package retest has go test run a test again when files have changed that only other programs read
// for it. go test prints "(cached)" instead of running a test if no file has changed that the test
// itself opened. It knows neither what a child of the test opens, nor what is opened by a path that
// leads to the checkout through a link.
package retest

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// IfChanged has the test run again if one of some files of a checkout changes, is added or is removed. paths
// are paths and patterns as "git ls-files" takes them; nil stands for all files. It is an error if there
// is no such file.
func IfChanged(t testing.TB, checkout string, paths ...string) {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-C", checkout, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--"}, paths...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("git ls-files: %v; run the tests in a git checkout", err)
	}
	if len(out) == 0 {
		t.Fatalf("git ls-files %s lists no file of %s", strings.Join(paths, " "), checkout)
	}
	seen := make(map[string]bool)
	for path := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		for !seen[path] { // the file, and then its folders, which change with what is added to them
			seen[path] = true
			// go test notes each file of which a test asks os.Stat.
			if _, err := os.Stat(filepath.Join(checkout, path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			path = filepath.Dir(path)
		}
	}
}
