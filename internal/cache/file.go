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

func CopyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	return CopyTo(in, to)
}

func CopyTo(from io.Reader, to string) error {
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, from)
	return errors.Join(err, out.Close())
}

// WriteSealed is writeJSON with a digest behind the value.
func WriteSealed(path string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return WriteFile(path, fmt.Appendf(text, "\n%s\n", Digest(string(text))))
}

// ReadSealed reads what writeSealed wrote, and nothing else.
func ReadSealed(path string, into any) error {
	sealed, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text, seal, _ := bytes.Cut(sealed, []byte("\n}\n"))
	text = append(text, "\n}"...)
	if string(seal) != Digest(string(text))+"\n" {
		return fmt.Errorf("%s is not as it was written", path)
	}
	return json.Unmarshal(text, into)
}

// WriteJSON writes a file that readers see whole or not at all.
func WriteJSON(path string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return WriteFile(path, append(text, '\n'))
}

// WriteFile is os.WriteFile by way of a temporary name.
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
