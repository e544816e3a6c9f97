// SPDX-License-Identifier: BSD-3-Clause

package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Advise adds the next step to an error of the host's that has one: a file system
// that is full or read-only. The step depends on whose file it was. What else went
// wrong is left out, as it followed from that.
func (h Host) Advise(err error) error {
	path, cause := FileOf(err)
	if path == "" {
		return err
	}
	instead := ""
	switch {
	case related(path, h.Cache.Dir):
		instead = ", or set XDG_CACHE_HOME to another folder"
	case h.Results != "" && related(path, h.Results):
		instead = ", or pass -results DIR"
	case Below(path, os.TempDir()):
		instead = ", or set TMPDIR to another folder"
	}
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w; make room on the file system of %s%s", cause, filepath.Dir(path), instead)
	case errors.Is(err, syscall.EFBIG):
		return fmt.Errorf("%w; type \"ulimit -f unlimited\"", cause)
	case instead == "": // a file of the user's
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%w; make %s writable%s", cause, filepath.Dir(path), instead)
	}
	return err
}

// FileOf returns the file that an operation of err's failed on, and what that
// operation said. The path is empty if err is of no file.
func FileOf(err error) (path string, cause error) {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Path, e
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.New, e
	}
	return "", nil
}

// Below says that path is dir or inside of it.
func Below(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

// related says that path is in dir, or what dir was to be made in.
func related(path, dir string) bool { return Below(path, dir) || Below(dir, path) }
