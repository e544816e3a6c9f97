// SPDX-License-Identifier: BSD-3-Clause

package sandbox

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"timens-vmtest/internal/cache"
)

// What is in a folder that a series' makefiles could write to may be anything
// under any name: a link to a file of the user's, or a pipe that nobody writes
// to. So nothing there is opened but by openMade.

// OpenMade opens a regular file that make left below dir.
func OpenMade(dir, name string, flag int) (*os.File, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.OpenFile(name, flag|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: filepath.Join(dir, name), Err: errors.New("make left something else than a regular file")}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func ReadMade(dir, name string) ([]byte, error) {
	f, err := OpenMade(dir, name, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

func HashMade(dir, name string) (string, error) {
	f, err := OpenMade(dir, name, os.O_RDONLY)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return cache.Hash(f)
}

// CopyMade copies a file that make left to a place that make cannot write to.
func CopyMade(dir, name, to string) error {
	f, err := OpenMade(dir, name, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer f.Close()
	return cache.CopyTo(f, to)
}
