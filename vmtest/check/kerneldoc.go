// SPDX-License-Identifier: BSD-3-Clause

package check

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

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kernel"
	"timens-vmtest/kernel/kbuild"
	"timens-vmtest/kernel/patch"
)

// kernelDoc returns the warnings of the base's scripts/kernel-doc about files that the
// series touches, without those that the base has, too.
func kernelDoc(ctx context.Context, h host.Host, t kernel.Tree) ([]kbuild.Warning, error) {
	script := filepath.Join(t.Base.Dir, "scripts", "kernel-doc")
	text, err := cache.ReadRegular(script)
	if err != nil {
		return nil, err
	}
	before, after := make(map[string][]byte), make(map[string][]byte)
	for _, path := range t.Touched() {
		if !patch.InKernel(path) || !strings.HasSuffix(path, ".c") && !strings.HasSuffix(path, ".h") {
			continue
		}
		for _, side := range []struct {
			texts map[string][]byte
			read  func(string) ([]byte, error)
		}{
			{before, func(path string) ([]byte, error) { return cache.ReadRegular(filepath.Join(t.Base.Dir, path)) }},
			{after, t.Read},
		} {
			text, err := side.read(path)
			if err == nil {
				side.texts[path] = text
			} else if !errors.Is(err, fs.ErrNotExist) { // the series adds it, or deletes it
				return nil, err
			}
		}
	}
	key := "kernel-doc 5 " + cache.Digest(string(text), fmt.Sprintf("%q %q", before, after))
	return host.Answer(ctx, h, key, func() ([]kbuild.Warning, error) {
		var found [2][]kbuild.Warning
		for i, files := range []map[string][]byte{before, after} {
			var err error
			if found[i], err = runKernelDoc(ctx, h.Sandbox, script, files); err != nil {
				return nil, err
			}
		}
		return kbuild.NewWarnings(found[0], found[1]), nil
	})
}

func runKernelDoc(ctx context.Context, box sandbox.Box, script string, files map[string][]byte) ([]kbuild.Warning, error) {
	dir, err := os.MkdirTemp("", "vmtest-kernel-doc-")
	if err != nil {
		return nil, err
	}
	defer cache.RemoveAll(dir)
	args := []string{"-none"}
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if err := cache.WriteFile(filepath.Join(dir, path), files[path]); err != nil {
			return nil, err
		}
		args = append(args, path)
	}
	if len(args) == 1 {
		return nil, nil
	}
	out, err := box.Output(ctx, sandbox.Place{Dir: dir, Readable: []string{filepath.Dir(filepath.Dir(script))}, Writable: []string{dir}}, script, args...)
	found := kbuild.Warnings(string(out))
	if err != nil && len(found) == 0 {
		return nil, fmt.Errorf("%s %s: %w\n%s", script, strings.Join(args, " "), err, sandbox.Tail(out, 20))
	}
	return found, nil
}
