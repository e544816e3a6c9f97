// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A series' makefile that leaves links to the user's files in its build folder
// has them neither written to nor read.
func TestBuildFollowsNoLinks(t *testing.T) {
	for name, tc := range map[string]struct{ after, does string }{
		"configuration": {"tinyconfig:\n", "\t@ln -sf TARGET $(O)/.config; exit 0\n"},
		"release":       {"kernel.release\n", "\t@ln -sf TARGET $(O)/include/config/kernel.release\n"},
		"vmlinux":       {"kernel.release\n", "\t@ln -sf TARGET $(O)/vmlinux\n"},
		"pipe":          {"kernel.release\n", "\t@rm $(O)/vmlinux; mkfifo $(O)/vmlinux\n"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			target := filepath.Join(t.TempDir(), "secret")
			if err := os.WriteFile(target, []byte("s3cret\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			before, behind, ok := strings.Cut(fakeTree["Makefile"], tc.after)
			if !ok {
				t.Fatalf("no %q in the Makefile", tc.after)
			}
			if name == "configuration" { // in place of what it does otherwise
				_, behind, _ = strings.Cut(behind, "\n")
			}
			makefile := before + tc.after + strings.ReplaceAll(tc.does, "TARGET", target) + behind
			if err := os.WriteFile(filepath.Join(w.base.Dir, "Makefile"), []byte(makefile), 0o644); err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() {
				_, err := w.build(good)
				done <- err
			}()
			select {
			case err := <-done:
				if err == nil {
					t.Error("it was built")
				}
			case <-time.After(time.Minute):
				t.Fatal("it waits for ever")
			}
			if text, err := os.ReadFile(target); err != nil || string(text) != "s3cret\n" {
				t.Errorf("the file that the link leads to holds %q, %v", text, err)
			}
		})
	}
}
