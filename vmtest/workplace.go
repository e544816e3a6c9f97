// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/nearest"
	"timens-vmtest/internal/shell"
	"timens-vmtest/kernel/series"
	"timens-vmtest/kernel/source"
	"timens-vmtest/kernel/thread"
	"timens-vmtest/vmtest/run"
)

// seriesNewVerb starts a series: an empty one, and a git tree for its commits.
func seriesNewVerb(ctx context.Context, a *app, args []string) (int, error) {
	if err := a.OneBase(); err != nil {
		return 0, err
	}
	w, err := a.workplace(ctx, args)
	if err != nil {
		return 0, err
	}
	if series.Begins(w.Folder) {
		return 0, blame.Usagef("%s is a variant of a series; \"series edit\" begins it", w.Name)
	}
	version := ""
	base := func() (series.Repository, string, error) {
		base, err := a.Source.Fetch(ctx, a.Host)
		version = base.Version
		return func() (string, error) { return base.Repository(ctx, a.Host) }, version, err
	}
	if err := w.New(ctx, a.Host, a.Checkout.ControlFolder(), base); err != nil {
		return 0, err
	}
	a.progress.Clear()
	tree := run.ShortPath(w.Dir)
	w.Dir = tree
	what := "is linux-" + version
	if version == "" { // it was there
		what = "is now the tree of the series " + w.Name
	}
	fmt.Printf(`%s %s, and %s is a series without patches. Commit in the tree, then

    %s

writes the commits to the series as patches, and

    %s

tests the tree as it stands.%s
`, tree, what, run.ShortPath(w.Folder), w.Command("export"), a.command("run", "-tree", tree), asRange(version))
	return 0, nil
}

// seriesEditVerb makes a git tree of a series.
func seriesEditVerb(ctx context.Context, a *app, args []string) (int, error) {
	if err := a.OneBase(); err != nil {
		return 0, err
	}
	w, err := a.workplace(ctx, args)
	if err != nil {
		return 0, err
	}
	if err := a.baseOfVariant(w.Folder); err != nil {
		return 0, err
	}
	base, err := a.Source.Fetch(ctx, a.Host)
	if err != nil {
		return 0, err
	}
	if err := a.aim(ctx, base, &w, len(args) == 2); err != nil {
		return 0, err
	}
	repository := func() (string, error) { return base.Repository(ctx, a.Host) }
	if err := w.Edit(ctx, a.Host, repository, base.Version); err != nil {
		return 0, err
	}
	a.progress.Clear()
	tree := run.ShortPath(w.Dir)
	w.Dir = tree
	fmt.Printf(`%s is linux-%s with %s as commits. Change them there by git, for example by

    %s

Test the tree as it stands, and write the commits back to the series as patches:

    %s
    %s
%s
`, tree, base.Version, w.Name, shell.Quote("git", "-C", tree, "rebase", "-i", "linux-"+base.Version),
		a.command("run", "-tree", tree), w.Command("export"), strings.TrimSpace("\n"+asRange(base.Version)))
	return 0, nil
}

// asRange says how the commits of a tree on a base are named as a range. It is empty if the
// version of the base is not known.
func asRange(version string) string {
	if version == "" {
		return ""
	}
	return " As a range its commits are linux-" + version + "..HEAD."
}

// seriesExportVerb writes a git tree back to the series' folder, or the series to a mailbox.
func seriesExportVerb(ctx context.Context, a *app, args []string) (int, error) {
	if err := a.mailsAlone(); err != nil {
		return 0, err
	}
	if a.mails.mbox != "" {
		return a.exportMails(ctx, args)
	}
	if err := a.OneBase(); err != nil {
		return 0, err
	}
	w, err := a.workplace(ctx, args)
	if err != nil {
		return 0, err
	}
	if a.Source != (source.Spec{}) { // it says which variant
		base, err := a.Source.Fetch(ctx, a.Host)
		if err != nil {
			return 0, err
		}
		if err := a.aim(ctx, base, &w, len(args) == 2); err != nil {
			return 0, err
		}
	}
	changed, err := w.Export(ctx, a.Host.Sandbox)
	if err != nil {
		return 0, err
	}
	if len(changed) == 0 {
		fmt.Printf("%s is as it was\n", run.ShortPath(w.Folder))
	}
	for _, name := range changed {
		fmt.Println(run.ShortPath(filepath.Join(w.Folder, name)))
	}
	return 0, nil
}

// command is a line to paste that runs this program.
func (a *app) command(words ...string) string {
	return shell.Quote(append([]string{os.Args[0]}, words...)...)
}

// ownSeries is the name that advice gives to a series that is to be started.
const ownSeries = "my-series"

// workplace is the folder of a series and the git tree for it. The kernel as it is
// takes no patches, so it is no workplace.
func (a *app) workplace(ctx context.Context, args []string) (series.Workplace, error) {
	if len(args) < 1 || len(args) > 2 {
		return series.Workplace{}, blame.Usagef("give a series, by its name or folder, and the folder of a git tree if it is not to be linux-NAME")
	}
	w := series.Workplace{Name: args[0], Folder: series.Folder(a.Checkout.Patches(), args[0]), Program: os.Args[0]}
	if _, err := os.Stat(args[0]); errors.Is(err, fs.ErrNotExist) && (thread.IsMailbox(args[0]) || series.IsPatchFile(args[0])) {
		return w, blame.Usagef("%s: %s", args[0], nearest.NoSuchPath(args[0]))
	}
	if info, err := os.Stat(w.Folder); thread.IsMailbox(args[0]) || err == nil && !info.IsDir() {
		return w, blame.Usagef("%s is no folder, so patches cannot be written back to it; type \"%s\", and then \"%s\"", args[0],
			a.newSeries("linux-"+ownSeries), shell.Quote("git", "-C", "linux-"+ownSeries, "am", mustAbs(args[0])))
	}
	w.Dir = treeName(w.Folder)
	if len(args) == 2 {
		w.Dir = args[1]
	}
	var err error
	if w.Folder, err = filepath.Abs(w.Folder); err != nil {
		return w, err
	}
	if w.Dir, err = filepath.Abs(w.Dir); err != nil {
		return w, err
	}
	if a.Checkout.OwnsControl(w.Folder) {
		var dir []string
		if len(args) == 2 && w.Free(ctx, a.Checkout.ControlFolder()) {
			dir = args[1:]
		}
		return w, blame.Usagef("%s is the kernel as it is, and is never written to; type \"%s\" to start a series", args[0], a.newSeries(dir...))
	}
	return w, nil
}

// newSeries is the line to paste that starts a series on the base that the flags name.
func (a *app) newSeries(dir ...string) string {
	return a.command(slices.Concat([]string{"series", "new"}, a.Given, []string{ownSeries}, dir)...)
}

// mustAbs is a path from the root, or the path itself if there is no working folder.
func mustAbs(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
