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

// Manifest says of every file of a tree which state it is in: the stamp of the
// base's file, or that of a patched one. Equal stamps are equal contents.
type Manifest map[string]string

// Identified is the base with an ID. A checkout, which has none, is what its files
// are now: these come along, and are nil for any other base. What is left out of a
// checkout is reported to r, which may be nil.
func (b Base) Identified(ctx context.Context, r host.Reporter) (Base, Manifest, error) {
	if b.ID != "" {
		return b, nil, nil
	}
	c, err := Look(ctx, b.Dir)
	if err != nil {
		return b, nil, err
	}
	if r != nil {
		c.Say(r)
	}
	files, err := c.manifest()
	if err == nil {
		b.ID = files.digest()
	}
	return b, files, err
}

// Survey stamps the files of a base in the cache, or of a checkout.
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

// manifest stamps the files of a checkout of which a kernel can be built.
func (c Checkout) manifest() (Manifest, error) {
	for _, path := range c.Sparse {
		if !strings.HasPrefix(path, "Documentation/") { // most of it is not read by a build
			return nil, blame.Usagef("-tree %s is a sparse checkout, and a kernel is made of all files (%s is not there); type \"%s\", or test its commits with -range", c.Dir, path, shell.Quote("git", "-C", c.Dir, "sparse-checkout", "disable"))
		}
	}
	m := make(Manifest)
	for _, f := range c.Files {
		if f.Info != nil {
			m[f.Path] = Base{}.stamp(f.Info)
		}
	}
	if m["Makefile"] == "" {
		return nil, blame.Usagef("-tree %s: git ignores its Makefile, and so the kernel; \"git -C %s check-ignore -v Makefile\" says why: commit the sources by \"git add -f .\", or remove .git", c.Dir, c.Dir)
	}
	return m, nil
}

// stamp is the state of one file. Equal stamps are equal contents: the time of the
// last change cannot be set back, as that of the last write can. In the cache, where
// links are made to the file, its number stands for that: unpacked again it is another.
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

// ChangedError says that a file of the base is not as it was surveyed.
type ChangedError struct{ Path string }

func (e *ChangedError) Error() string {
	return fmt.Sprintf("%s changed while it was read; end what writes there and try again, or test a commit with -range", e.Path)
}

// Open opens a regular file of the base to read it. The caller calls same when it has
// read all of it: it returns a ChangedError if the file is not the one with this stamp,
// or did not stay so.
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

// Readlink is the target of a symbolic link of the base.
func (b Base) Readlink(path, stamp string) (string, error) {
	full := filepath.Join(b.Dir, path)
	target, err := os.Readlink(full)
	if info, lerr := os.Lstat(full); err != nil || lerr != nil || b.stamp(info) != stamp {
		return "", &ChangedError{full}
	}
	return target, nil
}

// IsLink says that a stamp is that of a symbolic link.
func IsLink(stamp string) bool {
	var mode fs.FileMode
	_, err := fmt.Sscanf(stamp, "base %o ", &mode)
	return err == nil && mode&fs.ModeSymlink != 0
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
