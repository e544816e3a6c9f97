package kernel

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Maintainers lists who is to be sent the series, as the base's own
// scripts/get_maintainer.pl has it. A base without the script has none.
func Maintainers(ctx context.Context, c Cache, base Base, s Series, r Reporter) ([]string, error) {
	script := filepath.Join("scripts", "get_maintainer.pl")
	if _, err := os.Stat(filepath.Join(base.Dir, script)); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	dir, err := os.MkdirTemp("", "vmtest-maintainers-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	list, err := os.ReadFile(filepath.Join(base.Dir, "MAINTAINERS"))
	if err != nil {
		return nil, err
	}
	parts := []string{base.Dir, string(list)}
	args := []string{script, "--no-git", "--no-git-fallback", "--no-rolestats"}
	for _, p := range s.Patches {
		if p.Local {
			continue
		}
		path := filepath.Join(dir, p.Name)
		if err := os.WriteFile(path, p.Text, 0o644); err != nil {
			return nil, err
		}
		args, parts = append(args, path), append(parts, string(p.Text))
	}
	return Answer(ctx, c, "maintainers 1 "+digest(parts...), r, func() ([]string, error) {
		out, err := runConfined(ctx, base.Dir, []string{base.Dir}, []string{dir}, nil, "perl", args...)
		if err != nil {
			return nil, err
		}
		var all []string
		for line := range strings.Lines(string(out)) {
			if line = strings.TrimSpace(line); line != "" && !slices.Contains(all, line) {
				all = append(all, line)
			}
		}
		return all, nil
	})
}
