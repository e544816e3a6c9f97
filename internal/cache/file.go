// SPDX-License-Identifier: BSD-3-Clause

package cache

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
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
// sees the whole file or none. Folders that are missing are made.
func WriteFile(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".tmp-")
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
