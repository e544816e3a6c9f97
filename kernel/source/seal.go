// SPDX-License-Identifier: BSD-3-Clause

package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/shell"
)

// seals returns the names of two files beside an unpacked base. contents has the digest of
// every file when the base was unpacked. surveyed has the digest of the last survey for
// which Verify found the base unchanged.
func seals(base string) (contents, surveyed string) { return base + ".contents", base + ".surveyed" }

// seal writes the files that Verify compares the base with. The unpacked tree will be
// renamed to dir.
func seal(ctx context.Context, tree, dir string) error {
	files, err := Survey(ctx, Base{Dir: tree, Private: true})
	if err != nil {
		return err
	}
	sums, err := contents(tree, slices.Sorted(maps.Keys(files)))
	if err != nil {
		return err
	}
	contents, surveyed := seals(dir)
	return errors.Join(cache.WriteJSON(contents, sums), cache.WriteFile(surveyed, []byte(files.digest())))
}

// Verify returns an error if the base is not what was unpacked. Reading all files takes
// seconds, so Verify reads them only before the first build in a folder, and when a survey
// differs from the last one.
func (b Base) Verify(files Manifest, first bool) error {
	contentsFile, surveyed := seals(b.Dir)
	last, err := os.ReadFile(surveyed)
	if err == nil && !first && string(last) == files.digest() {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	damaged := func(what string) error {
		return fmt.Errorf("the kernel source in the cache is damaged (%s); type \"%s\" to have it fetched again", what, shell.Quote("rm", "-r", b.Dir))
	}
	want := make(map[string]string)
	text, err := os.ReadFile(contentsFile)
	if err == nil {
		err = json.Unmarshal(text, &want)
	}
	if err != nil {
		return damaged(err.Error())
	}
	got, err := contents(b.Dir, slices.Sorted(maps.Keys(files)))
	if err != nil {
		return err
	}
	for _, path := range slices.Sorted(maps.Keys(Merged(got, want))) {
		if got[path] != want[path] {
			return damaged(path + " is not as it was unpacked")
		}
	}
	return cache.WriteFile(surveyed, []byte(files.digest()))
}

// contents returns the digests of files below dir, by path.
func contents(dir string, paths []string) (map[string]string, error) {
	sums, err := each(paths, func(path string) (string, error) {
		path = filepath.Join(dir, path)
		if target, err := os.Readlink(path); err == nil {
			return "-> " + target, nil
		}
		return cache.HashFile(path)
	})
	all := make(map[string]string)
	for i, path := range paths {
		all[path] = sums[i]
	}
	return all, err
}

// each returns what of returns for each path, in their order. It calls of for several paths
// at once. If some calls fail, the error is that of one of them.
func each(paths []string, of func(path string) (string, error)) ([]string, error) {
	all := make([]string, len(paths))
	var parts errgroup.Group
	parts.SetLimit(runtime.NumCPU())
	for i, path := range paths {
		parts.Go(func() (err error) {
			all[i], err = of(path)
			return err
		})
	}
	return all, parts.Wait()
}
