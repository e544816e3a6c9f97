// SPDX-License-Identifier: BSD-3-Clause

package work

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kernel/source"
)

// A series from elsewhere may do to the objects what it likes when it is built. So its
// work folder is its own, and no other folder begins with its objects. Every work folder
// begins as a copy of one in which only code of this checkout, or of the user's own tree,
// was built. make compiles what differs.

// seed makes the work folder, unless it is there already. Without a sandbox the objects of
// one folder are of no use in another, and nothing is copied.
func (f Folder) seed(ctx context.Context) error {
	if f.Sandbox.Off {
		return nil
	}
	_, err := os.Stat(filepath.Join(f.Dir, ManifestFile))
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, from := range f.seeds() {
		copied, err := f.copyFrom(ctx, from)
		if copied || err != nil {
			return err
		}
	}
	if f.Makes.Foreign {
		f.Report.Step("no kernel of linux-%s was built here from code of your own, with this configuration: make compiles everything", f.Base.Version)
	}
	return nil
}

// seeds returns the work folders whose objects may be copied. The first has the most files
// in common with this kernel.
func (f Folder) seeds() []string {
	type candidate struct {
		dir      string
		otherID  int // 1 if it has another state of the base
		distance int // how many files differ, of those that a series touches
	}
	found, err := filepath.Glob(filepath.Join(filepath.Dir(f.Dir), "*", "compiled"))
	if err != nil {
		return nil
	}
	var all []candidate
	ours := f.Makes.Over
	for _, path := range found {
		dir := filepath.Dir(path)
		o, err := readObjects(dir)
		if err != nil || !f.canBegin(o) { // one that is damaged is not used
			continue
		}
		c := candidate{dir: dir}
		if o.Base != f.Base.ID {
			c.otherID = 1
		}
		for path := range source.Merged(ours, o.Over) {
			if o.Over[path] != ours[path] {
				c.distance++
			}
		}
		all = append(all, c)
	}
	slices.SortStableFunc(all, func(x, y candidate) int {
		return cmp.Or(cmp.Compare(x.otherID, y.otherID), cmp.Compare(x.distance, y.distance))
	})
	var dirs []string
	for _, c := range all {
		dirs = append(dirs, c.dir)
	}
	return dirs
}

// canBegin says that a build can begin with these objects.
func (f Folder) canBegin(o Objects) bool {
	return !o.Foreign && o.Place == f.Makes.Place && o.Config == f.Makes.Config && o.Seen == f.Seen(f.Src())
}

// seedFiles are the files and folders of a work folder that are copied, besides src.
var seedFiles = []string{"out", ManifestFile, "configured", "verified", "warned"}

// copyFrom makes the work folder a copy of another one. It returns false if the other one
// has become unusable.
func (f Folder) copyFrom(ctx context.Context, from string) (bool, error) {
	unlock, err := f.Lock(ctx, "work-"+filepath.Base(from), "the kernel whose objects are copied")
	if err != nil {
		return false, err
	}
	defer unlock()
	if o, err := readObjects(from); err != nil || !f.canBegin(o) { // since it was listed
		return false, nil
	}
	f.Report.Step("copy the objects of a kernel that was built from code of your own: make compiles what differs")
	tmp, err := cache.Scratch(filepath.Dir(f.Dir), filepath.Base(f.Dir))
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(tmp)
	// No makefile can write to src, and package kernel replaces files there and changes
	// none. So the files of a base in the cache, which have several links already, are not
	// copied.
	src := []string{"-a", "--reflink=auto"}
	if f.Base.Private {
		src = []string{"-a", "--link"}
	}
	var paths []string
	for _, name := range seedFiles {
		path := filepath.Join(from, name)
		if _, err := os.Lstat(path); err == nil {
			paths = append(paths, path)
		}
	}
	for _, args := range [][]string{
		append(src, "--", filepath.Join(from, "src"), tmp),
		slices.Concat([]string{"-a", "--reflink=auto", "--"}, paths, []string{tmp}),
	} {
		if _, err := sandbox.Run(sandbox.Command(ctx, "", nil, "cp", args...)); err != nil {
			return false, err
		}
	}
	if err := os.RemoveAll(f.Dir); err != nil {
		return false, err
	}
	return true, errors.Join(os.Rename(tmp, f.Dir), f.Cache.Use(cache.Work, filepath.Base(from), ""))
}
