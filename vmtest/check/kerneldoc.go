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
	key := "kernel-doc 4 " + cache.Digest(string(text), fmt.Sprintf("%q %q", before, after))
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
	place := sandbox.Place{Dir: dir, Readable: []string{filepath.Dir(filepath.Dir(script))}, Writable: []string{dir}}
	command, err := commandOf(ctx, box, place, script)
	if err != nil {
		return nil, err
	}
	out, err := box.Output(ctx, place, command[0], append(command[1:], args...)...)
	found := kbuild.Warnings(string(out))
	if err != nil && len(found) == 0 {
		return nil, fmt.Errorf("%s %s: %w\n%s", script, strings.Join(args, " "), err, sandbox.Tail(out, 20))
	}
	return found, nil
}

// python is the interpreter of kernel-doc. Linux 6.12 has one in Perl.
const python = "python3"

// commandOf returns the command that runs a script of the kernel. If that is Python, it runs by the
// first python3 on PATH that works in the sandbox. The shims of pyenv do not: they run programs of
// the user's home, which is not shown there.
func commandOf(ctx context.Context, box sandbox.Box, place sandbox.Place, script string) ([]string, error) {
	text, err := cache.ReadRegular(script)
	if err != nil {
		return nil, err
	}
	if first, _, _ := strings.Cut(string(text), "\n"); !strings.Contains(first, python) {
		return []string{script}, nil
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		file := filepath.Join(dir, python)
		if _, err := os.Stat(file); err != nil {
			continue
		}
		if _, err := box.Output(ctx, place, file, "--version"); err == nil {
			return []string{file, script}, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return nil, fmt.Errorf("%s needs python3, and no python3 on PATH works in the sandbox; type:  sudo apt-get install python3", filepath.Base(script))
}
