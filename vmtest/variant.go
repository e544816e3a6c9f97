// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"path/filepath"
	"strings"

	"timens-vmtest/internal/blame"
	"timens-vmtest/kernel/series"
	"timens-vmtest/kernel/source"
)

// aim turns the workplace of a series into that of the variant that is meant for a base. If
// none applies, it is the variant for the base's release, which may have to begin. dir
// reports whether the user has named the folder of the git tree.
func (a *app) aim(ctx context.Context, base source.Base, w *series.Workplace, dir bool) error {
	release := source.ReleaseOf(base.Version).String()
	of := w.Name
	if series.Begins(w.Folder) {
		if name := filepath.Base(w.Folder); name != release {
			return blame.Usagef("%s does not exist yet, and the base is linux-%s; to begin that variant, leave out the base or give -base %s", w.Name, base.Version, name)
		}
		of = filepath.Dir(w.Folder)
	}
	s, err := series.Load(ctx, a.Host.Sandbox, a.Checkout.Patches(), of)
	if err != nil || s.Variants == nil && of == w.Name {
		return err
	}
	chosen, fits, err := a.Choose(ctx, base, s)
	if err != nil {
		return err
	}
	if w.From, err = filepath.Abs(chosen.Folder); err != nil || of != w.Name {
		return err
	}
	folder := w.From
	if !fits {
		folder = series.Folder("", filepath.Join(w.Folder, release))
	}
	if folder == w.Folder {
		return nil
	}
	w.Name, w.Folder = strings.TrimSuffix(w.Name, "/")+"/"+filepath.Base(folder), folder
	if !dir {
		w.Dir, err = filepath.Abs(treeName(folder))
	}
	return err
}

// baseOfVariant sets the base to that of the variant in a folder, such as NAME/7.3, unless the flags name a
// base. It does nothing for a folder of a series.
func (a *app) baseOfVariant(folder string) (err error) {
	if release := series.Release(folder); release != "" && a.Source == (source.Spec{}) {
		a.Source, err = source.Named(release)
	}
	return err
}

// treeName returns the default name for the git tree of a series.
func treeName(folder string) string { return "linux-" + series.PlainName(folder) }
