// SPDX-License-Identifier: BSD-3-Clause

package check

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kernel/patch"
)

// groff is the program that renders man pages.
const groff = "groff"

// man checks the patches for man pages that go with a series. The first patch of the series answers for them.
func (c *checking) man(ctx context.Context, at prefix) error {
	if at.n != 1 {
		return nil
	}
	var all []string
	for _, p := range c.series.Man {
		found, err := manFaults(ctx, at.on, p)
		if err != nil {
			return err
		}
		all = append(all, found...)
	}
	return complaints(all)
}

// manFaults returns what is wrong with a patch for man pages. The tree of these pages is not here, so the
// lines that the patch adds are rendered behind a header of their own.
func manFaults(ctx context.Context, h host.Host, p patch.Patch) (all []string, err error) {
	if p.Author == "" || p.Subject == "" {
		all = append(all, p.Name+": it has no author or no subject")
	}
	for _, page := range p.Touches() {
		if !strings.HasPrefix(page, "man/man") {
			all = append(all, fmt.Sprintf("%s: %s is no man page", p.Name, page))
			continue
		}
		said, err := render(ctx, h, addedTo(page, p.Diff))
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(said) {
			all = append(all, fmt.Sprintf("%s: %s: %s", p.Name, page, strings.TrimPrefix(strings.TrimSpace(line), "troff: ")))
		}
	}
	return all, nil
}

// addedTo returns the lines that a diff adds to a file.
func addedTo(path string, text []byte) string {
	_, diff, _ := strings.Cut(string(text), "diff --git a/"+path+" ")
	diff, _, _ = strings.Cut(diff, "\ndiff --git ")
	var lines strings.Builder
	for line := range strings.Lines(diff) {
		if strings.HasPrefix(line, "+") && !strings.HasPrefix(line, "+++ ") {
			lines.WriteString(line[1:])
		}
	}
	return lines.String()
}

// render returns what groff complains of in a part of a man page. The header has one line, and the number
// of a line is that of the added lines below it. The last of these may begin a paragraph.
func render(ctx context.Context, h host.Host, text string) (string, error) {
	dir, err := os.MkdirTemp("", "vmtest-man-")
	if err != nil {
		return "", err
	}
	defer cache.RemoveAll(dir)
	text = ".TH part 7 2026-11-22 man\n.SH NAME\npart \\- of a page\n.SH DESCRIPTION\n.lf 1 added\n" + text + ".P\nThe end.\n"
	// The file man.local is where a machine changes how pages look. The sandbox does not show it.
	for name, text := range map[string]string{"added": text, "man.local": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return "", err
		}
	}
	place := sandbox.Place{Dir: dir, Writable: []string{dir}}
	out, err := h.Sandbox.Output(ctx, place, groff, "-M", dir, "-man", "-t", "-ww", "-z", "-Tutf8", "added")
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", groff, err, sandbox.Tail(out, 20))
	}
	return string(out), nil
}
