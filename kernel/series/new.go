// SPDX-License-Identifier: BSD-3-Clause

package series

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/sandbox"
)

// seriesNameRE matches names that can be a folder, a git branch and an entry of a list with
// commas.
var seriesNameRE = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// New starts a series. It makes Folder with an empty list of patches, and Dir as Edit does.
// If Dir is a tree that Edit made for the folder unowned, whose patches are never written,
// that tree now belongs to the new series. Otherwise New calls base, which returns the
// repository and the version of the base.
func (w Workplace) New(ctx context.Context, h host.Host, unowned string, base func() (Repository, string, error)) (err error) {
	if name := filepath.Base(w.Folder); !seriesNameRE.MatchString(name) {
		return blame.Usagef("%q cannot be the name of a series: use letters, digits, \".\", \"_\" and \"-\"", name)
	}
	if left, err := os.ReadDir(w.Folder); err == nil && len(left) > 0 {
		if w.treeOf(ctx) == w.Folder {
			return blame.Usagef("%s already exists, and %s is its git tree: commit there, then type \"%s\"", w.Folder, w.Dir, w.Command("export"))
		}
		return blame.Usagef("%s already exists; type \"%s\" to change it, or choose another name", w.Folder, w.elsewhere().Command("edit"))
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &blame.UsageError{Err: err}
	}
	adopted := w.treeOf(ctx) == unowned
	var repository Repository
	var version string
	if !adopted {
		if w.taken() {
			return blame.Usagef("%s already exists and may hold work; use another folder: type \"%s\"", w.Dir, w.elsewhere().Command("new"))
		}
		if repository, version, err = base(); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(w.Folder, 0o755); err != nil {
		return err
	}
	defer func() {
		if err != nil { // so that the user can repeat the command
			_ = os.Remove(filepath.Join(w.Folder, "series"))
			_ = os.Remove(w.Folder) // fails if the user has put something there
		}
	}()
	list := "# Say here in one sentence what this series does.\n"
	if err := os.WriteFile(filepath.Join(w.Folder, "series"), []byte(list), 0o644); err != nil {
		return err
	}
	if adopted {
		return w.adopt(ctx, h)
	}
	if err := w.checkOut(ctx, h, repository, version); err != nil {
		return err
	}
	return rememberHead(ctx, w.Dir)
}

// Free reports whether New can use Dir: it does not exist, or it is a tree that New adopts.
func (w Workplace) Free(ctx context.Context, unowned string) bool {
	return !w.taken() || w.treeOf(ctx) == unowned
}

// treeOf returns the folder of the series that the git tree Dir belongs to, or "".
func (w Workplace) treeOf(ctx context.Context) string {
	if _, err := os.Stat(filepath.Join(w.Dir, ".git")); err != nil {
		return "" // without this check git would use a repository around it
	}
	return w.known(ctx, seriesKey)
}

// adopt makes Dir the tree of Folder. None of its commits is in Folder yet.
func (w Workplace) adopt(ctx context.Context, h host.Host) error {
	state, err := folderState(w.Folder)
	if err != nil {
		return err
	}
	for _, args := range [][]string{{"config", stateKey, state}, {"config", headKey, w.known(ctx, baseKey)}, {"config", seriesKey, w.Folder}} {
		if _, err := sandbox.Run(sandbox.Git(ctx, w.Dir, args...)); err != nil {
			return fmt.Errorf("make %s the tree of %s: %w", w.Dir, w.Name, err)
		}
	}
	return rememberEdited(h, w.Folder, w.Dir)
}
