// SPDX-License-Identifier: BSD-3-Clause

package cache

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// CopyFile copies the file from to the file to, which is created or overwritten. It
// does not copy the mode.
func CopyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	return CopyTo(in, to)
}

// CopyTo writes all that it reads from from to the file to, which is created or
// overwritten.
func CopyTo(from io.Reader, to string) error {
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, from)
	return errors.Join(err, out.Close())
}

// WriteSealed writes a value as JSON, with the digest of the text in the last line. A
// reader sees the whole file or none. ReadSealed reads it.
func WriteSealed(path string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return WriteFile(path, fmt.Appendf(text, "\n%s\n", Digest(string(text))))
}

// ReadSealed reads a file that WriteSealed wrote into the value that into points to. A
// file that was changed since then is an error. An absent file is fs.ErrNotExist.
func ReadSealed(path string, into any) error {
	sealed, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text, seal, _ := bytes.Cut(sealed, []byte("\n}\n"))
	text = append(text, "\n}"...)
	if string(seal) != Digest(string(text))+"\n" {
		return fmt.Errorf("%s does not match its digest", path)
	}
	return json.Unmarshal(text, into)
}

// WriteJSON writes a value as JSON. A reader sees the whole file or none.
func WriteJSON(path string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return WriteFile(path, append(text, '\n'))
}

// WriteFile writes text under a temporary name and renames the file to path. A reader
// sees the whole file or none. Folders that are missing are made. As with a file that
// os.Create makes, the umask says who may read it.
func WriteFile(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	// Not os.CreateTemp: only the owner may read its files.
	tmp, err := os.OpenFile(filepath.Join(filepath.Dir(path), ".tmp-"+rand.Text()), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if _, err := tmp.Write(text); err != nil {
		return errors.Join(err, tmp.Close())
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// OpenRegular opens a regular file for reading, and nothing else: a pipe that nobody
// writes to would hold the caller for ever, and what a device does is its own.
func OpenRegular(path string) (*os.File, fs.FileInfo, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, notRegular(path, info)
	}
	// It may have become a pipe since: then this does not wait.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	if info, err = f.Stat(); err == nil && !info.Mode().IsRegular() {
		err = notRegular(path, info)
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, info, nil
}

// ReadRegular is os.ReadFile of a regular file, and an error for anything else.
func ReadRegular(path string) ([]byte, error) {
	f, _, err := OpenRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

func notRegular(path string, info fs.FileInfo) error {
	return &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("it is %s, not a regular file", Kind(info.Mode()))}
}

// Kind says what is at a path that has this mode, such as "a named pipe".
func Kind(mode fs.FileMode) string {
	switch {
	case mode.IsRegular():
		return "a regular file"
	case mode.IsDir():
		return "a folder"
	case mode&fs.ModeSymlink != 0:
		return "a symbolic link"
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	}
	return "a device"
}
