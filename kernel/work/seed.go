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
// work folders are its own, and no other folder begins with their objects. All other objects
// were made of code of this checkout, or of the user's own tree. make compiles what differs:
// kbuild knows of each object which files and options it depends on, and its command line.

// seed locks the work folder. If another one has objects that are nearer to what will be made,
// seed first makes it a copy of that. Without a sandbox the objects of one folder are of no use
// in another, and nothing is copied.
func (f Folder) seed(ctx context.Context) (unlock func(), err error) {
	for _, from := range f.nearer() {
		unlock, copied, err := f.copyFrom(ctx, from)
		if copied || err != nil {
			return unlock, err
		}
	}
	unlock, err = f.Lock(ctx, "work-"+f.key(), "another kernel of the series "+f.Series)
	if err == nil && f.Makes.Others != "" && !f.Sandbox.Off && f.isNew() {
		f.Report.Step("no kernel of linux-%s was built here from code of your own: make compiles everything", f.Base.Version)
	}
	return unlock, err
}

// isNew reports whether nothing was ever built in the folder.
func (f Folder) isNew() bool {
	_, err := os.Lstat(filepath.Join(f.Dir, ManifestFile))
	return errors.Is(err, fs.ErrNotExist)
}

// keeps reports that the folder has objects that are never given up: make compiles few of them again,
// or nobody knows what they were made of.
func (f Folder) keeps() bool {
	own, err := readObjects(f.Dir)
	return !f.isNew() && (err != nil || !f.distance(own).wide)
}

// nearer returns the work folders whose objects make it worth to give up those in this one. The
// nearest comes first.
func (f Folder) nearer() []string {
	if f.Sandbox.Off || f.keeps() {
		return nil
	}
	found, err := filepath.Glob(filepath.Join(filepath.Dir(f.Dir), "*", "compiled"))
	if err != nil {
		return nil
	}
	var dirs []string
	away := make(map[string]distance)
	for _, path := range found {
		dir := filepath.Dir(path)
		if d, ok := f.worthCopying(dir); ok && dir != f.Dir {
			dirs, away[dir] = append(dirs, dir), d
		}
	}
	slices.SortStableFunc(dirs, func(x, y string) int { return away[x].compare(away[y]) })
	return dirs
}

// worthCopying reports whether the objects of another folder can be copied, and leave make less to do
// than those in this one.
func (f Folder) worthCopying(dir string) (distance, bool) {
	o, err := readObjects(dir)
	if err != nil || !f.canBegin(o) { // one that is damaged is not used
		return distance{}, false
	}
	theirs := f.distance(o)
	if f.isNew() {
		return theirs, true
	}
	own, err := readObjects(f.Dir)
	if err != nil || f.keeps() || theirs.wide || theirs.far {
		return distance{}, false
	}
	ours, err := f.stale(f.Dir, own)
	if err != nil {
		return distance{}, false
	}
	left, err := f.stale(dir, o)
	return theirs, err == nil && left < ours
}

// distance says how much make has to compile if it begins with some objects.
type distance struct {
	far      bool // so many options differ that some of them may be about all objects
	wide     bool // a file may differ that many others include
	requests int  // how many lines of the fragments differ
	files    int  // how many differ, of those that a series touches
}

// nearRequests is how many lines of two fragments differ at most if the configurations are near
// each other. That is so for those that the rules of a check build, and for those that count
// which lines run. It is not so for the debug kernel.
const nearRequests = 6

func (f Folder) distance(o Objects) distance {
	d := distance{requests: differing(f.Makes.Requests, o.Requests), wide: o.Base != f.Makes.Base}
	for _, path := range f.otherFiles(o) {
		d.files++
		d.wide = d.wide || filepath.Ext(path) != ".c"
	}
	d.far = d.requests > nearRequests
	return d
}

// otherFiles returns the files that differ, of those that a series touches.
func (f Folder) otherFiles(o Objects) []string {
	var all []string
	for path := range source.Merged(f.Makes.Over, o.Over) {
		if o.Over[path] != f.Makes.Over[path] {
			all = append(all, path)
		}
	}
	return all
}

// compare returns a negative number if make has less to do than for another distance.
func (d distance) compare(other distance) int {
	number := func(is bool) int {
		if is {
			return 1
		}
		return 0
	}
	return cmp.Or(number(d.far)-number(other.far), number(d.wide)-number(other.wide), d.requests-other.requests, d.files-other.files)
}

// differing returns how many lines only one of the two fragments has.
func differing(a, b []string) int {
	n := 0
	for _, line := range slices.Concat(a, b) {
		if !slices.Contains(a, line) || !slices.Contains(b, line) {
			n++
		}
	}
	return n
}

// canBegin says that a build can begin with these objects. If they are of another
// configuration, kbuild compiles those again that depend on it.
func (f Folder) canBegin(o Objects) bool {
	return (o.Others == "" || o.Others == f.Makes.Others) && o.Place == f.Makes.Place && o.Tools == f.Makes.Tools && o.Seen == f.Seen(f.Src())
}

// seedFiles are the files and folders of a work folder that are copied, besides src.
var seedFiles = []string{"out", ManifestFile, "configured", "verified", "warned"}

// copyFrom makes the work folder a copy of another one, and locks it. If the other one has become
// unusable, it does neither.
func (f Folder) copyFrom(ctx context.Context, from string) (unlock func(), copied bool, err error) {
	locks := []lock{{f.key(), "another kernel of the series " + f.Series}, {filepath.Base(from), "the kernel whose objects are copied"}}
	slices.SortFunc(locks, func(x, y lock) int { return cmp.Compare(x.key, y.key) }) // so that two folders never wait for each other
	unlocks := make(map[string]func())
	defer func() {
		for key, unlock := range unlocks {
			if key != f.key() || !copied {
				unlock()
			}
		}
	}()
	for _, l := range locks {
		if unlocks[l.key], err = f.Lock(ctx, "work-"+l.key, l.holder); err != nil {
			delete(unlocks, l.key)
			return nil, false, err
		}
	}
	if _, ok := f.worthCopying(from); !ok { // since it was listed
		return nil, false, nil
	}
	if err := f.copyObjects(ctx, from); err != nil {
		return nil, false, err
	}
	return unlocks[f.key()], true, nil
}

// lock is the key of a work folder, and what may hold its lock.
type lock struct{ key, holder string }

// copyObjects makes the work folder a copy of another one. Both are locked.
func (f Folder) copyObjects(ctx context.Context, from string) error {
	f.Report.Step("copy the objects of another kernel: make compiles what differs")
	tmp, err := cache.Scratch(filepath.Dir(f.Dir), filepath.Base(f.Dir))
	if err != nil {
		return err
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
			return err
		}
	}
	if err := cache.RemoveAll(f.Dir); err != nil {
		return err
	}
	return errors.Join(os.Rename(tmp, f.Dir), f.Cache.Use(cache.Work, filepath.Base(from), ""))
}
