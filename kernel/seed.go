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
func (b *build) seed(ctx context.Context) error {
	if b.Sandbox.Off {
		return nil
	}
	_, err := os.Stat(filepath.Join(b.dir, manifestFile))
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, from := range b.seeds() {
		copied, err := b.copyFrom(ctx, from)
		if copied || err != nil {
			return err
		}
	}
	if b.foreign() != "" {
		b.Report.Step("no kernel of linux-%s was built here from code of your own, with this configuration: make compiles everything", b.Tree.Base.Version)
	}
	return nil
}

// seeds returns the work folders whose objects may be copied. The first has the most files
// in common with this kernel.
func (b *build) seeds() []string {
	type candidate struct {
		dir      string
		otherID  int // 1 if it has another state of the base
		distance int // how many files differ, of those that a series touches
	}
	found, err := filepath.Glob(filepath.Join(filepath.Dir(b.dir), "*", "compiled"))
	if err != nil {
		return nil
	}
	var all []candidate
	ours := b.stamps()
	for _, path := range found {
		dir := filepath.Dir(path)
		o, err := readObjects(dir)
		if err != nil || !b.canBegin(o) { // one that is damaged is not used
			continue
		}
		c := candidate{dir: dir}
		if o.Base != b.Tree.Base.ID {
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
func (b *build) canBegin(o objects) bool {
	return !o.Foreign && o.Place == b.place() && o.Config == b.configDigest() && o.Seen == b.seen(filepath.Join(b.dir, "src"))
}

// seedFiles are the files and folders of a work folder that are copied, besides src.
var seedFiles = []string{"out", manifestFile, "configured", "verified", "warned"}

// copyFrom makes the work folder a copy of another one. It returns false if the other one
// has become unusable.
func (b *build) copyFrom(ctx context.Context, from string) (bool, error) {
	unlock, err := b.Lock(ctx, "work-"+filepath.Base(from), "the kernel whose objects are copied")
	if err != nil {
		return false, err
	}
	defer unlock()
	if o, err := readObjects(from); err != nil || !b.canBegin(o) { // since it was listed
		return false, nil
	}
	b.Report.Step("copy the objects of a kernel that was built from code of your own: make compiles what differs")
	tmp, err := cache.Scratch(filepath.Dir(b.dir), filepath.Base(b.dir))
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(tmp)
	// No makefile can write to src, and materialise replaces files and changes none. So
	// the files of a base in the cache, which have several links already, are not copied.
	src := []string{"-a", "--reflink=auto"}
	if b.Tree.Base.Private {
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
	if err := os.RemoveAll(b.dir); err != nil {
		return false, err
	}
	return true, errors.Join(os.Rename(tmp, b.dir), b.Cache.Use(cache.Work, filepath.Base(from), ""))
}

// stamps are those of the files that the series touches.
func (b *build) stamps() source.Manifest {
	all := make(source.Manifest)
	for path, f := range b.Tree.over {
		all[path] = f.stamp()
	}
	return all
}

func (b *build) configDigest() string {
	return cache.Digest(append([]string{string(b.Config.Bytes()), b.toolchain}, b.Make...)...)
}
