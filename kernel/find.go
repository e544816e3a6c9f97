// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"context"
	"path/filepath"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
)

// Find returns the image in the cache whose vmlinux has a SHA-256. It returns false if there is
// none. The build ID is not enough: a stranger's patch can give a kernel any. A damaged entry is
// passed over: Build makes it again.
func Find(ctx context.Context, h host.Host, vmlinuxSHA256 string) (Image, bool, error) {
	found, err := filepath.Glob(filepath.Join(h.Cache.Dir, string(cache.Kernel), "*", "image.json"))
	if err != nil {
		return Image{}, false, err
	}
	for _, file := range found {
		var image Image
		if err := cache.ReadSealed(file, &image); err != nil || image.VmlinuxSHA256 != vmlinuxSHA256 {
			continue
		}
		key := filepath.Base(filepath.Dir(file))
		image, err := use(ctx, h, key)
		if err == nil {
			return image, true, nil
		}
		if ctx.Err() != nil {
			return Image{}, false, ctx.Err()
		}
	}
	return Image{}, false, nil
}

// use opens an entry, which nobody removes from now on.
func use(ctx context.Context, h host.Host, key string) (Image, error) {
	unlock, err := h.Lock(ctx, "kernel-"+key, "this kernel")
	if err != nil {
		return Image{}, err
	}
	defer unlock()
	entry := filepath.Join(h.Cache.Dir, string(cache.Kernel), key)
	image, err := Open(entry)
	if err != nil {
		return Image{}, err
	}
	image.Cached = true
	return image, h.Cache.Use(cache.Kernel, key, "")
}
