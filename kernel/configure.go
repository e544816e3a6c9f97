// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kconfig"
	"timens-vmtest/kernel/source"
)

// configureOnce configures the kernel, unless there is a .config that was made from the
// same requests, Kconfig files and tools: configuring takes longer than compiling one file.
// If the stamp of a Kconfig file differs, its contents are compared, too.
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
	memory := filepath.Join(b.Dir, "configured")
	var last configured
	if text, err := os.ReadFile(memory); err == nil && json.Unmarshal(text, &last) != nil {
		last = configured{} // damaged
	}
	now := configured{Stamps: cache.Digest(parts...), Made: b.configMade()}
	if now.Made != "" && now.Made == last.Made && now.Stamps == last.Stamps {
		return nil
	}
	var err error
	if now.Contents, err = b.kconfigContents(files); err != nil {
		return err
	}
	if now.Made == "" || now.Made != last.Made || now.Contents != last.Contents {
		if err := b.configure(ctx); err != nil {
			return err
		}
		now.Made = b.configMade()
	}
	return cache.WriteJSON(memory, now)
}

// configured records what a .config was made from, and the digest of the result.
type configured struct {
	Stamps   string `json:"stamps"`   // digest of the requests, the tools, and the stamps of the files that Kconfig reads
	Contents string `json:"contents"` // the same with the contents of the files
	Made     string `json:"made"`     // digest of the .config
}

// configMade returns the digest of the .config, or "" if there is none.
func (b *build) configMade() string {
	made, err := sandbox.HashMade(b.Out(), ".config")
	if err != nil {
		return ""
	}
	return made
}

// kconfigContents returns the digest of all that a .config is made from.
func (b *build) kconfigContents(files source.Manifest) (string, error) {
	parts := []string{b.toolchain, string(b.Config.Bytes())}
	paths := slices.Collect(maps.Keys(files))
	for path := range b.Tree.over {
		if _, ok := files[path]; !ok {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	for _, path := range paths {
		if !readByKconfig(path) || !readByBuild(path) {
			continue
		}
		sum, err := hashPlaced(filepath.Join(b.Src(), path))
		if err != nil {
			return "", err
		}
		parts = append(parts, path, sum)
	}
	return cache.Digest(parts...), nil
}

// hashPlaced returns the digest of a file that materialise placed, or the target of a link.
func hashPlaced(path string) (string, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return gone, nil
	case err != nil:
		return "", err
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(path)
		return "-> " + target, err
	}
	return cache.HashFile(path)
}

// readByKconfig reports whether a file may change the .config. These are Kconfig files,
// default configurations, and the makefiles and scripts by which Kconfig finds out what
// the tools can do.
func readByKconfig(path string) bool {
	name := filepath.Base(path)
	return strings.HasPrefix(name, "Kconfig") || strings.HasPrefix(name, "Makefile") ||
		strings.HasPrefix(path, "scripts/") || strings.HasSuffix(name, ".config") || strings.HasSuffix(name, "defconfig")
}

// configure makes a .config from the requests, on top of tinyconfig or of the user's
// .config. If the result lacks a request, the error is a blame.BuildError.
func (b *build) configure(ctx context.Context) error {
	b.Report.Step("configure linux-%s", b.Tree.Base.Version)
	defined, err := b.defined()
	if err != nil {
		return err
	}
	meant, _ := b.Config.For(defined)
	steps := []func() error{
		func() error { return b.startConfig(ctx) },
		func() error { return b.appendConfig(meant) },
		func() error { return b.runMake(ctx, io.Discard, "olddefconfig") },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return b.failed(ctx, "configure", err)
		}
	}
	got, err := sandbox.ReadMade(b.Out(), ".config")
	if err != nil {
		return err
	}
	err = b.Config.Verify(got, defined)
	var lost *kconfig.LostError
	if errors.As(err, &lost) {
		var hints strings.Builder
		for i, h := range kconfig.Hints(b.Src(), got, lost.Lost) {
			if h != "" && !lost.Lost[i].Unmeant {
				fmt.Fprintf(&hints, "hint: %s %s\n", lost.Lost[i].Name, h)
			}
		}
		return &blame.BuildError{Stage: "configure", Err: err, Shown: hints.String()}
	}
	return err
}

// startConfig makes the .config that the requests are appended to.
func (b *build) startConfig(ctx context.Context) error {
	if b.Config.Start == nil {
		return b.runMake(ctx, io.Discard, "tinyconfig")
	}
	f, err := sandbox.OpenMade(b.Out(), ".config", os.O_CREATE|os.O_TRUNC|os.O_WRONLY)
	if err != nil {
		return err
	}
	_, err = f.Write(append(b.Config.Start.Text, '\n'))
	return errors.Join(err, f.Close())
}

// sayLeftOut reports and returns which options are not requested from a tree that defines these
// symbols.
func (s Spec) sayLeftOut(r host.Reporter, defined map[string]bool) []string {
	left := s.Config.LeftOut(defined)
	for _, line := range left {
		r.Note(line)
	}
	return left
}

// sayReplaced reports and returns which options of the user's .config a kernel does not have so.
// Kconfig says nothing of them.
func (s Spec) sayReplaced(r host.Reporter, dotconfig []byte) []string {
	all := s.Config.Replaced(dotconfig)
	if len(all) == 0 {
		return nil
	}
	var some []string
	for _, l := range all[:min(5, len(all))] {
		some = append(some, fmt.Sprintf("%s (%s)", l.Option, l.Got))
	}
	line := fmt.Sprintf("%s: %d of its options are otherwise in this tree: %s", s.Config.Start.File, len(all), strings.Join(some, ", "))
	r.Note(line)
	return []string{line}
}

// appendConfig appends the requests to the .config.
func (b *build) appendConfig(c kconfig.Config) error {
	f, err := sandbox.OpenMade(b.Out(), ".config", os.O_APPEND|os.O_WRONLY)
	if err != nil {
		return err
	}
	_, err = f.Write(c.Bytes())
	return errors.Join(err, f.Close())
}
