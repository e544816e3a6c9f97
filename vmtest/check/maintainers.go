// SPDX-License-Identifier: BSD-3-Clause

package check

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kernel/series"
	"timens-vmtest/kernel/source"
)

// maintainers returns the addresses to which the series should be sent, as the base's own
// scripts/get_maintainer.pl says. It returns none if the base does not have the script.
func maintainers(ctx context.Context, h host.Host, base source.Base, s series.Series) ([]string, error) {
	script := filepath.Join("scripts", "get_maintainer.pl")
	if _, err := os.Stat(filepath.Join(base.Dir, script)); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	dir, err := os.MkdirTemp("", "vmtest-maintainers-")
	if err != nil {
		return nil, err
	}
	defer cache.RemoveAll(dir)
	list, err := cache.ReadRegular(filepath.Join(base.Dir, "MAINTAINERS"))
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
	return host.Answer(ctx, h, "maintainers 1 "+cache.Digest(parts...), func() ([]string, error) {
		out, err := h.Sandbox.Run(ctx, sandbox.Place{Dir: base.Dir, Readable: []string{base.Dir}, Writable: []string{dir}}, "perl", args...)
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
