// SPDX-License-Identifier: BSD-3-Clause

package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/sandbox"
)

// Manifest says of every file of a tree which state it is in: the stamp of the
// base's file, or that of a patched one. Equal stamps are equal contents.
type Manifest map[string]string

// Identified is the base with an ID. A checkout, which has none, is what its files
// are now: these come along, and are nil for any other base.
func (b Base) Identified(ctx context.Context) (Base, Manifest, error) {
	if b.ID != "" {
		return b, nil, nil
	}
	files, err := Survey(ctx, b)
	if err == nil {
		b.ID = files.digest()
	}
	return b, files, err
}

// Survey stamps the files of a base. Of a git checkout it takes the files that
// git tracks or would track, as they stand; of any other tree all files.
func Survey(ctx context.Context, base Base) (Manifest, error) {
	m := make(Manifest)
	add := func(path string) error {
		info, err := os.Lstat(filepath.Join(base.Dir, path))
		if errors.Is(err, fs.ErrNotExist) {
			return nil // deleted in the checkout but still in git's index
		}
		if err != nil {
			return err
		}
		if !info.IsDir() { // a directory here is a submodule
			m[path] = fmt.Sprintf("base %o %d %d", info.Mode(), info.Size(), info.ModTime().UnixNano())
			if stat, ok := info.Sys().(*syscall.Stat_t); ok && base.Private {
				m[path] += fmt.Sprintf(" %d", stat.Ino) // unpacked again it is another file, which may share its times
			}
		}
		return nil
	}
	if _, err := os.Stat(filepath.Join(base.Dir, ".git")); err == nil && !base.Private {
		out, err := sandbox.Run(sandbox.Command(ctx, base.Dir, nil, "git", "-c", "safe.directory="+base.Dir, "ls-files", "-z", "-c", "-o", "--exclude-standard"))
		if err != nil {
			return nil, err
		}
		for _, path := range strings.Split(strings.TrimRight(string(out), "\x00"), "\x00") {
			if err := add(path); err != nil {
				return nil, err
			}
		}
		return m, nil
	}
	err := filepath.WalkDir(base.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(base.Dir, path)
		if err != nil {
			return err
		}
		return add(rel)
	})
	return m, err
}

// digest identifies the tree's state.
func (m Manifest) digest() string {
	var parts []string
	for _, path := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, path, m[path])
	}
	return cache.Digest(parts...)
}

func Merged(a, b Manifest) Manifest {
	both := maps.Clone(a)
	maps.Copy(both, b)
	return both
}
