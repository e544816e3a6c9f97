// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/store"
)

// The store has a kernel under a digest of its inputs. Each file that comes from there has the
// digest that the list has of it. After that the entry is held to what every entry of the cache is
// held to.

// Files of an entry of the cache.
const (
	debugFile  = "vmlinux.debug"
	originFile = "origin.json" // of a kernel from a store
)

// origin says where a kernel came from.
type origin struct {
	Store string     `json:"store"`
	Debug store.File `json:"debug"` // in the store
}

// originOf reads where the kernel of an entry came from. The result is zero if it was built here.
func originOf(entry string) (origin, error) {
	var o origin
	err := cache.ReadSealed(filepath.Join(entry, originFile), &o)
	if errors.Is(err, fs.ErrNotExist) {
		return o, nil
	}
	return o, err
}

// thisKernel names the entry for the user.
const thisKernel = "this kernel"

func (b *build) storeKey() string { return store.Key("kernel", b.Makes.Inputs) }

// isShared reports whether a file of an entry of the cache is in the store, too. The log of make is
// not: it has paths of the machine. Scripts for gdb are not: gdb would run them outside of the
// sandbox.
func isShared(name string) bool {
	switch name {
	case "vmlinux", debugFile, "config", "image.json":
		return true
	}
	return strings.HasPrefix(name, "gcov/")
}

// fetch takes the kernel from the store and makes an entry of the cache of it. It returns false
// if it gets none.
func (b *build) fetch(ctx context.Context, entry string) (Image, bool, error) {
	if b.Store == nil {
		return Image{}, false, nil
	}
	tmp, err := cache.Scratch(filepath.Dir(entry), filepath.Base(entry))
	if err != nil {
		return Image{}, false, err
	}
	defer os.RemoveAll(tmp)
	files, ok := b.Store.Get(ctx, b.Report.Step, b.storeKey(), thisKernel, tmp, func(name string) bool {
		return isShared(name) && (b.NeedDebug || name != debugFile)
	})
	if !ok {
		return Image{}, false, ctx.Err()
	}
	if err := b.accept(tmp, files); err != nil {
		b.Store.Refuse(b.Report.Step, b.storeKey(), thisKernel, err)
		return Image{}, false, nil
	}
	if err := errors.Join(os.RemoveAll(entry), os.Rename(tmp, entry)); err != nil {
		return Image{}, false, err
	}
	image, err := Open(entry)
	image.Cached, image.Fetched, image.shared = true, true, b.mayShare()
	return image, err == nil, errors.Join(err, b.Cache.Wrote(cache.Kernel, image.key(), b.About))
}

// accept verifies the files of a kernel from the store, as far as it is not done on every use,
// and writes what the store does not have.
func (b *build) accept(dir string, files []store.File) error {
	image, err := Open(dir)
	if err != nil {
		return fmt.Errorf("%s", strings.ReplaceAll(err.Error(), dir+"/", ""))
	}
	id, err := buildID(image.Vmlinux)
	if err != nil {
		return err
	}
	if id != image.BuildID || image.Base != b.Tree.Base.Version {
		return fmt.Errorf("it is linux-%s with the build ID %s, not linux-%s with %s", image.Base, id, b.Tree.Base.Version, image.BuildID)
	}
	if err := b.hasOptions(image.Config); err != nil {
		return err
	}
	from := origin{Store: b.Store.String()}
	for _, f := range files {
		if f.Name == debugFile {
			from.Debug = f
		}
	}
	if from.Debug.SHA256 == "" {
		return errors.New("it has no debug information")
	}
	if b.NeedDebug {
		if err := image.verifyDebug(image.Debug()); err != nil {
			return err
		}
	}
	log := fmt.Sprintf("This kernel came from the store %s. What make printed is where it was built, but for these warnings.\n%s\n", from.Store, strings.Join(image.Warnings, "\n"))
	return errors.Join(cache.WriteSealed(filepath.Join(dir, originFile), from), os.WriteFile(filepath.Join(dir, "build.log"), []byte(log), 0o644))
}

// hasOptions verifies that every option is in a .config that is requested.
func (b *build) hasOptions(dotconfig string) error {
	text, err := os.ReadFile(dotconfig)
	if err != nil {
		return err
	}
	defined, err := b.defined()
	if err != nil {
		return err
	}
	return b.Config.Verify(text, defined)
}

// mayShare reports whether the kernel may be put into the store: Share says so, and others wrote
// no part of it.
func (b *build) mayShare() bool {
	t := b.Tree
	return b.Share && t.Series.Foreign == "" && !t.Series.InTree && t.Base.Private && t.Base.Tree == "" && b.Make == nil && b.Config.Start == nil
}

// share puts a kernel that was built just now into the store, if it may. It reports whether the
// store has the kernel.
func (b *build) share(ctx context.Context, entry string) bool {
	if b.Store == nil || !b.mayShare() {
		return false
	}
	var names []string
	err := fs.WalkDir(os.DirFS(entry), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && isShared(name) {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		b.Report.Step("this kernel is not put into the store: %v", err)
		return false
	}
	return b.Store.Put(ctx, b.Report.Step, b.storeKey(), thisKernel, entry, names)
}

// FetchDebug makes sure that the file Debug is there. It fetches the file from the store if the
// image came from one.
func (i Image) FetchDebug(ctx context.Context, h host.Host) error {
	if _, err := os.Stat(i.Debug()); err == nil {
		return nil
	}
	unlock, err := h.Lock(ctx, "kernel-"+i.key(), thisKernel)
	if err != nil {
		return err
	}
	defer unlock()
	return i.fetchDebug(ctx, h)
}

// fetchDebug does what FetchDebug does. The caller holds the lock of the kernel.
func (i Image) fetchDebug(ctx context.Context, h host.Host) error {
	if _, err := os.Stat(i.Debug()); err == nil {
		return nil
	}
	from, err := originOf(filepath.Dir(i.Vmlinux))
	switch {
	case err != nil:
		return err
	case from.Store == "":
		return fmt.Errorf("%s is missing", i.Debug())
	case h.Store == nil:
		return fmt.Errorf("it is in the store that the kernel came from; pass -store %s", from.Store)
	}
	tmp := i.Debug() + ".new"
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := h.Store.Fetch(ctx, h.Report.Step, from.Debug, "the debug information of kernel "+i.Release, tmp); err != nil {
		return err
	}
	if err := i.verifyDebug(tmp); err != nil {
		return err
	}
	return errors.Join(os.Rename(tmp, i.Debug()), h.Cache.Wrote(cache.Kernel, i.key(), ""))
}

// key is the key of the image in the cache.
func (i Image) key() string { return filepath.Base(filepath.Dir(i.Vmlinux)) }

func (i Image) verifyDebug(path string) error {
	got, err := cache.HashFile(path)
	if err == nil && got != i.DebugSHA256 {
		err = fmt.Errorf("its debug information has SHA-256 %s, not %s", got, i.DebugSHA256)
	}
	return err
}

// Shared reports whether the image was put into the store now, or taken from there, by whoever may
// put it there. Then answers to questions about it may be put there, too.
func (i Image) Shared() bool { return i.shared }
