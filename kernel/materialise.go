// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/kernel/source"
	"timens-vmtest/kernel/work"
)

// gone is the stamp of a file that the series deletes.
const gone = "gone"

// survey returns the stamps of the files of the tree's base.
func (t Tree) survey(ctx context.Context) (source.Manifest, error) {
	if t.files != nil {
		return t.files, nil
	}
	return source.Survey(ctx, t.Base)
}

// materialise makes dir/src a copy of the tree. files are the stamps
// of the base's files. The file dir/manifest.json has the stamps of the files that are in
// dir/src already. Only files with another stamp are written, so that make rebuilds only
// what changed. Of these files it leaves alone the ones that have the wanted contents: a
// checkout and a commit of one git tree have other stamps for equal files.
func (t Tree) materialise(files source.Manifest, dir string, r host.Reporter) error {
	base, over := t.Base, t.over
	want := maps.Clone(files)
	for path, f := range over {
		want[path] = f.stamp()
	}
	src := filepath.Join(dir, "src")
	memory := filepath.Join(dir, work.ManifestFile)
	have := make(source.Manifest)
	text, err := os.ReadFile(memory)
	if err == nil {
		err = json.Unmarshal(text, &have)
	}
	if err != nil { // there is no manifest, or it is damaged: begin again
		have = make(source.Manifest)
		if err := os.RemoveAll(src); err != nil {
			return err
		}
		r.Step("lay out linux-%s (%d files)", base.Version, len(files))
	}

	// Files are hard-linked to the base only before the first build. Such a file has
	// the time stamp of the base, and make would not see that it is new.
	share := base.Private && len(have) == 0
	changed := false
	for _, path := range slices.Sorted(maps.Keys(source.Merged(have, want))) {
		if have[path] == want[path] {
			continue
		}
		if !changed {
			changed = true
			// If vmtest is killed from here on, the next run finds no manifest and
			// begins again.
			if err := os.Remove(memory); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		err := place(base, over, src, path, want[path], share)
		if _, moved := errors.AsType[*source.ChangedError](err); moved {
			// What is there is as it is noted: the next try goes on with it.
			delete(have, path)
			return errors.Join(err, cache.WriteJSON(memory, have))
		}
		if err != nil {
			return err
		}
		have[path] = want[path]
	}
	if !changed {
		return nil
	}
	return cache.WriteJSON(memory, want)
}

// isAlready says that place would change nothing about the file at to, except its times.
// It is a source.ChangedError if the file of the base is not the one with the stamp want.
func isAlready(base source.Base, f *overlaid, to, path, want string) (bool, error) {
	have, err := os.Lstat(to)
	if want == "" || want == gone || source.IsLink(want) || err != nil || !have.Mode().IsRegular() {
		return false, nil
	}
	text, executable := []byte(nil), false
	if f != nil {
		text, executable = f.text, f.executable
	} else {
		from, same, err := base.Open(path, want)
		if err != nil {
			return false, err
		}
		defer from.Close()
		info, err := from.Stat()
		if err != nil || info.Size() != have.Size() {
			return false, err
		}
		executable = info.Mode()&0o100 != 0
		text, err = io.ReadAll(from)
		if err = errors.Join(err, same()); err != nil {
			return false, err
		}
	}
	if executable != (have.Mode()&0o100 != 0) {
		return false, nil
	}
	old, err := os.ReadFile(to)
	return err == nil && bytes.Equal(old, text), err
}

// place makes one file in src what the tree has at that path. want is the stamp of the
// file. If share is set, the file may be a hard link to the base.
func place(base source.Base, over overlay, src, path, want string, share bool) error {
	to := filepath.Join(src, path)
	if same, err := isAlready(base, over[path], to, path, want); err != nil || same {
		return err
	}
	err := os.Remove(to)
	if errors.Is(err, syscall.ENOTEMPTY) { // another series had a folder there
		err = os.RemoveAll(to)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		return err
	}
	if want == "" || want == gone {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if f := over[path]; f != nil {
		if f.link {
			return os.Symlink(string(f.text), to)
		}
		mode := fs.FileMode(0o644)
		if f.executable {
			mode = 0o755
		}
		return os.WriteFile(to, f.text, mode)
	}
	if source.IsLink(want) {
		target, err := base.Readlink(path, want)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	}
	if share && os.Link(filepath.Join(base.Dir, path), to) == nil {
		return nil
	}
	return copyOut(base, path, want, to)
}

// copyOut copies a file of the base, and is a source.ChangedError if that is not the
// one with this stamp from the first byte to the last.
func copyOut(base source.Base, path, stamp, to string) error {
	from, same, err := base.Open(path, stamp)
	if err != nil {
		return err
	}
	defer from.Close()
	info, err := from.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, info.Mode().Perm()|0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, from)
	if err = errors.Join(err, out.Close(), same()); err != nil {
		return errors.Join(err, os.Remove(to))
	}
	return nil
}
