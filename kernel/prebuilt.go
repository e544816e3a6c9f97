// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kconfig"
)

// releaseFile is where make leaves the release of the kernel, in the folder that it builds in.
const releaseFile = "include/config/kernel.release"

// CheckPrebuilt returns a blame.UsageError if a folder does not have what make leaves there
// when it has built a kernel.
func CheckPrebuilt(dir string) error {
	for _, name := range []string{"vmlinux", ".config", releaseFile} {
		switch _, err := os.Stat(filepath.Join(dir, name)); {
		case errors.Is(err, fs.ErrNotExist):
			return blame.Usagef("-build %s: there is no %s in it; type \"make vmlinux\" there, or give the folder that make built in (O=)", dir, name)
		case err != nil:
			return blame.Usagef("-build: %w", err)
		}
	}
	return nil
}

// CheckBuiltFrom returns a blame.UsageError if the kernel in a folder was not built from a tree of
// this version: its headers, Kconfig files and known gaps would be those of another kernel.
func CheckBuiltFrom(dir, tree, version string) error {
	_, err := builtFrom(dir, tree, version)
	return err
}

// builtFrom does what CheckBuiltFrom does, and returns the release of the kernel.
func builtFrom(dir, tree, version string) (string, error) {
	text, err := sandbox.ReadMade(dir, releaseFile)
	if err != nil {
		return "", blame.Usagef("-build: %w", err)
	}
	release := strings.TrimSpace(string(text))
	if !isOf(release, version) {
		return "", blame.Usagef("-build %s: the kernel there is %q, but the tree %s is linux-%s; type \"make vmlinux\" there to build it anew, or name the tree that it was built from by -tree", dir, release, tree, version)
	}
	return release, nil
}

// goesOn matches what another version has behind a version: 6.12.117 behind 6.12.11 or 6.12, and 7.3.0-rc1
// behind 7.3.0.
var goesOn = regexp.MustCompile(`^(\.?[0-9]|-rc[0-9])`)

// isOf reports whether a release is one of a tree of this version. Behind the version a release
// has what the configuration (LOCALVERSION), files in the tree and git add.
func isOf(release, version string) bool {
	local, ok := strings.CutPrefix(release, version)
	return ok && version != "" && !goesOn.MatchString(local)
}

// SourceOf returns the source tree of a folder in which the user has built a kernel: the
// folder itself, or for a build with O= the folder that its link "source" leads to. If there
// is none, the error is a blame.UsageError.
func SourceOf(dir string) (string, error) {
	source := filepath.Join(dir, "source")
	if info, err := os.Stat(source); err == nil && info.IsDir() {
		return filepath.EvalSymlinks(source)
	}
	if _, err := os.Stat(filepath.Join(dir, "Kconfig")); err != nil {
		return "", blame.Usagef("-build %s: neither is it a kernel tree, nor does a link \"source\" lead to one; name the tree by -tree", dir)
	}
	return dir, nil
}

// take makes an image of a kernel that the user has built in s.Prebuilt. It builds nothing
// and writes nothing there. If the .config lacks requested options, the error is a
// blame.BuildError that lists all of them, with a fragment to paste.
// defined has the symbols of the tree's Kconfig files.
func (s Spec) take(ctx context.Context, h host.Host, defined map[string]bool) (Image, error) {
	dotconfig, err := sandbox.ReadMade(s.Prebuilt, ".config")
	if err != nil {
		return Image{}, blame.Usagef("-build: %w", err)
	}
	if err := s.Config.Verify(dotconfig, defined); err != nil {
		return Image{}, s.lacks(err)
	}
	base := s.Tree.Base
	release, err := builtFrom(s.Prebuilt, base.Dir, base.Version)
	if err != nil {
		return Image{}, err
	}
	sum, err := sandbox.HashMade(s.Prebuilt, "vmlinux")
	if err != nil {
		return Image{}, blame.Usagef("-build: %w", err)
	}
	key := cache.Digest("prebuilt 2", sum, string(dotconfig), base.Version, release)[:32]
	unlock, err := h.Lock(ctx, "kernel-"+key, "this kernel")
	if err != nil {
		return Image{}, err
	}
	defer unlock()
	entry := filepath.Join(h.Cache.Dir, "kernel", key)
	about := "the build in " + s.Prebuilt
	if image, err := Open(entry); err == nil {
		image.Cached = true
		return image, h.Cache.Use(cache.Kernel, key, about)
	}
	if err := os.RemoveAll(entry); err != nil {
		return Image{}, err
	}
	h.Report.Step("take the kernel that was built in %s", s.Prebuilt)
	if err := s.seal(ctx, h, entry, Image{Base: base.Version, Release: release, DebugSHA256: sum}); err != nil {
		return Image{}, err
	}
	if err := h.Cache.Use(cache.Kernel, key, about); err != nil {
		return Image{}, err
	}
	return Open(entry)
}

// lacks adds a fragment with the options that a build lacks to the error that names them. An option
// that is meant for other trees is off in the fragment.
func (s Spec) lacks(err error) error {
	lost, ok := errors.AsType[*kconfig.LostError](err)
	if !ok {
		return err
	}
	var fragment strings.Builder
	for _, l := range lost.Lost {
		if l.Unmeant {
			l.Value = "n"
		}
		fmt.Fprintln(&fragment, l.Option)
	}
	_, list, _ := strings.Cut(err.Error(), "\n")
	return &blame.BuildError{
		Stage: "configure",
		Err:   fmt.Errorf("the kernel in %s was built with other options, %d of which have to change:\n%s", s.Prebuilt, len(lost.Lost), list),
		Shown: fmt.Sprintf("Append these lines to %s, type \"make olddefconfig vmlinux\" there, and try again:\n\n%s",
			filepath.Join(s.Prebuilt, ".config"), fragment.String()),
	}
}

// seal copies the user's kernel to the cache.
func (s Spec) seal(ctx context.Context, h host.Host, entry string, image Image) error {
	tmp, err := cache.Scratch(filepath.Dir(entry), filepath.Base(entry))
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := errors.Join(
		sandbox.CopyMade(s.Prebuilt, "vmlinux", filepath.Join(tmp, "vmlinux.debug")),
		sandbox.CopyMade(s.Prebuilt, ".config", filepath.Join(tmp, "config")),
		os.WriteFile(filepath.Join(tmp, "build.log"), fmt.Appendf(nil, "built by the user in %s\n", s.Prebuilt), 0o644),
	); err != nil {
		return err
	}
	if got, err := cache.HashFile(filepath.Join(tmp, "vmlinux.debug")); err != nil || got != image.DebugSHA256 {
		return errors.Join(err, fmt.Errorf("%s changed while it was read; wait for make to end", filepath.Join(s.Prebuilt, "vmlinux")))
	}
	return image.seal(ctx, h.Sandbox, tmp, entry)
}
