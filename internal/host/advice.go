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

// Advise adds what the user can do to an error about a file: a file system is full, a
// file is too large, or a folder is not writable. The advice depends on the folder that
// the file is in: the cache, the results or the temporary files. Advise drops the other
// errors that err wraps, because they follow from this one. It returns any other error
// as it is.
func (h Host) Advise(err error) error {
	path, cause := FileOf(err)
	if path == "" {
		return err
	}
	instead, room := "", ""
	switch {
	case related(path, h.Cache.Dir):
		room = ", such as by \"vmtest cache prune -all\""
		instead = ", or set XDG_CACHE_HOME to another folder"
	case h.Results != "" && related(path, h.Results):
		instead = ", or pass -results DIR"
	case Below(path, os.TempDir()):
		instead = ", or set TMPDIR to another folder"
	}
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w; make room on the file system of %s%s%s", cause, filepath.Dir(path), room, instead)
	case errors.Is(err, syscall.EFBIG):
		return fmt.Errorf("%w; type \"ulimit -f unlimited\"", cause)
	case instead == "": // one of the user's own files: no advice
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%w; make %s writable%s", cause, filepath.Dir(path), instead)
	}
	return err
}

// FileOf returns the path of the file that an operation failed on, and the error of that
// operation, which err wraps. It returns "" and nil if err is not about a file.
func FileOf(err error) (path string, cause error) {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Path, e
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.New, e
	}
	return "", nil
}

// Below reports whether path is dir or is inside of dir. It does not follow links.
func Below(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

// related reports whether path is in dir, or dir is in path.
func related(path, dir string) bool { return Below(path, dir) || Below(dir, path) }
