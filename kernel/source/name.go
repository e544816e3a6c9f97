// SPDX-License-Identifier: BSD-3-Clause

package source

import (
	"cmp"
	"path/filepath"
	"regexp"
	"strings"

	"timens-vmtest/internal/blame"
)

// sourcePrefix is how the names of Debian's packages with kernel sources begin.
const sourcePrefix = "linux-source-"

// Newest names the base that is the newest source package of all lists.
const Newest = "newest"

// Names lists the names of bases, for messages.
const Names = "6.12, 7.3 or another release N.N that Debian has, newest, debian:PACKAGE or debian:PACKAGE=VERSION"

var debianName = regexp.MustCompile(`^debian:([a-z0-9][a-z0-9.+-]+)(?:=(\S+))?$`)

// Named returns the spec of the base with this name. Names lists the possible names.
func Named(name string) (Spec, error) {
	if name == Newest {
		return Spec{Package: Newest}, nil
	}
	spec := Spec{Package: sourcePrefix + name}
	if m := debianName.FindStringSubmatch(name); m != nil {
		spec = Spec{Package: m[1], Version: m[2]}
	} else if _, ok := releaseOf(spec.Package); !ok {
		return Spec{}, blame.Usagef("-base %s is none of %s; give a folder with -tree, a tarball with -tarball", name, Names)
	}
	release, _ := releaseOf(spec.Package)
	if err := tooOld("-base "+name, release); err != nil {
		return Spec{}, err
	}
	return spec, nil
}

// tooOld returns an error if a release has nothing that can be tested. The zero Release is unknown,
// and no error.
func tooOld(what string, r Release) error {
	if r != (Release{}) && r.Compare(Release{5, 6}) < 0 {
		return blame.Usagef("%s: time namespaces exist since Linux 5.6, clone3() since 5.3", what)
	}
	return nil
}

// Name returns a short name for the base, which can be the name of a folder: "7.3" for
// Debian's linux-source-7.3, "newest", "tarball", or the name of the folder of a tree.
func (s Spec) Name() string {
	pkg := cmp.Or(s.Package, DefaultPackage)
	_, release := releaseOf(pkg)
	switch {
	case s.Tree != "":
		return filepath.Base(s.Tree)
	case s.URL != "":
		return "tarball"
	case s.Version != "":
		return pkg + "_" + s.Version
	case release:
		return strings.TrimPrefix(pkg, sourcePrefix)
	}
	return pkg
}

// releaseOf returns the release N.N of a package linux-source-N.N.
func releaseOf(pkg string) (release Release, ok bool) {
	name, ok := strings.CutPrefix(pkg, sourcePrefix)
	if !ok {
		return release, false
	}
	return ParseRelease(name)
}
