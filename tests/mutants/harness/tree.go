// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// tree is a copy of the project. Mutants are built from it and run in it, so that no mutant can
// harm the checkout.
type tree struct {
	root string // the copy
	work string // for all that is made

	// patience is how much time of a CPU a test may take that needs none without a mutant.
	patience time.Duration
}

// copyTree copies the checkout in the current folder, with all changes that are not committed,
// into a folder.
func copyTree(ctx context.Context, dir string) (tree, error) {
	t := tree{filepath.Join(dir, "tree"), filepath.Join(dir, "work"), 5 * time.Second}
	out, err := exec.CommandContext(ctx, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		return t, fmt.Errorf("list the files of the checkout: %w", said(err))
	}
	if err := os.MkdirAll(t.work, 0o755); err != nil {
		return t, err
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		if err := copyFile(name, filepath.Join(t.root, name)); err != nil && !errors.Is(err, fs.ErrNotExist) { // a file that was deleted
			return t, err
		}
	}
	return t, nil
}

func copyFile(from, to string) error {
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if info.Mode().Type() == fs.ModeSymlink {
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	}
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, info.Mode().Perm())
}

// overlay writes files that take the place of those of a package, and returns the flag that tells
// the go command.
func (t tree) overlay(dir, folder string, texts map[string]string) (string, error) {
	var o struct{ Replace map[string]string }
	o.Replace = make(map[string]string)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	for name, text := range texts {
		to := filepath.Join(dir, name)
		if err := os.WriteFile(to, []byte(text), 0o644); err != nil {
			return "", err
		}
		o.Replace[filepath.Join(t.root, folder, name)] = to
	}
	list, err := json.Marshal(o)
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "overlay.json")
	return "-overlay=" + file, os.WriteFile(file, list, 0o644)
}

// golang runs the go command in the copy. The copy has another name each time, so -trimpath lets
// the cache of builds know what has not changed.
func (t tree) golang(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{args[0], "-trimpath"}, args[1:]...)...)
	cmd.Dir = t.root
	out, err := cmd.Output()
	if err != nil {
		return "", said(err)
	}
	return strings.TrimSpace(string(out)), nil
}

// alone returns a file with one mutant.
func (m *mutant) alone() map[string]string {
	return map[string]string{m.file.name: m.file.text[:m.begin] + m.new + m.file.text[m.end:]}
}
