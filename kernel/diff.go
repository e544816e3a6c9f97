// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kernel/patch"
)

// Diff returns the difference between the base and the tree, one FileDiff for each file that
// differs. It does not contain lines that one patch adds and a later patch removes.
func (t Tree) Diff(ctx context.Context) ([]patch.FileDiff, error) {
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
	for path, f := range t.over {
		if err := copyIn(t.Base.Dir, filepath.Join(dir, "a"), path, t.over); err != nil {
			return nil, err
		}
		if f == nil {
			continue
		}
		to := filepath.Join(dir, "b", path)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return nil, err
		}
		put := os.WriteFile
		if f.link {
			put = func(to string, target []byte, _ fs.FileMode) error { return os.Symlink(string(target), to) }
		}
		if err := put(to, f.text, 0o644); err != nil {
			return nil, err
		}
	}
	text, err := difference(ctx, dir)
	if err != nil {
		return nil, err
	}
	all, err := patch.ParseDiff(text)
	if err != nil {
		return nil, fmt.Errorf("the series as one diff: %w", err)
	}
	for i, c := range all {
		if after := t.over[c.Path]; after != nil {
			all[i].After = after.text
		}
	}
	return all, nil
}

// difference returns the diff from dir/a to dir/b, as git prints it.
func difference(ctx context.Context, dir string) ([]byte, error) {
	out, err := sandbox.Git(ctx, dir, "diff", "--no-index", "--no-renames", "--no-color", "--no-prefix", "a", "b").Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == 1 {
		return out, nil // there are differences
	}
	if err != nil {
		return nil, fmt.Errorf("git diff of the series: %w", err)
	}
	return out, nil
}
