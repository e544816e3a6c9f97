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

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/shell"
)

// Manifest has the stamp of every file of a tree, by path. Equal stamps mean equal
// contents.
type Manifest map[string]string

// Patience is how often a checkout that changes while it is read is read.
const Patience = 3

// Identified returns the base with an ID. A checkout has no ID of its own: its ID is
// computed from the contents of its files. Identified returns the stamps of these files,
// too. For any other base the Manifest is nil. What is left out of a checkout is reported
// to r, which may be nil.
func (b Base) Identified(ctx context.Context, in cache.Cache, r host.Reporter) (Base, Manifest, error) {
	if b.ID != "" {
		return b, nil, nil
	}
	for try := 1; ; try++ {
		c, err := Look(ctx, b.Dir)
		if err != nil {
			return b, nil, err
		}
		if r != nil && try == 1 {
			c.Say(r)
		}
		files, err := c.manifest()
		if err != nil {
			return b, nil, err
		}
		b.ID, err = b.identify(in, files, r)
		changed, moved := errors.AsType[*ChangedError](err)
		if !moved || try == Patience {
			return b, files, err
		}
		if r != nil {
			changed.Say(r)
		}
	}
}

// Survey returns the stamps of all files of a base.
func Survey(ctx context.Context, base Base) (Manifest, error) {
	if !base.Private {
		c, err := Look(ctx, base.Dir)
		if err != nil {
			return nil, err
		}
		return c.manifest()
	}
	m := make(Manifest)
	err := filepath.WalkDir(base.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(base.Dir, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		m[rel] = base.stamp(info)
		return nil
	})
	return m, err
}

// manifest returns the stamps of the files of a checkout. It refuses a checkout from which
// no kernel can be built.
func (c Checkout) manifest() (Manifest, error) {
	for _, path := range c.Sparse {
		if !strings.HasPrefix(path, "Documentation/") { // a build reads little of it
			return nil, blame.Usagef("-tree %s is a sparse checkout, but a build needs all files (%s is missing); type \"%s\", or test its commits with -range", c.Dir, path, shell.Quote("git", "-C", c.Dir, "sparse-checkout", "disable"))
		}
	}
	m := make(Manifest)
	for _, f := range c.Files {
		if f.Info != nil {
			m[f.Path] = Base{}.stamp(f.Info)
		}
	}
	if m["Makefile"] == "" {
		return nil, blame.Usagef("-tree %s: git ignores its Makefile; \"git -C %s check-ignore -v Makefile\" says why; commit the sources by \"git add -f .\", or remove .git", c.Dir, c.Dir)
	}
	return m, nil
}

// stamp returns the state of one file. Equal stamps mean equal contents. The stamp of a
// file in a checkout includes the time of the last status change (ctime), because no
// program can set it back. Hard links change the ctime, and files in the cache get such
// links. Their stamps include the inode number instead, which is new when a file is
// unpacked again.
func (b Base) stamp(info fs.FileInfo) string {
	s := fmt.Sprintf("base %o %d %d", info.Mode(), info.Size(), info.ModTime().UnixNano())
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case ok && b.Private:
		s += fmt.Sprintf(" %d", stat.Ino)
	case ok:
		s += fmt.Sprintf(" %d.%09d", stat.Ctim.Sec, stat.Ctim.Nsec)
	}
	return s
}

// ChangedError reports that a file of the base changed after it was surveyed.
type ChangedError struct{ Path string }

func (e *ChangedError) Error() string {
	return fmt.Sprintf("%s changed while it was read; end the program that writes it and try again, or test a commit with -range", e.Path)
}

// Say reports that the checkout is read again.
func (e *ChangedError) Say(r host.Reporter) {
	r.Step("%s changed while the tree was read: it is read again, and the last state is tested", e.Path)
}

// Open opens a regular file of the base for reading. The caller calls same after it has
// read the whole file. Open and same return a ChangedError if the file does not have this
// stamp.
func (b Base) Open(path, stamp string) (f *os.File, same func() error, err error) {
	full := filepath.Join(b.Dir, path)
	f, info, err := cache.OpenRegular(full)
	if errors.Is(err, fs.ErrNotExist) || err == nil && b.stamp(info) != stamp {
		if f != nil {
			err = f.Close()
		}
		return nil, nil, errors.Join(&ChangedError{full}, err)
	}
	if err != nil {
		return nil, nil, err
	}
	return f, func() error {
		if info, err := f.Stat(); err != nil || b.stamp(info) != stamp {
			return errors.Join(&ChangedError{full}, err)
		}
		return nil
	}, nil
}

// Readlink returns the target of a symbolic link of the base.
func (b Base) Readlink(path, stamp string) (string, error) {
	full := filepath.Join(b.Dir, path)
	target, err := os.Readlink(full)
	if info, lerr := os.Lstat(full); err != nil || lerr != nil || b.stamp(info) != stamp {
		return "", &ChangedError{full}
	}
	return target, nil
}

// IsLink reports whether a stamp belongs to a symbolic link.
func IsLink(stamp string) bool {
	var mode fs.FileMode
	_, err := fmt.Sscanf(stamp, "base %o ", &mode)
	return err == nil && mode&fs.ModeSymlink != 0
}

// digest returns an ID of the tree's state.
func (m Manifest) digest() string {
	var parts []string
	for _, path := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, path, m[path])
	}
	return cache.Digest(parts...)
}

// Merged returns the entries of both manifests. If both have a path, b's entry is used.
func Merged(a, b Manifest) Manifest {
	both := maps.Clone(a)
	maps.Copy(both, b)
	return both
}
