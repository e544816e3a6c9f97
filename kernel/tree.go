// SPDX-License-Identifier: BSD-3-Clause

// Package kernel makes a Tree and an Image. A Tree is a base with a series applied. An
// Image is a vmlinux that is provably made of one Tree and one configuration. The package
// builds out of tree, and keeps images in the cache under a digest of all their inputs.
package kernel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kernel/patch"
	"timens-vmtest/kernel/series"
	"timens-vmtest/kernel/source"
)

// Tree is a base with a series applied. Apply makes it, once a run, and nothing changes
// it. Its zero value is not usable.
type Tree struct {
	Base   source.Base
	Series series.Series

	over  overlay
	files source.Manifest // stamps of the base's files; nil if the base came with an ID
}

// overlay holds every file that a series touches, as the series leaves it. A nil value
// means that the series deletes the file.
type overlay map[string]*overlaid

type overlaid struct {
	text       []byte // of a symbolic link: what it leads to
	executable bool
	link       bool
}

// Apply applies a series to a base. A hunk may apply at an offset, but not with fuzz. If
// a patch does not apply, the error is a blame.BuildError that names the patch. Nothing
// is written to the base.
func Apply(ctx context.Context, h host.Host, base source.Base, s series.Series) (Tree, error) {
	t := Tree{Base: base, Series: s}
	var err error
	if t.over, err = apply(ctx, h.Sandbox, base, s.Patches); err != nil {
		return Tree{}, err
	}
	t.Base, t.files, err = base.Identified(ctx, h.Cache, h.Report)
	return t, err
}

// apply applies patches in order to copies of the base's files and returns the
// files that differ.
func apply(ctx context.Context, box sandbox.Box, base source.Base, patches []patch.Patch) (overlay, error) {
	dir, err := os.MkdirTemp("", "vmtest-apply-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	touched := make(overlay)
	for _, p := range patches {
		for _, path := range p.Touches() {
			touched[path] = nil
		}
	}
	for _, p := range patches {
		for _, path := range p.Touches() {
			if err := copyIn(base.Dir, dir, path, touched); err != nil {
				return nil, fmt.Errorf("%s: %w", p.Name, err)
			}
		}
	}
	if err := applyAll(ctx, box, base, dir, patches); err != nil {
		return nil, err
	}
	for path := range touched {
		if touched[path], err = overlaidBy(dir, path); err != nil {
			return nil, err
		}
	}
	return touched, nil
}

// overlaidBy is what the series has made of one file; nil says that it is gone.
func overlaidBy(dir, path string) (*overlaid, error) {
	full := filepath.Join(dir, path)
	info, err := os.Lstat(full)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(full)
		if err != nil {
			return nil, err
		}
		if filepath.IsAbs(target) || !filepath.IsLocal(filepath.Join(filepath.Dir(path), target)) {
			return nil, &blame.BuildError{Stage: "apply", Err: fmt.Errorf("the series makes %s a symbolic link that leads out of the tree, to %s", path, target)}
		}
		return &overlaid{text: []byte(target), link: true}, nil
	case info.IsDir(): // other files of the series are in it
		return nil, nil
	case !info.Mode().IsRegular():
		return nil, &blame.BuildError{Stage: "apply", Err: fmt.Errorf("the series makes %s something else than a regular file or a symbolic link", path)}
	}
	text, err := os.ReadFile(full)
	return &overlaid{text: text, executable: info.Mode()&0o100 != 0}, err
}

// copyIn copies one file of the base; a file that the base does not have is
// for the patch to create or to fail on. A link stays a link. Where a link or a file is
// on the way to path, it is copied in its place, so that git refuses to go through it
// unless the series takes it away before.
func copyIn(base, dir, path string, touched overlay) error {
	way := ""
	for name := range strings.SplitSeq(path, "/") {
		way = filepath.Join(way, name)
		info, err := os.Lstat(filepath.Join(base, way))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if info.IsDir() && way != path {
			continue
		}
		if _, taken := touched[way]; !taken && info.Mode()&fs.ModeSymlink != 0 {
			return &blame.BuildError{Stage: "apply", Err: fmt.Errorf("%s is behind the symbolic link %s, and git changes no file through a link; name the file by its own path", path, way)}
		}
		if _, err := os.Lstat(filepath.Join(dir, way)); err == nil {
			return nil // copied for another path
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, way)), 0o755); err != nil {
			return err
		}
		return copyOne(base, dir, way, info)
	}
	return nil
}

func copyOne(base, dir, path string, info fs.FileInfo) error {
	from, to := filepath.Join(base, path), filepath.Join(dir, path)
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	case info.IsDir():
		return &blame.BuildError{Stage: "apply", Err: fmt.Errorf("the patch takes %s for a file, and the tree has a folder there", path)}
	}
	text, err := cache.ReadRegular(from) // a pipe is no fault of the patch
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, info.Mode().Perm()|0o600)
}

// atOnce says that one git apply of all patches does what one of each does. git takes
// the source of a rename as it was before all patches, for example.
func atOnce(patches []patch.Patch) bool {
	by := make(map[string]int) // path to number of patches
	for _, p := range patches {
		for _, path := range p.Touches() {
			by[path]++
		}
	}
	for _, p := range patches {
		if p.Alone() && slices.ContainsFunc(p.Touches(), func(path string) bool { return by[path] > 1 }) {
			return false
		}
	}
	return true
}

// applyAll applies all patches at once where that is the same, which costs one process,
// and only when that fails one by one: git, which has changed nothing then, does not say
// which patch it was.
func applyAll(ctx context.Context, box sandbox.Box, base source.Base, dir string, patches []patch.Patch) error {
	if len(patches) > 1 && atOnce(patches) {
		var all patch.Patch
		for _, p := range patches {
			all.Diff = append(all.Diff, p.Diff...)
		}
		err := applyOne(ctx, box, base, dir, all)
		if _, misfit := errors.AsType[*blame.BuildError](err); !misfit {
			return err
		}
	}
	for _, p := range patches {
		if err := applyOne(ctx, box, base, dir, p); err != nil {
			return err
		}
	}
	return nil
}

func applyOne(ctx context.Context, box sandbox.Box, base source.Base, dir string, p patch.Patch) error {
	// Without a ceiling git looks for a repository in the folders above dir. If it
	// finds one, it silently skips paths outside of that repository.
	env := []string{
		"GIT_CEILING_DIRECTORIES=" + filepath.Dir(dir),
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
	}
	cmd, release, err := box.Command(ctx, sandbox.Place{Dir: dir, Writable: []string{dir}, Env: env}, "git", "apply", "-p1", "--whitespace=nowarn", "-")
	if err != nil {
		return err
	}
	cmd.Stdin = bytes.NewReader(p.Diff)
	out, err := sandbox.CombinedOutput(cmd, release)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if _, said := errors.AsType[*exec.ExitError](err); !said {
		return err
	}
	if full := sandbox.DiskFull(out, "git apply", dir); full != nil {
		return full
	}
	if by := sandbox.EndedBy(cmd.ProcessState); by != 0 {
		return fmt.Errorf("apply %s: git was ended by a signal: %v; make some memory free and try again", p.Name, by)
	}
	where := ""
	if hunks := p.FailedHunks(string(out)); hunks != nil {
		where = ": " + hunks[0] // git stops at the first hunk that fails
	}
	return &blame.BuildError{
		Stage: "apply",
		Err:   fmt.Errorf("%s does not apply to linux-%s%s", p.Name, base.Version, where),
		Shown: sandbox.Tail(out, 20),
	}
}

// digest returns a digest of the files that may change the kernel. Series that differ
// only in changelogs, documentation or selftests have the same digest.
func (o overlay) digest() string {
	var parts []string
	for _, path := range slices.Sorted(maps.Keys(o)) {
		if readByBuild(path) {
			parts = append(parts, path, o[path].stamp())
		}
	}
	return cache.Digest(parts...)
}

// stamps returns the stamps of the files.
func (o overlay) stamps() source.Manifest {
	all := make(source.Manifest)
	for path, f := range o {
		all[path] = f.stamp()
	}
	return all
}

// readByBuild reports whether a file may change what "make vmlinux" makes. Some files in
// tools/ may, because objtool is built from them.
func readByBuild(path string) bool {
	for _, dir := range []string{"tools/testing/", "tools/perf/"} {
		if strings.HasPrefix(path, dir) {
			return false
		}
	}
	return !strings.HasPrefix(path, "Documentation/") || readByKconfig(path)
}

// stamp identifies the state of one file.
func (f *overlaid) stamp() string {
	if f == nil {
		return gone
	}
	if f.link {
		return "patched link " + cache.Digest(string(f.text))
	}
	return fmt.Sprintf("patched %t %s", f.executable, cache.Digest(string(f.text)))
}

// Has reports whether the tree has a file or folder of that path.
func (t Tree) Has(path string) bool {
	if f, touched := t.over[path]; touched {
		return f != nil
	}
	if t.files != nil {
		return t.files[path] != ""
	}
	_, err := os.Lstat(filepath.Join(t.Base.Dir, path))
	return err == nil
}

// Touched returns the paths of all files that the series changes, adds or deletes, in
// sorted order.
func (t Tree) Touched() []string { return slices.Sorted(maps.Keys(t.over)) }

// Read returns the contents of a file of the tree. The error is fs.ErrNotExist if the
// tree has no such file; it also names the series if the series deletes the file. It is
// a source.ChangedError if the file of a checkout changed after the tree was made.
func (t Tree) Read(path string) ([]byte, error) { return t.read(path, maxLinks) }

// maxLinks is how many links may lead to a file, as in the kernel.
const maxLinks = 40

func (t Tree) read(path string, links int) ([]byte, error) {
	if f, touched := t.over[path]; touched {
		if f == nil {
			return nil, &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("series %s deletes it: %w", t.Series.Name, fs.ErrNotExist)}
		}
		if f.link && links == 0 {
			return nil, &fs.PathError{Op: "read", Path: path, Err: syscall.ELOOP}
		}
		if f.link {
			return t.read(filepath.Join(filepath.Dir(path), string(f.text)), links-1)
		}
		return f.text, nil
	}
	stamp := t.files[path]
	if t.files == nil || source.IsLink(stamp) {
		return cache.ReadRegular(filepath.Join(t.Base.Dir, path))
	}
	if stamp == "" {
		return nil, &fs.PathError{Op: "read", Path: path, Err: fs.ErrNotExist}
	}
	f, same, err := t.Base.Open(path, stamp)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	return text, errors.Join(err, same())
}
