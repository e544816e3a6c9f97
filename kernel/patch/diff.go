// SPDX-License-Identifier: BSD-3-Clause

package patch

import (
	"bytes"
	"strings"

	"github.com/bluekeyes/go-gitdiff/gitdiff"
)

// FileDiff is what a whole series makes of one file.
type FileDiff struct {
	Path  string
	Lines []DiffLine // hunk by hunk, with their context
	After []byte     // the whole file with the series applied; nil if it is gone
}

// DiffLine is a line of a diff.
type DiffLine struct {
	Op   byte // '+', '-' or ' '
	N    int  // number of the line, from 1, in the file as it is after the series; 0 for '-'
	Text string
}

// ParseDiff reads a diff as git makes it without prefixes. What the files are after
// it is not known, and left out.
func ParseDiff(text []byte) ([]FileDiff, error) {
	files, _, err := gitdiff.Parse(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	var all []FileDiff
	for _, f := range files {
		c := FileDiff{Path: f.NewName}
		if f.IsDelete {
			c.Path = f.OldName
		}
		for _, hunk := range f.TextFragments {
			c.Lines = append(c.Lines, numbered(hunk)...)
		}
		all = append(all, c)
	}
	return all, nil
}

// Added returns the lines that the patch adds, by the path of their file.
func (p Patch) Added() map[string][]string {
	all := make(map[string][]string)
	for _, f := range p.files {
		for _, hunk := range f.TextFragments {
			for _, l := range hunk.Lines {
				if l.Op == gitdiff.OpAdd {
					all[f.NewName] = append(all[f.NewName], strings.TrimRight(l.Line, "\n"))
				}
			}
		}
	}
	return all
}

func numbered(hunk *gitdiff.TextFragment) []DiffLine {
	var lines []DiffLine
	n := int(hunk.NewPosition)
	for _, l := range hunk.Lines {
		c := DiffLine{Op: ' ', N: n, Text: strings.TrimRight(l.Line, "\n")}
		switch l.Op {
		case gitdiff.OpDelete:
			c.Op, c.N = '-', 0
		case gitdiff.OpAdd:
			c.Op = '+'
		}
		if c.N > 0 {
			n++
		}
		lines = append(lines, c)
	}
	return lines
}
