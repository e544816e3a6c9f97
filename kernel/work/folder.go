// SPDX-License-Identifier: BSD-3-Clause

// Package work keeps the work folders of the cache, in which make builds kernels. In a work
// folder builds of one series follow each other, so that make compiles only what changed.
// A folder begins as a copy of one in which only code of the user, or the same code of others, was
// built, with the same configuration or with another one.
package work

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/kernel/source"
)

// ManifestFile is the file of a work folder with the stamps of the files in src.
const ManifestFile = "manifest.json"

// Folder is a work folder, and what is to be built in it. It holds src, the patched tree;
// out, make's O=; and what has to be known of the makes before the next one.
type Folder struct {
	host.Host
	Dir    string // in the folder "work" of the cache, under the key of the folder
	Base   source.Base
	Series string  // name of the series
	About  string  // what is built, for a person
	Makes  Objects // what the objects will be made of; Seen is not set
}

// Src is the patched tree.
func (f Folder) Src() string { return filepath.Join(f.Dir, "src") }

// Out is make's O=.
func (f Folder) Out() string { return filepath.Join(f.Dir, "out") }

func (f Folder) key() string { return filepath.Base(f.Dir) }

// Enter keeps others out of the work folder, until the caller calls leave. If another folder
// has objects that are nearer to those that will be made, the folder gets copies of them.
func (f Folder) Enter(ctx context.Context) (leave func(), err error) {
	unlock, err := f.seed(ctx)
	if err != nil {
		return nil, err
	}
	wrote := func() error { return f.Cache.Wrote(cache.Work, f.key(), f.About) }
	if err := wrote(); err != nil {
		unlock()
		return nil, err
	}
	return func() {
		if err := errors.Join(wrote(), f.usedBase()); err != nil { // the kernel is as good without it
			f.Report.Step("the size of %s is not known: %v", f.Dir, err)
		}
		unlock()
	}, nil
}

// Used notes in the cache a use of the folder, if there is one, and of the source.
func (f Folder) Used() error {
	var err error
	if _, serr := os.Stat(f.Dir); serr == nil {
		err = f.Cache.Use(cache.Work, f.key(), f.About)
	}
	return errors.Join(err, f.usedBase())
}

// usedBase notes a use of the source. That is done last, so that a source does not go
// before what was made of it.
func (f Folder) usedBase() error {
	if !f.Base.Private {
		return nil
	}
	return f.Cache.Use(cache.Source, filepath.Base(f.Base.Dir), "")
}

// Ready makes the folder ready for make. If the last make was killed, Ready deletes all
// objects. If the objects are not those of this very kernel, it deletes the ones whose
// compilers warned, so that make compiles them again, and the compiler warns again.
func (f Folder) Ready() error {
	if _, err := os.Stat(f.making()); err == nil {
		f.Report.Step("the last build in %s was killed: begin anew", f.Out())
		if err := f.anew(); err != nil {
			return err
		}
		if err := f.MakeEnds(); err != nil {
			return err
		}
	}
	if !f.IsCompiled() {
		if err := errors.Join(f.ClearCompiled(), f.forgetWarned()); err != nil {
			return err
		}
	}
	return os.MkdirAll(f.Out(), 0o755)
}

// making is a file that is there while make runs, and stays if make was killed:
// then an object may be half written, and look newer than its source.
func (f Folder) making() string { return filepath.Join(f.Dir, "making") }

// MakeBegins notes that make runs from now on. If make is killed, Ready finds the note.
func (f Folder) MakeBegins() error { return os.WriteFile(f.making(), nil, 0o644) }

// MakeEnds notes that make has ended, and was not killed.
func (f Folder) MakeEnds() error { return os.Remove(f.making()) }

// VerifyBase verifies a private base in full before its first build in the folder, which
// other bases may have been built in.
func (f Folder) VerifyBase(files source.Manifest) error {
	memory := filepath.Join(f.Dir, "verified")
	last, err := os.ReadFile(memory)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	_, err = os.Stat(filepath.Join(f.Dir, ManifestFile))
	if err := f.Base.Verify(files, err != nil || string(last) != f.Base.Dir); err != nil {
		return err
	}
	return cache.WriteFile(memory, []byte(f.Base.Dir))
}

// anew empties the build folder.
func (f Folder) anew() error {
	return errors.Join(f.ClearCompiled(), cache.RemoveAll(f.Out()))
}

// compiled is a file that says what the last vmlinux was made of that was made to its
// end. While make runs there is none.
func (f Folder) compiled() string { return filepath.Join(f.Dir, "compiled") }

// ClearCompiled notes that the objects are not those of one kernel, or will not be.
func (f Folder) ClearCompiled() error { return os.RemoveAll(f.compiled()) }

// Objects says what the objects in a work folder were made of.
type Objects struct {
	Inputs   string          `json:"inputs"`   // of the kernel, as one digest
	Others   string          `json:"others"`   // says whose code ran when they were made; "": the user's own
	Place    string          `json:"place"`    // of the base
	Base     string          `json:"base"`     // its ID
	Over     source.Manifest `json:"over"`     // stamps of the files that the series touches
	Tools    string          `json:"tools"`    // digest of the toolchain and of make's variables
	Requests []string        `json:"requests"` // lines of the merged fragment
	Seen     string          `json:"seen"`     // path of the tree, as make saw it: the objects' command lines have it
}

// SetCompiled notes that vmlinux was made to its end, and what the objects were made of.
func (f Folder) SetCompiled() error {
	made := f.Makes
	made.Seen = f.Seen(f.Src())
	return cache.WriteJSON(f.compiled(), made)
}

// IsCompiled reports whether the objects are those of this very kernel, apart from
// what a linter compiled again.
func (f Folder) IsCompiled() bool {
	last, err := readObjects(f.Dir)
	return err == nil && last.Inputs == f.Makes.Inputs
}

// readObjects says what the objects in a work folder were made of. It fails if no vmlinux
// was made there to its end.
func readObjects(dir string) (Objects, error) {
	var o Objects
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
func (f Folder) warned() string { return filepath.Join(f.Dir, "warned") }

// RememberWarned notes the objects whose compilers warned, so that Ready deletes them.
func (f Folder) RememberWarned(objects []string) error {
	return os.WriteFile(f.warned(), []byte(strings.Join(objects, "\n")), 0o644)
}

// forgetWarned deletes the objects whose compilers warned.
func (f Folder) forgetWarned() error {
	text, err := os.ReadFile(f.warned())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(f.Out())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer root.Close()
	for _, object := range strings.Fields(string(text)) {
		if err := root.Remove(object); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return f.anew() // no object: a link of the series' own
		}
	}
	return nil
}
