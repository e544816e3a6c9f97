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

// NewFolder makes the folder of a run in the folder results, points the link "latest" at it
// and returns its path. The name begins with the time and ends with name.
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
	// The link is replaced by a rename, so that "latest" exists at every moment.
	tmp := filepath.Join(results, "."+base)
	if err := os.Symlink(base, tmp); err != nil {
		return "", err
	}
	return filepath.Join(results, base), os.Rename(tmp, filepath.Join(results, "latest"))
}

// ShortPath returns path relative to the working folder if it is in that folder, and path
// itself otherwise.
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
