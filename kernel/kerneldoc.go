package kernel

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// KernelDoc returns what the base's scripts/kernel-doc finds wrong in the files
// that the series touches and not in the base's, Unplaced.
func KernelDoc(ctx context.Context, c Cache, base Base, s Series, r Reporter) ([]string, error) {
	script := filepath.Join(base.Dir, "scripts", "kernel-doc")
	text, err := os.ReadFile(script)
	if err != nil {
		return nil, err
	}
	over, err := apply(ctx, base, s.Patches)
	if err != nil {
		return nil, err
	}
	var before, after = make(overlay), make(overlay)
	for _, path := range sortedKeys(over) {
		if !InKernel(path) || !strings.HasSuffix(path, ".c") && !strings.HasSuffix(path, ".h") {
			continue
		}
		after[path] = over[path]
		if old, err := os.ReadFile(filepath.Join(base.Dir, path)); err == nil {
			before[path] = &overlaid{text: old}
		} else if !errors.Is(err, fs.ErrNotExist) { // the series adds it
			return nil, err
		}
	}
	key := "kernel-doc 1 " + digest(string(text), before.digest(), after.digest())
	return Answer(ctx, c, key, r, func() ([]string, error) {
		var found [2][]string
		for i, files := range []overlay{before, after} {
			var err error
			if found[i], err = kernelDoc(ctx, script, files); err != nil {
				return nil, err
			}
		}
		return NewWarnings(found[0], found[1]), nil
	})
}

func kernelDoc(ctx context.Context, script string, files overlay) ([]string, error) {
	dir, err := os.MkdirTemp("", "vmtest-kernel-doc-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	args := []string{"-none"}
	for _, path := range sortedKeys(files) {
		if files[path] == nil {
			continue
		}
		if err := writeFile(filepath.Join(dir, path), files[path].text); err != nil {
			return nil, err
		}
		args = append(args, path)
	}
	if len(args) == 1 {
		return nil, nil
	}
	out, err := confinedOutput(ctx, dir, []string{filepath.Dir(filepath.Dir(script))}, []string{dir}, nil, script, args...)
	found := Unplaced(string(out))
	if err != nil && len(found) == 0 {
		return nil, fmt.Errorf("%s %s: %w\n%s", script, strings.Join(args, " "), err, tail(out, 20))
	}
	return found, nil
}
