// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"timens-vmtest/internal/blame"
	"timens-vmtest/kernel/patch"
	"timens-vmtest/vmtest/run"
)

// seriesListVerb lists the series of this project.
func seriesListVerb(ctx context.Context, a *app, args []string) (int, error) {
	if len(args) > 0 {
		return 0, blame.Usagef("it takes no arguments; \"vmtest series show %s\" says more of one", args[0])
	}
	names, err := patch.Names(a.checkout.Patches())
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		s, err := patch.LoadSeries(ctx, a.host.Sandbox, a.checkout.Patches(), name)
		if err != nil {
			return 0, err
		}
		about, _, _ := strings.Cut(s.About, ". ")
		fmt.Printf("%-15s %d patches, design %s: %s\n", name, len(s.Patches), cmp.Or(s.Design, "by its headers"), strings.TrimSuffix(about, "."))
	}
	return 0, nil
}

// seriesShowVerb lists the patches of one series.
func seriesShowVerb(ctx context.Context, a *app, args []string) (int, error) {
	if len(args) != 1 {
		return 0, blame.Usagef("give one series: a name, a folder or a mailbox")
	}
	s, err := patch.LoadSeries(ctx, a.host.Sandbox, a.checkout.Patches(), args[0])
	if err != nil {
		return 0, err
	}
	fmt.Printf("%s, design %s\n", s.Name, cmp.Or(s.Design, "by its headers"))
	if s.About != "" {
		fmt.Println(s.About)
	}
	for i, p := range s.Patches {
		fmt.Printf("\n%d/%d %s\n", i+1, len(s.Patches), p.Subject)
		for _, c := range p.Changes() {
			fmt.Printf("    %-60s %+5d %+5d\n", c.Path, c.Added, -c.Deleted)
		}
	}
	return 0, nil
}

// seriesEditVerb makes a git tree of a series.
func seriesEditVerb(ctx context.Context, a *app, args []string) (int, error) {
	folder, dir, err := a.folderAndTree(args)
	if err != nil {
		return 0, err
	}
	base, err := a.source.Fetch(ctx, a.host)
	if err != nil {
		return 0, err
	}
	repository := func() (string, error) { return base.Repository(ctx, a.host) }
	if err := patch.Edit(ctx, a.host, repository, base.Version, folder, dir); err != nil {
		return 0, err
	}
	a.progress.clear()
	fmt.Printf(`%[1]s is linux-%[2]s with %[3]s as commits. Change them there, for example by

    cd %[1]s && git rebase -i linux-%[2]s
    %[4]s run -tree %[1]s            tests it as it stands

and write the patches back:

    %[4]s series export %[3]s %[1]s
`, run.ShortPath(dir), base.Version, args[0], os.Args[0])
	return 0, nil
}

// seriesExportVerb writes a git tree back to the series' folder.
func seriesExportVerb(ctx context.Context, a *app, args []string) (int, error) {
	folder, dir, err := a.folderAndTree(args)
	if err != nil {
		return 0, err
	}
	changed, err := patch.Export(ctx, a.host.Sandbox, folder, dir)
	if err != nil {
		return 0, err
	}
	if len(changed) == 0 {
		fmt.Printf("%s is as it was\n", run.ShortPath(folder))
	}
	for _, name := range changed {
		fmt.Println(run.ShortPath(filepath.Join(folder, name)))
	}
	return 0, nil
}

// folderAndTree are the folder of a series and the git tree for it.
func (a *app) folderAndTree(args []string) (folder, dir string, err error) {
	if len(args) < 1 || len(args) > 2 {
		return "", "", blame.Usagef("give a series, by its name or folder, and the folder of a git tree if it is not to be linux-NAME")
	}
	folder = patch.SeriesFolder(a.checkout.Patches(), args[0])
	if info, err := os.Stat(folder); err == nil && !info.IsDir() {
		return "", "", blame.Usagef("%s is no folder, so patches cannot be written back to it; make a folder with a file \"series\"", args[0])
	}
	dir = "linux-" + filepath.Base(folder)
	if len(args) == 2 {
		dir = args[1]
	}
	if folder, err = filepath.Abs(folder); err != nil {
		return "", "", err
	}
	dir, err = filepath.Abs(dir)
	return folder, dir, err
}
