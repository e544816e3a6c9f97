// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/sandbox"
)

// ownCcache is the key of the objects that ccache keeps of the user's own code.
const ownCcache = "own"

// ccacheDir returns the folder in which ccache keeps objects. All code of the user's own shares one.
// A series from elsewhere could leave there objects that are not what they are named after, so
// it has one in its work folder.
func (b *build) ccacheDir() string {
	if b.Makes.Others != "" {
		return filepath.Join(b.Dir, "ccache")
	}
	return filepath.Join(b.Cache.Dir, string(cache.Ccache), ownCcache)
}

// withCcache lets ccache keep objects where a later make finds them: the home of a command in the
// sandbox goes with the command. The caller calls done when the command has ended.
func (b *build) withCcache(ctx context.Context, at *sandbox.Place) (done func(), err error) {
	dir := b.ccacheDir()
	if err := b.wroteCcache(ctx); err != nil { // also keeps it from being pruned
		return nil, err
	}
	at.Writable = append(at.Writable, dir)
	at.Env = append(slices.Clone(at.Env), "CCACHE_DIR="+dir)
	return func() {
		if err := b.wroteCcache(ctx); err != nil && ctx.Err() == nil { // the kernel is as good without it
			b.Report.Step("the size of %s is not known: %v", dir, err)
		}
	}, nil
}

// wroteCcache notes in the cache that the objects are used, and that more of them may be there.
func (b *build) wroteCcache(ctx context.Context) error {
	dir := b.ccacheDir()
	if b.Makes.Others != "" { // a part of the work folder, which counts as a whole
		return os.MkdirAll(dir, 0o755)
	}
	unlock, err := b.Lock(ctx, "ccache-"+ownCcache, "the objects of ccache")
	if err != nil {
		return err
	}
	defer unlock()
	return errors.Join(os.MkdirAll(dir, 0o755), b.Cache.Wrote(cache.Ccache, ownCcache, "objects of code of your own"))
}
