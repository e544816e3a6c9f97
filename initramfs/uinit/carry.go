// SPDX-License-Identifier: BSD-3-Clause

package uinit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"timens-vmtest/internal/wire"
)

// leaveDir is where the test whose folder is dir may leave files.
func leaveDir(dir string) string { return filepath.Join(dir, "left") }

// reportLeft writes a record for each file that a test has left in dir.
// Anything but a small regular file is an error, because the later test would
// not get it.
func (r runner) reportLeft(id wire.TestID, dir string) error {
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, file := range files {
		info, err := file.Info()
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() || info.Size() > wire.CarriedLimit {
			return fmt.Errorf("it left %s (%v, %d bytes), want a regular file of at most %d bytes", file.Name(), info.Mode(), info.Size(), wire.CarriedLimit)
		}
		text, err := os.ReadFile(filepath.Join(dir, file.Name()))
		if err != nil {
			return err
		}
		if err := r.out.write(wire.Record{Type: wire.TypeLeft, TestID: &id, Path: file.Name(), Data: text, Key: r.key}); err != nil {
			return err
		}
	}
	return nil
}

// readCarried reads what tests of earlier guests have left.
func readCarried() (wire.Carried, error) {
	files := make(wire.Carried)
	err := filepath.WalkDir(wire.CarriedDir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path == wire.CarriedDir {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(wire.CarriedDir, path)
		if err != nil {
			return err
		}
		files[name], err = os.ReadFile(path)
		return err
	})
	return files, err
}
