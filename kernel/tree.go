package kernel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// manifest says of every file of a tree which state it is in: the stamp of the
// base's file, or that of a patched one. Equal stamps are equal contents.
type manifest map[string]string

const gone = "gone"

// manifestFile is where a work folder keeps the manifest of its tree.
const manifestFile = "manifest.json"

func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}

// identified is the base with an ID. A checkout, which has none, is what its files
// are now: these come along, and are nil for any other base.
func (b Base) identified(ctx context.Context) (Base, manifest, error) {
	if b.ID != "" {
		return b, nil, nil
	}
	files, err := survey(ctx, b)
	if err == nil {
		b.ID = files.digest()
	}
	return b, files, err
}

// survey stamps the files of a base. Of a git checkout it takes the files that
// git tracks or would track, as they stand; of any other tree all files.
func survey(ctx context.Context, base Base) (manifest, error) {
	m := make(manifest)
	add := func(path string) error {
		info, err := os.Lstat(filepath.Join(base.Dir, path))
		if errors.Is(err, fs.ErrNotExist) {
			return nil // deleted in the checkout but still in git's index
		}
		if err != nil {
			return err
		}
		if !info.IsDir() { // a directory here is a submodule
			m[path] = fmt.Sprintf("base %o %d %d", info.Mode(), info.Size(), info.ModTime().UnixNano())
			if stat, ok := info.Sys().(*syscall.Stat_t); ok && base.private {
				m[path] += fmt.Sprintf(" %d", stat.Ino) // unpacked again it is another file, which may share its times
			}
		}
		return nil
	}
	if _, err := os.Stat(filepath.Join(base.Dir, ".git")); err == nil && !base.private {
		out, err := run(command(ctx, base.Dir, nil, "git", "-c", "safe.directory="+base.Dir, "ls-files", "-z", "-c", "-o", "--exclude-standard"))
		if err != nil {
			return nil, err
		}
		for _, path := range strings.Split(strings.TrimRight(string(out), "\x00"), "\x00") {
			if err := add(path); err != nil {
				return nil, err
			}
		}
		return m, nil
	}
	err := filepath.WalkDir(base.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(base.Dir, path)
		if err != nil {
			return err
		}
		return add(rel)
	})
	return m, err
}

// digest identifies the tree's state.
func (m manifest) digest() string {
	var parts []string
	for _, path := range sortedKeys(m) {
		parts = append(parts, path, m[path])
	}
	return digest(parts...)
}

// materialise makes dir/src the base with the overlay on top, and touches only
// files whose state differs from what dir/manifest.json says they are in, so
// that make rebuilds what changed and nothing else.
func materialise(base Base, files manifest, over overlay, dir string, r Reporter) (src string, err error) {
	want := maps.Clone(files)
	for path, f := range over {
		want[path] = f.stamp()
	}
	src = filepath.Join(dir, "src")
	memory := filepath.Join(dir, manifestFile)
	have := make(manifest)
	text, err := os.ReadFile(memory)
	if err == nil {
		err = json.Unmarshal(text, &have)
	}
	if err != nil { // the first time, or damaged: begin again
		have = make(manifest)
		if err := os.RemoveAll(src); err != nil {
			return "", err
		}
		r.Step("lay out linux-%s (%d files)", base.Version, len(files))
	}

	// Files may be shared with the base only while nothing has been built: a
	// shared file has the base's time, which make would take for old.
	share := base.private && len(have) == 0
	changed := false
	for _, path := range sortedKeys(merged(have, want)) {
		if have[path] == want[path] {
			continue
		}
		if !changed {
			changed = true
			// A crash from here on finds no manifest and begins again.
			if err := os.Remove(memory); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return "", err
			}
		}
		if err := place(base, over, src, path, want[path], share); err != nil {
			return "", err
		}
	}
	if !changed {
		return src, nil
	}
	return src, writeJSON(memory, want)
}

func merged(a, b manifest) manifest {
	both := maps.Clone(a)
	maps.Copy(both, b)
	return both
}

// place puts one file of the tree into the state that is wanted.
func place(base Base, over overlay, src, path, want string, share bool) error {
	to := filepath.Join(src, path)
	if err := os.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if want == "" || want == gone {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if f := over[path]; f != nil {
		mode := fs.FileMode(0o644)
		if f.executable {
			mode = 0o755
		}
		return os.WriteFile(to, f.text, mode)
	}
	from := filepath.Join(base.Dir, path)
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	}
	if share && os.Link(from, to) == nil {
		return nil
	}
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, info.Mode().Perm()|0o200)
}
