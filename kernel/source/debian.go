// SPDX-License-Identifier: BSD-3-Clause

package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/sandbox"
)

// deb is what apt knows of the newest version of a package.
type deb struct {
	File   string    // such as linux-source-6.12_6.12.117-1~deb12u1_all.deb
	SHA256 string    // of the package
	Lists  time.Time // modification time of apt's lists when it was asked
}

const aptLists = "/var/lib/apt/lists"

// fetchPackage downloads a source package by apt, which verifies it, and
// unpacks it without installing.
func (s Spec) fetchPackage(ctx context.Context, h host.Host) (Base, error) {
	pkg := s.Package
	if pkg == "" {
		pkg = DefaultPackage
	}
	newest, err := askApt(ctx, h.Cache, pkg)
	if err != nil {
		return Base{}, err
	}
	origin := "Debian's " + strings.ReplaceAll(strings.TrimSuffix(newest.File, "_all.deb"), "_", " ")
	return unpacked(ctx, h, newest.SHA256, origin, func(tmp string) error {
		h.Report.Step("fetch %s by apt-get download", strings.TrimSuffix(newest.File, "_all.deb"))
		if _, err := sandbox.Run(aptGet(ctx, tmp, "download", pkg)); err != nil {
			return fmt.Errorf("%w\napt's lists may be old: type \"sudo apt-get update\" and try again", err)
		}
		file := filepath.Join(tmp, newest.File)
		if got, err := cache.HashFile(file); err != nil {
			return err
		} else if got != newest.SHA256 {
			return fmt.Errorf("%s has SHA-256 %s, apt's lists say %s; type \"sudo apt-get update\"", newest.File, got, newest.SHA256)
		}
		if _, err := sandbox.Run(sandbox.Command(ctx, tmp, nil, "dpkg-deb", "-x", file, tmp)); err != nil {
			return err
		}
		return unpack(ctx, filepath.Join(tmp, "usr/src", pkg+".tar.xz"), h.Report)
	})
}

func aptGet(ctx context.Context, dir string, args ...string) *exec.Cmd {
	args = append([]string{"-q"}, args...)
	if os.Geteuid() == 0 { // the user _apt cannot write to a private cache folder
		args = append([]string{"-o", "APT::Sandbox::User=root"}, args...)
	}
	return sandbox.Command(ctx, dir, nil, "apt-get", args...)
}

var printURIs = regexp.MustCompile(`(?m)^'[^']*' (\S+\.deb) \d+ SHA256:([0-9a-f]{64})`)

// askApt finds the newest version of pkg. The question takes a second, so the
// answer is kept for as long as apt's lists do not change.
func askApt(ctx context.Context, c cache.Cache, pkg string) (deb, error) {
	lists, err := os.Stat(aptLists)
	if errors.Is(err, fs.ErrNotExist) {
		return deb{}, fmt.Errorf("the default base comes from Debian's package %s, and this system has no apt; pass -tree DIR, or -tarball URL -sha256 SUM", pkg)
	}
	if err != nil {
		return deb{}, err
	}
	memory := filepath.Join(c.Dir, "base", pkg+".json")
	var d deb
	if cache.ReadSealed(memory, &d) == nil && d.Lists.Equal(lists.ModTime()) {
		return d, nil
	}
	out, err := sandbox.Run(aptGet(ctx, "", "download", "--print-uris", pkg))
	if err != nil {
		return deb{}, fmt.Errorf("ask apt for %s: %w\ntype \"sudo apt-get update\" and try again", pkg, err)
	}
	m := printURIs.FindSubmatch(out)
	if m == nil {
		return deb{}, fmt.Errorf("ask apt for %s: no address with a SHA-256 in its answer %q", pkg, out)
	}
	d = deb{File: string(m[1]), SHA256: string(m[2]), Lists: lists.ModTime()}
	return d, cache.WriteSealed(memory, d)
}
