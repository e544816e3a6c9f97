// SPDX-License-Identifier: BSD-3-Clause

// Package kernel makes a Tree, which is a base with a series applied, and from a Tree
// and a configuration an Image: a vmlinux that is provably made of exactly these. It
// builds out of tree and keeps images in a cache addressed by all that went into them.
package kernel

import (
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

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kernel/patch"
	"timens-vmtest/kernel/source"
)

// Tree is a base with a series applied. It is made once a run, by Apply, and
// never changes.
type Tree struct {
	Base   source.Base
	Series patch.Series

	over  overlay
	files source.Manifest // of a base without an ID of its own; nil of any other
}

// overlay is what a series makes of a base: the new text of every file that it
// touches. A nil text says that the file is gone.
type overlay map[string]*overlaid

type overlaid struct {
	text       []byte
	executable bool
}

// Apply makes the tree. The first hunk that does not fit ends it, as a
// BuildError. Nothing is written to the base, and no fuzz is allowed; an offset is.
func Apply(ctx context.Context, h host.Host, base source.Base, s patch.Series) (Tree, error) {
	t := Tree{Base: base, Series: s}
	var err error
	if t.over, err = apply(ctx, h.Sandbox, base, s.Patches); err != nil {
		return Tree{}, err
	}
	t.Base, t.files, err = base.Identified(ctx, h.Report)
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
			if _, ok := touched[path]; ok {
				continue
			}
			if err := copyIn(base.Dir, dir, path); err != nil {
				return nil, err
			}
			touched[path] = nil
		}
	}
	if err := applyAll(ctx, box, base, dir, patches); err != nil {
		return nil, err
	}
	for path := range touched {
		info, err := os.Lstat(filepath.Join(dir, path))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if !info.Mode().IsRegular() {
			return nil, &blame.BuildError{Stage: "apply", Err: fmt.Errorf("the series makes %s something else than a regular file", path)}
		}
		text, err := os.ReadFile(filepath.Join(dir, path))
		if err != nil {
			return nil, err
		}
		touched[path] = &overlaid{text, info.Mode()&0o100 != 0}
	}
	return touched, nil
}

// copyIn copies one file of the base; a file that the base does not have is
// for the patch to create or to fail on.
func copyIn(base, dir, path string) error {
	info, err := os.Stat(filepath.Join(base, path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	text, err := cache.ReadRegular(filepath.Join(base, path))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, path), text, info.Mode().Perm()|0o600)
}

// applyAll applies all patches at once, which costs one process, and only when
// that fails one by one: git, which has changed nothing then, does not say which
// patch it was.
func applyAll(ctx context.Context, box sandbox.Box, base source.Base, dir string, patches []patch.Patch) error {
	if len(patches) > 1 {
		var all patch.Patch
		for _, p := range patches {
			all.Text = append(append(all.Text, p.Text...), '\n')
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
	// Without a ceiling git would look for a repository around the temporary
	// folder and, finding one, silently leave out paths outside of it.
	env := []string{
		"GIT_CEILING_DIRECTORIES=" + filepath.Dir(dir),
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
	}
	cmd, release, err := box.Command(ctx, sandbox.Place{Dir: dir, Writable: []string{dir}, Env: env}, "git", "apply", "-p1", "--whitespace=nowarn", "-")
	if err != nil {
		return err
	}
	cmd.Stdin = strings.NewReader(string(p.Text))
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
		where = ": " + hunks[0] // git has not looked further
	}
	return &blame.BuildError{
		Stage: "apply",
		Err:   fmt.Errorf("%s does not apply to linux-%s%s", p.Name, base.Version, where),
		Shown: sandbox.Tail(out, 20),
	}
}

// digest is equal for series that make equal kernels, whatever their
// changelogs, documentation and selftests say.
func (o overlay) digest() string {
	var parts []string
	for _, path := range slices.Sorted(maps.Keys(o)) {
		if readByBuild(path) {
			parts = append(parts, path, o[path].stamp())
		}
	}
	return cache.Digest(parts...)
}

// readByBuild says that a file may change what "make vmlinux" comes to. Of
// tools/ it is objtool and what that is made of.
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
	return fmt.Sprintf("patched %t %s", f.executable, cache.Digest(string(f.text)))
}

// Has says whether the tree has a file of that name.
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

// Touched are the paths of the files that the series touches, sorted; those that
// it deletes are among them.
func (t Tree) Touched() []string { return slices.Sorted(maps.Keys(t.over)) }

// Read returns a file of the tree. A file of a checkout that changed since the tree
// was made is a source.ChangedError. One that the series deletes is an error that is
// fs.ErrNotExist, as is one that was never there.
func (t Tree) Read(path string) ([]byte, error) {
	if f, touched := t.over[path]; touched {
		if f == nil {
			return nil, &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("series %s deletes it: %w", t.Series.Name, fs.ErrNotExist)}
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
