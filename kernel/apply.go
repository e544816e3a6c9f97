package kernel

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// overlay is what a series makes of a base: the new text of every file that it
// touches. A nil text says that the file is gone.
type overlay map[string]*overlaid

type overlaid struct {
	text       []byte
	executable bool
}

// apply applies patches in order to copies of the base's files and returns the
// files that differ. The first hunk that does not fit ends it. Nothing is
// written to the base, and no fuzz is allowed; an offset is.
func apply(ctx context.Context, base Base, patches []Patch) (overlay, error) {
	dir, err := os.MkdirTemp("", "vmtest-apply-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	touched := make(overlay)
	for _, p := range patches {
		for _, path := range p.touches() {
			if _, ok := touched[path]; ok {
				continue
			}
			if err := copyIn(base.Dir, dir, path); err != nil {
				return nil, err
			}
			touched[path] = nil
		}
	}
	if err := applyAll(ctx, base, dir, patches); err != nil {
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
			return nil, &BuildError{Stage: "apply", Err: fmt.Errorf("the series makes %s something else than a regular file", path)}
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
	text, err := os.ReadFile(filepath.Join(base, path))
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
func applyAll(ctx context.Context, base Base, dir string, patches []Patch) error {
	if len(patches) > 1 {
		var all Patch
		for _, p := range patches {
			all.Text = append(append(all.Text, p.Text...), '\n')
		}
		err := applyOne(ctx, base, dir, all)
		if _, misfit := errors.AsType[*BuildError](err); !misfit {
			return err
		}
	}
	for _, p := range patches {
		if err := applyOne(ctx, base, dir, p); err != nil {
			return err
		}
	}
	return nil
}

func applyOne(ctx context.Context, base Base, dir string, p Patch) error {
	// Without a ceiling git would look for a repository around the temporary
	// folder and, finding one, silently leave out paths outside of it.
	env := []string{
		"GIT_CEILING_DIRECTORIES=" + filepath.Dir(dir),
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
	}
	cmd, release, err := confined(ctx, dir, nil, []string{dir}, env, "git", "apply", "-p1", "--whitespace=nowarn", "-")
	if err != nil {
		return err
	}
	cmd.Stdin = strings.NewReader(string(p.Text))
	out, err := combinedOutput(cmd, release)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if _, said := errors.AsType[*exec.ExitError](err); !said {
		return err
	}
	if full := diskFull(out, "git apply", dir); full != nil {
		return full
	}
	where := ""
	if hunks := p.failedHunks(string(out)); hunks != nil {
		where = ": " + hunks[0] // git has not looked further
	}
	return &BuildError{
		Stage: "apply",
		Err:   fmt.Errorf("%s does not apply to linux-%s%s", p.Name, base.Version, where),
		Shown: tail(out, 20),
	}
}

var patchFailed = regexp.MustCompile(`(?m)^error: patch failed: (.+):(\d+)$`)

// failedHunks names the hunks that git apply complained of: it prints the file
// and the line where each was to begin.
func (p Patch) failedHunks(out string) []string {
	var all []string
	for _, m := range patchFailed.FindAllStringSubmatch(out, -1) {
		all = append(all, p.hunkAt(m[1], m[2]))
	}
	return all
}

func (p Patch) hunkAt(path, line string) string {
	for _, f := range p.files {
		if f.OldName != path && f.NewName != path {
			continue
		}
		for i, hunk := range f.TextFragments {
			if strconv.FormatInt(hunk.OldPosition, 10) == line {
				return fmt.Sprintf("%s, hunk %d of %d, %s", path, i+1, len(f.TextFragments), strings.TrimSpace(hunk.Header()))
			}
		}
	}
	return path + ", line " + line
}

// digest is equal for series that make equal kernels, whatever their
// changelogs, documentation and selftests say.
func (o overlay) digest() string {
	var parts []string
	for _, path := range sortedKeys(o) {
		if readByBuild(path) {
			parts = append(parts, path, o[path].stamp())
		}
	}
	return digest(parts...)
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
	return fmt.Sprintf("patched %t %s", f.executable, digest(string(f.text)))
}

// has says whether the patches leave a file of that name.
func (o overlay) has(base Base, path string) bool {
	if f, touched := o[path]; touched {
		return f != nil
	}
	_, err := os.Lstat(filepath.Join(base.Dir, path))
	return err == nil
}

// ReadFiles returns files of the base as a series leaves them. A file that is
// not there is an error.
func ReadFiles(ctx context.Context, base Base, s Series, paths []string) (map[string][]byte, error) {
	over, err := apply(ctx, base, s.Patches)
	if err != nil {
		return nil, err
	}
	texts := make(map[string][]byte)
	for _, path := range paths {
		f, touched := over[path]
		switch {
		case f != nil:
			texts[path] = f.text
		case touched:
			return nil, fmt.Errorf("series %s deletes %s", s.Name, path)
		default:
			if texts[path], err = os.ReadFile(filepath.Join(base.Dir, path)); err != nil {
				return nil, err
			}
		}
	}
	return texts, nil
}

// Check applies a series and keeps nothing of it.
func Check(ctx context.Context, base Base, s Series) error {
	_, err := apply(ctx, base, s.Patches)
	return err
}
