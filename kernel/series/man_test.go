// SPDX-License-Identifier: BSD-3-Clause

package series

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"timens-vmtest/internal/ci"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kernel/patch"
)

// The patches for the tree of man-pages change man pages alone, and what they add renders without a
// warning. The pages of man-pages 6.20 are not here: Debian has them in its newest release alone, and
// tests use no network. So the added lines stand behind a header of their own, and what is wrong only
// in its place on the page is not seen.
func TestManPages(t *testing.T) {
	paths, err := filepath.Glob("../patches/*/man/*.patch")
	if err != nil || len(paths) < 3 {
		t.Fatalf("found %q, %v, want a patch for each design", paths, err)
	}
	for _, path := range paths {
		all, err := patch.Load(t.Context(), sandbox.Box{}, path)
		if err != nil || len(all) != 1 || all[0].Author == "" || all[0].Subject == "" {
			t.Fatalf("%s: %v, %d patches, want one with an author and a subject", path, err, len(all))
		}
		for _, page := range all[0].Touches() {
			if !strings.HasPrefix(page, "man/man") {
				t.Errorf("%s changes %s, which is no man page", path, page)
			}
			text := added(string(all[0].Diff), page)
			if said, err := render(t, text); err != nil || said != "" {
				t.Errorf("%s, %s: %v\n%s", path, page, err, said)
			}
			if said, err := render(t, text+".P\n.NOSUCH macro\n"); err != nil || !strings.Contains(said, "NOSUCH") {
				t.Errorf("%s, %s: groff says nothing of a wrong macro: %v, %q", path, page, err, said)
			}
		}
	}
}

// added returns the lines that a diff adds to a file.
func added(diff, path string) string {
	_, diff, _ = strings.Cut(diff, "diff --git a/"+path+" ")
	diff, _, _ = strings.Cut(diff, "\ndiff --git ")
	var lines strings.Builder
	for line := range strings.Lines(diff) {
		if strings.HasPrefix(line, "+") && !strings.HasPrefix(line, "+++ ") {
			lines.WriteString(line[1:])
		}
	}
	return lines.String()
}

// render returns what groff complains of in a part of a man page.
func render(t *testing.T, text string) (string, error) {
	t.Helper()
	if _, err := exec.LookPath("groff"); err != nil {
		ci.Skip(t, "man pages", fmt.Errorf("%w; type \"make deps\"", err))
	}
	cmd := exec.CommandContext(t.Context(), "groff", "-man", "-t", "-ww", "-Tutf8")
	cmd.Stdin = strings.NewReader(".TH part 7 2026-11-22 man\n.SH NAME\npart \\- of a page\n.SH DESCRIPTION\n" + text + ".P\nThe end.\n") // the last line may begin a paragraph
	var said strings.Builder
	cmd.Stderr = &said
	_, err := cmd.Output()
	return said.String(), err
}
