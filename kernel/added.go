// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"context"
	"strings"
)

// Added is a line of a tree that the series has added.
type Added struct {
	Path    string
	N       int // number of the line in the tree, from 1
	Text    string
	Patch   string // name of the patch that adds it
	Subject string // of that patch
}

// Added returns the lines that the series has added to the tree and that are still there. A line
// belongs to the last patch that adds such a line to the file. Empty lines are left out.
func (t Tree) Added(ctx context.Context) ([]Added, error) {
	files, err := t.Diff(ctx)
	if err != nil {
		return nil, err
	}
	type line struct{ path, text string }
	by := make(map[line]int)
	for i, p := range t.Series.Patches {
		for path, lines := range p.Added() {
			for _, text := range lines {
				by[line{path, text}] = i
			}
		}
	}
	var all []Added
	for _, f := range files {
		for _, l := range f.Lines {
			i, ok := by[line{f.Path, l.Text}]
			if l.Op != '+' || !ok || strings.TrimSpace(l.Text) == "" {
				continue
			}
			p := t.Series.Patches[i]
			all = append(all, Added{Path: f.Path, N: l.N, Text: l.Text, Patch: p.Name, Subject: p.Subject})
		}
	}
	return all, nil
}
