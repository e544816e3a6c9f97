// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/nearest"
	"timens-vmtest/vmtest/cells"
	"timens-vmtest/vmtest/history"
	"timens-vmtest/vmtest/nightly"
)

func (a *app) registerNight(set *flag.FlagSet) {
	set.StringVar(&a.nights.dir, "out", "", "`DIR` of the night, which gets the folder of the cell; it must be given")
}

// cellsVerb prints the cells of a night that have not run. With -out a night begins, or goes on.
func cellsVerb(ctx context.Context, a *app, _ []string) (int, error) {
	if slices.Contains(a.Given, "-") || slices.Contains(a.Given, "-series=-") {
		return 0, blame.Usagef("-series -: what is on standard input now is not there when a cell runs; save it to a file FILE.mbox")
	}
	begin := nightly.Job.Begin
	if a.nights.dir == "" {
		begin = nightly.Job.Lines
	}
	if err := a.checkNights(); err != nil {
		return 0, err
	}
	job, err := a.job(ctx)
	if err != nil {
		return 0, err
	}
	lines, err := begin(job)
	if err != nil {
		return 0, err
	}
	a.progress.Clear()
	return 0, cells.Write(os.Stdout, lines)
}

// cellVerb runs one cell.
func cellVerb(ctx context.Context, a *app, args []string) (int, error) {
	if len(args) != 1 || a.nights.dir == "" {
		return 0, blame.Usagef("give one cell, and the folder of the night by -out DIR; \"vmtest cells -out DIR\" prints such commands")
	}
	all, err := a.cells(ctx)
	if err != nil {
		return 0, err
	}
	var names []string
	for _, c := range all {
		names = append(names, c.Name)
	}
	at := slices.Index(names, args[0])
	if at < 0 {
		return 0, blame.Usagef("there is no cell %s%s \"vmtest cells\" with the same flags lists them", args[0], orSemicolon(nearest.DidYouMean(args[0], names)))
	}
	if err := a.setKeys(ctx, all[at:at+1]); err != nil {
		return 0, err
	}
	dir, err := filepath.Abs(a.nights.dir)
	if err != nil {
		return 0, err
	}
	a.Host.Results = dir
	list, err := cells.Load(dir)
	if err != nil {
		return 0, err
	}
	line := nightly.Job{Program: a.program(), CellFlags: a.matrixFlags()}.Line(history.History{}, all[at])
	line.Folder = dir
	if len(list) > 0 {
		line.Night = list[0].Night
	}
	folder := nightly.Folder{Dir: dir, Runner: a.machine(), Now: time.Now}
	c, there, err := folder.Run(ctx, all[at], line)
	if err != nil {
		return 0, err
	}
	a.progress.Clear()
	if there {
		a.progress.Step("%s is there already, and is not run again", args[0])
	}
	fmt.Fprintln(a.github.and(os.Stdout), nightly.Found{Cells: []history.Cell{c}}.Lines()[0])
	return nightly.VerdictOf(c).ExitCode(), nil
}

// orSemicolon is a hint, or what stands in its place.
func orSemicolon(hint string) string {
	if hint == "" {
		return ";"
	}
	return hint
}

// mergeVerb judges the folder of a night. With -out it ends the night.
func mergeVerb(ctx context.Context, a *app, args []string) (int, error) {
	if len(args) != 1 {
		return 0, blame.Usagef("give the folder of one night, and to end the night that of its history by -out DIR")
	}
	dir, err := filepath.Abs(args[0])
	if err != nil {
		return 0, err
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return 0, blame.Usagef("%s: %s", args[0], nearest.NoSuchPath(args[0]))
	}
	if a.nights.dir == "" {
		found, err := nightly.Folder{Dir: dir, Runner: a.machine(), Now: time.Now}.Examine()
		if err != nil {
			return 0, err
		}
		fmt.Fprintln(a.github.and(os.Stdout), strings.Join(found.Lines(), "\n"))
		return found.Verdict().ExitCode(), nil
	}
	if err := a.checkNights(); err != nil {
		return 0, err
	}
	job, err := a.job(ctx)
	if err != nil {
		return 0, err
	}
	v, err := job.Merge(ctx, dir)
	if err != nil {
		return 0, err
	}
	return v.ExitCode(), a.showNight(job.Out)
}
