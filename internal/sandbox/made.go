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

// The makefiles of a series can put anything under any name into a folder that they
// write to: a link to one of the user's files, or a pipe that nobody writes to. So
// files in such a folder are opened only by OpenMade.

// OpenMade opens a regular file that make left in dir, by its name relative to dir. It
// does not follow a link out of dir, and a file that is not regular is an error. It
// does not block. flag is that of os.OpenFile. With os.O_CREATE it makes a file of mode 0644.
func OpenMade(dir, name string, flag int) (*os.File, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.OpenFile(name, flag|unix.O_NONBLOCK, 0o644)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: filepath.Join(dir, name), Err: errors.New("make left something here that is not a regular file")}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// ReadMade returns the contents of a regular file that make left in dir. Its errors are
// those of OpenMade.
func ReadMade(dir, name string) ([]byte, error) {
	f, err := OpenMade(dir, name, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// HashMade returns the SHA-256, in hex, of a regular file that make left in dir. Its
// errors are those of OpenMade.
func HashMade(dir, name string) (string, error) {
	f, err := OpenMade(dir, name, os.O_RDONLY)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return cache.Hash(f)
}

// CopyMade copies a regular file that make left in dir to the path to. make must not be
// able to write to that path. The errors for the first file are those of OpenMade.
func CopyMade(dir, name, to string) error {
	f, err := OpenMade(dir, name, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer f.Close()
	return cache.CopyTo(f, to)
}
