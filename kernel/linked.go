// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kernel/kbuild"
)

// make leaves an object in the folder when the option of its source is switched off, or when the
// folder began with the objects of another configuration. A linter would take it for a part of the
// kernel, and complain about a source that is not compiled. So after each build the objects are
// deleted that were linked into the kernel before, and are not any more.

// archive has all objects that vmlinux is linked of, except those of libraries. Kernels before 6.1
// have none: nothing is deleted there.
const archive = "vmlinux.a"

// wasLinked is a file with the objects of which vmlinux was linked before the build. It stays if the
// build is cut short.
func (b *build) wasLinked() string { return filepath.Join(b.Dir, "linked") }

// linked returns the objects of which vmlinux was linked the last time, relative to the output folder.
func (b *build) linked(ctx context.Context) ([]string, error) {
	if _, err := os.Lstat(filepath.Join(b.Out(), archive)); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	at := b.InSandbox(kbuild.Env)
	at.Dir = b.Seen(b.Out()) // ar prints paths that begin with the one of the archive
	cmd, release, err := b.Sandbox.Command(ctx, at, "ar", "t", archive)
	if err != nil {
		return nil, err
	}
	out, err := sandbox.RunConfined(cmd)
	if err := errors.Join(err, release()); err != nil {
		return nil, fmt.Errorf("list the objects of the kernel: %w", err)
	}
	return strings.Fields(string(out)), nil
}

// rememberLinked notes of which objects vmlinux was linked before a build.
func (b *build) rememberLinked(ctx context.Context) error {
	if _, err := os.Lstat(b.wasLinked()); err == nil {
		return nil // of a build that was cut short
	}
	objects, err := b.linked(ctx)
	if err != nil || objects == nil {
		return ctx.Err() // make writes an archive anew that is damaged
	}
	return cache.WriteFile(b.wasLinked(), []byte(strings.Join(objects, "\n")))
}

// forgetUnlinked deletes the objects of which vmlinux was linked before the build, and is not any more.
func (b *build) forgetUnlinked(ctx context.Context) error {
	text, err := os.ReadFile(b.wasLinked())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	now, err := b.linked(ctx)
	if err != nil {
		return err
	}
	if now == nil { // an older kernel than the one before: nobody knows which objects it has
		return os.Remove(b.wasLinked())
	}
	root, err := os.OpenRoot(b.Out())
	if err != nil {
		return err
	}
	defer root.Close()
	for _, object := range strings.Fields(string(text)) {
		if slices.Contains(now, object) {
			continue
		}
		dir, name := filepath.Split(object)
		for _, file := range []string{object, filepath.Join(dir, "."+name+".cmd"), Notes(strings.TrimSuffix(object, ".o") + ".c")} {
			if err := root.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return os.Remove(b.wasLinked())
}
