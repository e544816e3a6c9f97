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

// Recipients are the addresses that a series is sent to.
type Recipients struct {
	To []string // maintainers
	Cc []string // reviewers and lists
}

// userSpaceLists are the lists that have to see each change for user space, which get_maintainer.pl does
// not know (Documentation/process/adding-syscalls.rst).
var userSpaceLists = []string{"linux-api@vger.kernel.org", "linux-man@vger.kernel.org"}

// RecipientsOf returns to whom a series should be sent, as the base's own
// scripts/get_maintainer.pl says. It returns none if the base does not have the script.
func RecipientsOf(ctx context.Context, h host.Host, base source.Base, s series.Series) (r Recipients, err error) {
	if r.To, err = getMaintainer(ctx, h, base, s, "--nor", "--nol"); err != nil || r.To == nil {
		return r, err
	}
	if r.Cc, err = getMaintainer(ctx, h, base, s, "--nom"); err != nil {
		return r, err
	}
	if len(s.UAPI()) > 0 {
		r.Cc = append(r.Cc, userSpaceLists...)
	}
	r.Cc = slices.DeleteFunc(r.Cc, func(address string) bool { return slices.Contains(r.To, address) })
	slices.Sort(r.Cc)
	r.Cc = slices.Compact(r.Cc)
	return r, nil
}

// All returns all addresses; nil: the base cannot say.
func (r Recipients) All() []string {
	if r.To == nil {
		return nil
	}
	return slices.Concat(r.To, r.Cc)
}

// getMaintainer runs the script with some options. It returns nil if the base does not have it.
func getMaintainer(ctx context.Context, h host.Host, base source.Base, s series.Series, options ...string) ([]string, error) {
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
	args := append([]string{script, "--no-git", "--no-git-fallback", "--no-rolestats"}, options...)
	parts = append(parts, options...)
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
	return host.Answer(ctx, h, "maintainers 2 "+cache.Digest(parts...), func() ([]string, error) {
		out, err := h.Sandbox.Run(ctx, sandbox.Place{Dir: base.Dir, Readable: []string{base.Dir}, Writable: []string{dir}}, "perl", args...)
		if err != nil {
			return nil, err
		}
		all := []string{}
		for line := range strings.Lines(string(out)) {
			if line = strings.TrimSpace(line); line != "" && !slices.Contains(all, line) {
				all = append(all, line)
			}
		}
		return all, nil
	})
}
