// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kernel/source"
)

// A work folder holds src, the patched tree; out, make's O=; and what has to be
// known of the makes before the next one.

// workKey names the folder in which builds of one series follow each other, so
// that a changed patch costs what make needs for it and no more. It is the same
// in every checkout: a fresh clone goes on where the last one was. It is also the same
// for all states of one git tree: the tree as it stands and a range of its commits have
// nearly all files in common, and materialise leaves those alone.
func (s Spec) workKey() string {
	name := s.Tree.Series.Name
	switch {
	case s.foreign() != "":
		name = "the work of others"
	case s.Tree.Series.InTree:
		name = "the tree itself"
	}
	parts := []string{cmp.Or(s.Tree.Base.Tree, s.Tree.Base.Dir), name}
	for _, o := range s.Config.Options {
		if name := filepath.Base(o.File); !slices.Contains(parts, name) {
			parts = append(parts, name)
		}
	}
	return cache.Digest(parts...)[:16]
}

// foreign is the series' Foreign, unless it is the base that is built.
func (s Spec) foreign() string {
	if len(s.Tree.Series.Patches) == 0 {
		return ""
	}
	return s.Tree.Series.Foreign
}

// lock keeps others out of the work folder.
func (b *build) lock(ctx context.Context) (unlock func(), err error) {
	return b.Lock(ctx, "work-"+b.workKey(), "another kernel of the series "+b.Tree.Series.Name)
}

// making is a file that is there while make runs, and stays if make was killed:
// then an object may be half written, and look newer than its source.
func (b *build) making() string { return filepath.Join(b.dir, "making") }

// verifyBase verifies a private base in full before its first build in the folder, which
// other bases may have been built in.
func (b *build) verifyBase(files source.Manifest) error {
	base := b.Tree.Base
	memory := filepath.Join(b.dir, "verified")
	last, err := os.ReadFile(memory)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	_, err = os.Stat(filepath.Join(b.dir, manifestFile))
	if err := base.Verify(files, err != nil || string(last) != base.Dir); err != nil {
		return err
	}
	return cache.WriteFile(memory, []byte(base.Dir))
}

// admit empties the build folder of what another's series has left in it.
func (b *build) admit() error {
	if b.foreign() == "" {
		return nil
	}
	memory := filepath.Join(b.dir, "foreign")
	text, err := os.ReadFile(memory)
	if err == nil && string(text) == b.foreign() {
		return nil
	}
	if err == nil {
		b.Report.Step("the last build in %s was of another series: begin anew", b.out())
	}
	if err := b.anew(); err != nil {
		return err
	}
	return cache.WriteFile(memory, []byte(b.foreign()))
}

// anew empties the build folder.
func (b *build) anew() error { return errors.Join(os.RemoveAll(b.compiled()), sandbox.Remove(b.out())) }

// compiled is a file with the inputs of the last vmlinux that was made to its end.
func (b *build) compiled() string { return filepath.Join(b.dir, "compiled") }

func (b *build) setCompiled() error { return os.WriteFile(b.compiled(), []byte(b.inputs), 0o644) }

// isCompiled says that the objects are those of this very kernel, apart from
// what a linter compiled again.
func (b *build) isCompiled() bool {
	text, err := os.ReadFile(b.compiled())
	if err != nil || string(text) != b.inputs {
		return false
	}
	_, err = os.Lstat(filepath.Join(b.out(), "vmlinux"))
	return err == nil
}

// warned is a file with the objects whose compilers warned when they were last
// made: a later make would not make them again, and know nothing of a warning.
func (b *build) warned() string { return filepath.Join(b.dir, "warned") }

func (b *build) rememberWarned() error {
	objects := warnedObjects(b.printed.text)
	return os.WriteFile(b.warned(), []byte(strings.Join(objects, "\n")), 0o644)
}

// forgetWarned deletes those objects.
func (b *build) forgetWarned() error {
	text, err := os.ReadFile(b.warned())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(b.out())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer root.Close()
	for _, object := range strings.Fields(string(text)) {
		if err := root.Remove(object); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return b.anew() // no object: a link of the series' own
		}
	}
	return nil
}
