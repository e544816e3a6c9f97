package kernel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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

// Diff compares a base with what the whole series makes of it. What one patch
// adds and a later one removes is no change.
func Diff(ctx context.Context, base Base, s Series) ([]FileDiff, error) {
	over, err := apply(ctx, base, s.Patches)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "vmtest-diff-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	for _, side := range []string{"a", "b"} {
		if err := os.Mkdir(filepath.Join(dir, side), 0o755); err != nil {
			return nil, err
		}
	}
	for path, f := range over {
		if err := copyIn(base.Dir, filepath.Join(dir, "a"), path); err != nil {
			return nil, err
		}
		if f == nil {
			continue
		}
		to := filepath.Join(dir, "b", path)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(to, f.text, 0o644); err != nil {
			return nil, err
		}
	}
	text, err := difference(ctx, dir)
	if err != nil {
		return nil, err
	}
	files, _, err := gitdiff.Parse(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("the series as one diff: %w", err)
	}
	var all []FileDiff
	for _, f := range files {
		c := FileDiff{Path: f.NewName}
		if f.IsDelete {
			c.Path = f.OldName
		}
		if after := over[c.Path]; after != nil {
			c.After = after.text
		}
		for _, hunk := range f.TextFragments {
			c.Lines = append(c.Lines, numbered(hunk)...)
		}
		all = append(all, c)
	}
	return all, nil
}

// difference is the diff from dir/a to dir/b.
func difference(ctx context.Context, dir string) ([]byte, error) {
	out, err := git(ctx, dir, "diff", "--no-index", "--no-renames", "--no-color", "--no-prefix", "a", "b").Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == 1 {
		return out, nil // there are differences
	}
	if err != nil {
		return nil, fmt.Errorf("git diff of the series: %w", err)
	}
	return out, nil
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
