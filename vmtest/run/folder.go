// SPDX-License-Identifier: BSD-3-Clause

package run

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// NewFolder makes the folder of a run below results, and points "latest" at it.
func NewFolder(results, name string) (string, error) {
	results, err := filepath.Abs(results)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(results, 0o755); err != nil {
		return "", err
	}
	stem := time.Now().Format("20060102-150405") + "-" + name
	base := stem
	for n := 2; ; n++ {
		err := os.Mkdir(filepath.Join(results, base), 0o755)
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrExist) {
			return "", err
		}
		base = fmt.Sprintf("%s-%d", stem, n)
	}
	// Replaced by a rename, so that there is a latest at every moment.
	tmp := filepath.Join(results, "."+base)
	if err := os.Symlink(base, tmp); err != nil {
		return "", err
	}
	return filepath.Join(results, base), os.Rename(tmp, filepath.Join(results, "latest"))
}

// ShortPath is path relative to the working folder where it is below it.
func ShortPath(path string) string {
	wd, err := os.Getwd()
	if err != nil {
		return path
	}
	if rel, err := filepath.Rel(wd, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}
