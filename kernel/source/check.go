// SPDX-License-Identifier: BSD-3-Clause

package source

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/shell"
)

// Check reports what is wrong with a Spec, without fetching anything: more than one source,
// a digest that is not a SHA-256, a folder that is not a kernel tree. The error is a usage
// error.
func (s Spec) Check() error {
	switch {
	case s.Tree != "" && (s.URL != "" || s.Package != ""), s.URL != "" && s.Package != "":
		return &blame.UsageError{Err: errors.New("a base has one source: a tree, a tarball or a package")}
	case s.URL != "" && !isDigest(s.SHA256):
		return blame.Usagef("-tarball needs -sha256 with the 64 hex digits of its digest, got %q", s.SHA256)
	case s.Tree == "" || s.Commit != "": // a commit is looked at when it is checked out
		return nil
	}
	dir, err := filepath.Abs(s.Tree)
	if err == nil {
		_, err = checkedOut(dir)
	}
	return err
}

// checkedOut returns the version of a kernel tree. The tree's files must be checked out, and
// its kernel must not be too old.
func checkedOut(dir string) (string, error) {
	version, err := treeVersion(dir)
	if errors.Is(err, fs.ErrNotExist) && isGitTree(dir) {
		return "", blame.Usagef("-tree %s has no Makefile checked out; type \"%s\", or test its commits with -range", dir, shell.Quote("git", "-C", dir, "checkout"))
	}
	if err != nil {
		return "", blame.Usagef("-tree %s is no kernel source tree: %w", dir, err)
	}
	return version, tooOld(fmt.Sprintf("-tree %s is linux-%s", dir, version), ReleaseOf(version))
}

// isDigest reports whether a text can be a SHA-256.
func isDigest(s string) bool {
	return len(s) == 2*sha256.Size && strings.Trim(strings.ToLower(s), "0123456789abcdef") == ""
}
