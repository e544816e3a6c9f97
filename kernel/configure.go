// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kconfig"
	"timens-vmtest/kernel/source"
)

// configureOnce configures the kernel, unless there is a .config that was made from the
// same requests, Kconfig files and tools. To configure takes longer than to compile one
// file.
func (b *build) configureOnce(ctx context.Context, files source.Manifest) error {
	over := b.Tree.over
	parts := []string{b.toolchain, string(b.Config.Bytes())}
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if _, patched := over[path]; readByKconfig(path) && (!patched || !readByBuild(path)) {
			parts = append(parts, path, files[path])
		}
	}
	for _, path := range slices.Sorted(maps.Keys(over)) {
		if readByKconfig(path) && readByBuild(path) {
			parts = append(parts, path, over[path].stamp())
		}
	}
	inputs := cache.Digest(parts...)
	memory := filepath.Join(b.dir, "configured")
	state := func() string {
		made, err := sandbox.HashMade(b.out(), ".config")
		if err != nil {
			return "" // there is no .config
		}
		return inputs + " " + made
	}
	if text, err := os.ReadFile(memory); err == nil && string(text) == state() {
		return nil
	}
	if err := b.configure(ctx); err != nil {
		return err
	}
	return cache.WriteFile(memory, []byte(state()))
}

// readByKconfig reports whether a file may change the .config. These are Kconfig files,
// default configurations, and the makefiles and scripts by which Kconfig finds out what
// the tools can do.
func readByKconfig(path string) bool {
	name := filepath.Base(path)
	return strings.HasPrefix(name, "Kconfig") || strings.HasPrefix(name, "Makefile") ||
		strings.HasPrefix(path, "scripts/") || strings.HasSuffix(name, ".config") || strings.HasSuffix(name, "defconfig")
}

// configure makes a .config from tinyconfig and the requests. It is a BuildError if the
// .config does not have every request.
func (b *build) configure(ctx context.Context) error {
	b.Report.Step("configure linux-%s", b.Tree.Base.Version)
	defined, err := kconfig.Defined(b.src)
	if err != nil {
		return err
	}
	meant, others := b.Config.For(defined)
	for _, o := range others.Options {
		b.Report.Step("%s:%d: %s is left out: this tree does not define %s", filepath.Base(o.File), o.Line, o, o.IfDefined)
	}
	steps := []func() error{
		func() error { return b.runMake(ctx, io.Discard, "tinyconfig") },
		func() error { return b.appendConfig(meant) },
		func() error { return b.runMake(ctx, io.Discard, "olddefconfig") },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return b.failed(ctx, "configure", err)
		}
	}
	got, err := sandbox.ReadMade(b.out(), ".config")
	if err != nil {
		return err
	}
	err = b.Config.Verify(got, defined)
	var lost *kconfig.LostError
	if errors.As(err, &lost) {
		var hints strings.Builder
		for _, l := range lost.Lost {
			if h := kconfig.Hint(b.src, l.Name); h != "" && !l.Unmeant {
				fmt.Fprintf(&hints, "hint: %s %s\n", l.Name, h)
			}
		}
		return &blame.BuildError{Stage: "configure", Err: err, Shown: hints.String()}
	}
	return err
}

// appendConfig appends the requests to the .config that tinyconfig made.
func (b *build) appendConfig(c kconfig.Config) error {
	f, err := sandbox.OpenMade(b.out(), ".config", os.O_APPEND|os.O_WRONLY)
	if err != nil {
		return err
	}
	_, err = f.Write(c.Bytes())
	return errors.Join(err, f.Close())
}
