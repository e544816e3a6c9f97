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

// advise adds the next step to an error of the host's that has one: a full or
// a read-only file system. The advice depends on whose file it was.
func (a *app) advise(err error) error {
	path := pathOf(err)
	if path == "" {
		return err
	}
	instead := ""
	switch {
	case below(path, a.cache.Dir):
		instead = ", or set XDG_CACHE_HOME to another folder"
	case below(path, a.results):
		instead = ", or pass -results DIR"
	case below(path, os.TempDir()):
		instead = ", or set TMPDIR to another folder"
	}
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w; make room on the file system of %s%s", err, filepath.Dir(path), instead)
	case errors.Is(err, syscall.EFBIG):
		return fmt.Errorf("%w; type \"ulimit -f unlimited\"", err)
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%w; make %s writable%s", err, filepath.Dir(path), instead)
	}
	return err
}

// pathOf is the file that an operation of err's failed on.
func pathOf(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Path
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.New
	}
	return ""
}

// below says that path is dir or inside of it.
func below(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

// interrupted is what err comes to when the user has ended the run: whatever
// the children said while they were stopped is no news.
func interrupted(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return errors.New("interrupted")
	}
	return err
}
