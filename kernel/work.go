// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"timens-vmtest/internal/cache"
	"timens-vmtest/kernel/source"
)

// A work folder holds src, the patched tree; out, make's O=; and what has to be
// known of the makes before the next one.

// workKey names the folder in which builds of one series follow each other, so
// that a changed patch costs what make needs for it and no more. It is the same
// in every checkout: a fresh clone goes on where the last one was. It is also the same
// for all states of one git tree: the tree as it stands and a range of its commits have
// nearly all files in common, and materialise leaves those alone. A series from elsewhere
// has a folder that no other series is built in.
func (s Spec) workKey() string {
	parts := []string{s.place(), s.Tree.Series.Name}
	switch {
	case s.foreign() != "":
		parts = []string{s.place(), "the work of others", s.foreign()}
	case s.Tree.Series.InTree:
		parts[1] = "the tree itself"
	}
	for _, o := range s.Config.Options {
		if name := filepath.Base(o.File); !slices.Contains(parts, name) {
			parts = append(parts, name)
		}
	}
	return cache.Digest(append(parts, s.Make...)...)[:16]
}

// place is where the base is: states of one git tree have one place.
func (s Spec) place() string { return cmp.Or(s.Tree.Base.Tree, s.Tree.Base.Dir) }

// foreign is the series' Foreign, unless it is the base that is built.
func (s Spec) foreign() string {
	if len(s.Tree.Series.Patches) == 0 {
		return ""
	}
	return s.Tree.Series.Foreign
}

// enter keeps others out of the work folder, until the caller calls leave. The folder of
// a series from elsewhere gets objects to begin with.
func (b *build) enter(ctx context.Context) (leave func(), err error) {
	unlock, err := b.Lock(ctx, "work-"+b.workKey(), "another kernel of the series "+b.Tree.Series.Name)
	if err != nil {
		return nil, err
	}
	wrote := func() error { return b.Cache.Wrote(cache.Work, b.workKey(), b.about()) }
	if err := errors.Join(wrote(), b.seed(ctx)); err != nil {
		unlock()
		return nil, err
	}
	return func() {
		if err := errors.Join(wrote(), b.usedBase()); err != nil { // the kernel is as good without it
			b.Report.Step("the size of %s is not known: %v", b.dir, err)
		}
		unlock()
	}, nil
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

// anew empties the build folder.
func (b *build) anew() error {
	return errors.Join(os.RemoveAll(b.compiled()), cache.RemoveAll(b.out()))
}

// compiled is a file that says what the last vmlinux was made of that was made to its
// end. While make runs there is none.
func (b *build) compiled() string { return filepath.Join(b.dir, "compiled") }

// objects says what the objects in a work folder were made of.
type objects struct {
	Inputs  string          `json:"inputs"`  // of the kernel, as one digest
	Foreign bool            `json:"foreign"` // code of others ran when they were made
	Place   string          `json:"place"`   // of the base
	Base    string          `json:"base"`    // its ID
	Over    source.Manifest `json:"over"`    // stamps of the files that the series touches
	Config  string          `json:"config"`  // digest of the requests
	Seen    string          `json:"seen"`    // path of the tree, as make saw it: the objects' command lines have it
}

func (b *build) setCompiled() error {
	return cache.WriteJSON(b.compiled(), objects{
		Inputs: b.inputs, Foreign: b.foreign() != "", Place: b.place(), Base: b.Tree.Base.ID,
		Over: b.stamps(), Config: b.configDigest(), Seen: b.seen(b.src),
	})
}

// isCompiled says that the objects are those of this very kernel, apart from
// what a linter compiled again.
func (b *build) isCompiled() bool {
	last, err := readObjects(b.dir)
	return err == nil && last.Inputs == b.inputs
}

// readObjects says what the objects in a work folder were made of. It fails if no vmlinux
// was made there to its end.
func readObjects(dir string) (objects, error) {
	var o objects
	text, err := os.ReadFile(filepath.Join(dir, "compiled"))
	if err == nil {
		err = json.Unmarshal(text, &o)
	}
	if err == nil {
		_, err = os.Lstat(filepath.Join(dir, "out", "vmlinux"))
	}
	return o, err
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
