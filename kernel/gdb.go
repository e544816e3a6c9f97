// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/sandbox"
)

// GDBScripts returns the path of the script vmlinux-gdb.py of an image, with which gdb reads the
// kernel's own structures. It makes the scripts that the kernel's tree has, and keeps them beside
// the image. It returns "" if the tree has none, or if the user has built the kernel and not them.
func GDBScripts(ctx context.Context, h host.Host, s Spec, image Image) (string, error) {
	const name = "vmlinux-gdb.py"
	made := filepath.Join(filepath.Dir(image.Vmlinux), "gdb")
	path := filepath.Join(made, name)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if s.Prebuilt != "" {
		path = filepath.Join(s.Prebuilt, name)
		if _, err := os.Stat(path); err != nil {
			return "", nil
		}
		return path, nil
	}
	if !s.Tree.Has("scripts/gdb/" + name) {
		return "", nil
	}
	if s.foreign() != "" {
		return "", errors.New("gdb would run them outside of the sandbox, and the series is from elsewhere")
	}
	b, err := s.begin(ctx, h)
	if err != nil {
		return "", err
	}
	files, err := s.Tree.survey(ctx)
	if err != nil {
		return "", err
	}
	leave, err := b.Enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	if !b.IsCompiled() { // the objects are of another kernel, whose sources are replaced
		if err := b.ClearCompiled(); err != nil {
			return "", err
		}
	}
	if err := b.prepare(ctx, files); err != nil {
		return "", err
	}
	h.Report.Step("make the kernel's scripts for gdb")
	if err := b.runMake(ctx, io.Discard, "scripts_gdb"); err != nil {
		return "", b.failed(ctx, "build", err)
	}
	return path, b.keepScripts(made, name)
}

// keepScripts copies the scripts to the folder made, in the places in which vmlinux-gdb.py looks
// for them.
func (b *build) keepScripts(made, name string) error {
	const folder = "scripts/gdb/linux"
	tmp, err := cache.Scratch(filepath.Dir(made), filepath.Base(made))
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := os.MkdirAll(filepath.Join(tmp, folder), 0o755); err != nil {
		return err
	}
	found, err := filepath.Glob(filepath.Join(b.Src(), folder, "*.py"))
	if err != nil {
		return err
	}
	from := map[string]string{name: "scripts/gdb/" + name}
	for _, file := range found {
		to := filepath.Join(folder, filepath.Base(file))
		from[to] = to
	}
	for to, path := range from {
		text, err := b.Tree.Read(path)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(tmp, to), text, 0o644); err != nil {
			return err
		}
	}
	const constants = folder + "/constants.py"
	if err := sandbox.CopyMade(b.Out(), constants, filepath.Join(tmp, constants)); err != nil {
		return err
	}
	return os.Rename(tmp, made)
}
