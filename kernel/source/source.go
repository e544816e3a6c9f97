// SPDX-License-Identifier: BSD-3-Clause

// Package source fetches the kernel source that a series is applied to: a Debian package, a
// tarball, a git tree or a plain folder.
package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/sandbox"
)

// checkOut writes the files of a commit to the folder to, which must not exist.
func checkOut(ctx context.Context, dir, commit, to string) error {
	for _, args := range [][]string{{"read-tree", commit}, {"checkout-index", "--all", "--prefix=" + to + "/"}} {
		cmd := sandbox.Git(ctx, dir, append([]string{"-c", "core.sparseCheckout=false", "-c", "core.autocrlf=false"}, args...)...)
		cmd.Env = append(cmd.Env, "GIT_INDEX_FILE="+to+".index")
		if _, err := sandbox.Run(cmd); err != nil {
			return err
		}
	}
	return nil
}

// DefaultRelease is the release of the kernel that is the base by default. The patches in the
// own folder of a series are for it.
const DefaultRelease = "6.12"

// DefaultPackage is the Debian package of DefaultRelease.
const DefaultPackage = sourcePrefix + DefaultRelease

// Spec says where the base comes from: a package, a tarball or a tree. The zero value means
// DefaultPackage.
type Spec struct {
	Package string // a Debian package with /usr/src/<name>.tar.xz, or Newest
	Version string // of the package; "" for the newest that its lists have

	URL    string // a tarball, http(s) or file
	SHA256 string // its digest in hex; required with URL

	Tree   string // a kernel checkout, tested as it is now and never written to
	Commit string // if set, this commit of the git tree Tree is tested, not the files in Tree

	keyring string // file with the keys that sign Debian's suites; "": debianKeyring
}

// Base is a kernel source tree on disk.
type Base struct {
	Dir     string
	Version string // from its Makefile, such as "6.12.117"
	ID      string // equal IDs mean equal contents; "" for a checkout, see Identified
	Origin  string // where it comes from, for messages
	Private bool   // it is in the cache and never edited, so files may be hard-linked
	Tree    string // the git tree that it comes from, as a path without links; "" if there is none
}

// Fetch makes the base available. It uses the cache where it can.
func (s Spec) Fetch(ctx context.Context, h host.Host) (Base, error) {
	if err := s.Check(); err != nil {
		return Base{}, err
	}
	switch {
	case s.Commit != "":
		return s.fetchCommit(ctx, h)
	case s.Tree != "":
		return openTree(ctx, s.Tree, h.Report)
	case s.URL != "":
		return s.fetchTarball(ctx, h)
	}
	return s.fetchPackage(ctx, h)
}

// openTree checks that dir is a kernel tree. The files in it are read later, when they are
// copied.
func openTree(ctx context.Context, dir string, r host.Reporter) (Base, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Base{}, err
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil { // the sandbox shows the target of the link
		dir = real
	}
	version, err := checkedOut(dir)
	if err != nil {
		return Base{}, err
	}
	base := Base{Dir: dir, Version: version, Origin: "a folder"}
	if !isGitTree(dir) {
		return base, nil
	}
	if _, err := sandbox.GitLine(ctx, dir, "rev-parse", "--git-dir"); err != nil {
		return Base{}, blame.Usagef("-tree %s: git cannot use its .git; if the repository of a worktree was moved, type \"git worktree repair\" there, else remove .git:\n%w", dir, err)
	}
	base.Tree = dir
	commit, err := sandbox.GitLine(ctx, dir, "rev-parse", "--verify", "--quiet", "--short=12", "HEAD")
	if err != nil {
		return base, nil // nothing was ever committed
	}
	base.Origin = "commit " + commit
	changed, err := sandbox.Run(sandbox.Git(ctx, dir, "--no-optional-locks", "status", "--porcelain"))
	if n := bytes.Count(changed, []byte("\n")); err == nil && n > 0 {
		first, _, _ := bytes.Cut(changed[3:], []byte("\n"))
		if at := bytes.Index(append([]byte("\n"), changed...), []byte("\nUU ")); at >= 0 {
			r.Step("%s: a merge, a rebase or a cherry-pick is not finished; files with conflicts are tested as they are", dir)
		}
		base.Origin += fmt.Sprintf(" with changes that are not committed (files: %d, the first is %s)", n, first)
		r.Step("%s is tested as it is now: %s", dir, base.Origin)
	}
	return base, err
}

// fetchCommit checks a commit out into the cache.
func (s Spec) fetchCommit(ctx context.Context, h host.Host) (Base, error) {
	dir, err := filepath.Abs(s.Tree)
	if err != nil {
		return Base{}, err
	}
	id, err := sandbox.GitLine(ctx, dir, "rev-parse", s.Commit+"^{tree}")
	if err != nil {
		return Base{}, err
	}
	base, err := unpacked(ctx, h, id, "commit "+s.Commit[:12], func(tmp string) error {
		h.Report.Step("check out %.12s of %s", s.Commit, dir)
		return checkOut(ctx, dir, s.Commit, filepath.Join(tmp, "tree"))
	})
	if err != nil {
		return Base{}, err
	}
	base.Tree, err = filepath.EvalSymlinks(dir)
	return base, err
}

var versionRE = regexp.MustCompile(`(?m)^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION) *= *(.*)$`)

// treeVersion reads the version from the top of a kernel's Makefile.
func treeVersion(dir string) (string, error) {
	text, err := cache.ReadRegular(filepath.Join(dir, "Makefile"))
	if err != nil {
		return "", err
	}
	part := make(map[string]string)
	for _, m := range versionRE.FindAllStringSubmatch(string(text), -1) {
		if _, ok := part[m[1]]; !ok {
			part[m[1]] = strings.TrimSpace(m[2])
		}
	}
	if part["VERSION"] == "" || part["PATCHLEVEL"] == "" {
		return "", errors.New("its Makefile has no VERSION and PATCHLEVEL")
	}
	version := part["VERSION"] + "." + part["PATCHLEVEL"]
	if part["SUBLEVEL"] != "" {
		version += "." + part["SUBLEVEL"]
	}
	return version + part["EXTRAVERSION"], nil
}

// unpackedDir returns the folder into which the base with this digest is unpacked.
func unpackedDir(h host.Host, digest string) string {
	return filepath.Join(h.Cache.Dir, "base", digest[:20])
}

// unpacked returns the base with this digest. If the base is not in the cache, unpacked
// calls fetch, which works in a temporary folder and leaves a folder "tree" in it or in its
// usr/src.
func unpacked(ctx context.Context, h host.Host, digest, origin string, fetch func(tmp string) error) (Base, error) {
	name := digest[:20]
	dir := unpackedDir(h, digest)
	unlock, err := h.Lock(ctx, "base-"+name, "this kernel's source")
	if err != nil {
		return Base{}, err
	}
	defer unlock()
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		tmp, err := cache.Scratch(filepath.Dir(dir), filepath.Base(dir))
		if err != nil {
			return Base{}, err
		}
		defer os.RemoveAll(tmp)
		if err := fetch(tmp); err != nil {
			return Base{}, err
		}
		tree, err := findTree(tmp)
		if err != nil {
			return Base{}, err
		}
		if _, err := treeVersion(tree); err != nil {
			return Base{}, blame.Usagef("%s is no kernel source tree: %w", origin, err)
		}
		if err := seal(ctx, tree, dir); err != nil {
			return Base{}, err
		}
		if err := os.Rename(tree, dir); err != nil {
			return Base{}, err
		}
	} else if err != nil {
		return Base{}, err
	}
	version, err := treeVersion(dir)
	if err != nil {
		return Base{}, fmt.Errorf("%s is no kernel source: %w; delete it to have it fetched again", dir, err)
	}
	if err := tooOld(fmt.Sprintf("the base (%s) is linux-%s", origin, version), ReleaseOf(version)); err != nil {
		return Base{}, err
	}
	base := Base{Dir: dir, Version: version, ID: digest, Origin: origin, Private: true}
	return base, h.Cache.Use(cache.Source, name, fmt.Sprintf("linux-%s, %s", version, origin))
}

func findTree(tmp string) (string, error) {
	for _, dir := range []string{"tree", "usr/src/tree"} {
		if _, err := os.Stat(filepath.Join(tmp, dir)); err == nil {
			return filepath.Join(tmp, dir), nil
		}
	}
	return "", errors.New("the archive contains no kernel tree")
}
