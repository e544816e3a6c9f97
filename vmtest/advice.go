package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// advise says the next step where an error of the host's has one: a full or a
// read-only file system. It depends on whose file it was. Whatever else went
// wrong is left out: it followed from that.
func (a *app) advise(err error) error {
	path, cause := fileOf(err)
	if path == "" {
		return err
	}
	instead := ""
	switch {
	case related(path, a.cache.Dir):
		instead = ", or set XDG_CACHE_HOME to another folder"
	case related(path, a.results):
		instead = ", or pass -results DIR"
	case below(path, os.TempDir()):
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

// fileOf is the file that an operation of err's failed on, and what that
// operation said.
func fileOf(err error) (path string, cause error) {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Path, e
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.New, e
	}
	return "", nil
}

// below says that path is dir or inside of it.
func below(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

// related says that path is in dir, or what dir was to be made in.
func related(path, dir string) bool { return below(path, dir) || below(dir, path) }

// interrupted is what err comes to when the user has ended the run: whatever
// the children said while they were stopped is no news.
func interrupted(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return errors.New("interrupted")
	}
	return err
}
