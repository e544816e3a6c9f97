// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/nearest"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/internal/wire"
	"timens-vmtest/kernel/kbuild"
	"timens-vmtest/kernel/series"
	"timens-vmtest/kernel/source"
	"timens-vmtest/vmtest/flags"
	"timens-vmtest/vmtest/history"
	"timens-vmtest/vmtest/nightly"
	"timens-vmtest/vmtest/report"
	"timens-vmtest/vmtest/run"
)

// nights are the flags of the verbs nightly and history.
type nights struct {
	dir    string // of the history
	cells  string // regular expression
	budget time.Duration
	search time.Duration
	tries  int
	keep   int
	notify string
}

// defaultConfig is the name of the configuration without more fragments.
const defaultConfig = "default"

// nightlyBases and nightlyConfigs are those of a night for which no flag names others.
var (
	nightlyBases   = []string{"6.12", source.Newest}
	nightlyConfigs = []string{defaultConfig, "debug"}
)

func (a *app) registerNights(set *flag.FlagSet) {
	set.StringVar(&a.nights.dir, "out", "", "`DIR` of the history; it must be given")
}

func (a *app) registerNightly(set *flag.FlagSet) {
	a.registerNights(set)
	set.Var(&a.Series, "series", "`NAME|FOLDER|FILE.mbox` to test; repeat it or use commas for several (default all in kernel/patches; with -tree none)")
	set.Var(&a.Bases, "base", "`NAMES` of the kernels that are the bases (default "+strings.Join(nightlyBases, ",")+"): "+source.Names)
	set.StringVar(&a.Source.Tree, "tree", "", "test the git tree in `DIR`, as it stands each night, instead of -base; it is never written to")
	set.Var(&a.Configs, "config", "configuration to test: "+defaultConfig+", or a fragment, which is a `FILE` or the name of one in kconfig/; may be repeated (default "+strings.Join(nightlyConfigs, " and ")+")")
	a.RegisterMake(set)
	set.StringVar(&a.Lane, "lane", flags.Both, "`real|virtual|both`: each lane is a cell of its own")
	set.DurationVar(&a.Long, "long", run.DefaultLong, "guest `TIME` that the tests of long waits take in the lane virtual")
	a.RegisterSandbox(set)
	a.registerCacheSize(set)
	set.StringVar(&a.nights.cells, "cells", "", "run only the cells whose name matches `REGEXP`, such as ^6.12/control/")
	set.DurationVar(&a.nights.budget, "budget", 0, "`TIME` that all cells may take together; those for which it has no room are left out, and the night says which (default: no limit)")
	set.DurationVar(&a.nights.search, "search", time.Hour, "`TIME` that the search for what broke a test may take behind the cells; it goes on the next night. 0: do not search")
	set.IntVar(&a.nights.tries, "tries", 5, "run a test that newly fails `N` times again on this kernel, and on the last one on which it did not fail")
	set.IntVar(&a.nights.keep, "keep", 100, "keep the JSON of the last `N` nights; the history itself keeps all")
	set.StringVar(&a.nights.notify, "notify", "", "`COMMAND` for the shell, which gets the mail of a night with news on its standard input, such as \"sendmail you@example.org\"")
}

// checkNights refuses values of the flags that make no night.
func (a *app) checkNights() error {
	n := a.nights
	switch {
	case n.budget < 0 || n.search < 0:
		return blame.Usagef("-budget and -search cannot be below zero")
	case n.tries < 1 || n.keep < 1:
		return blame.Usagef("-tries and -keep are at least 1")
	}
	if _, err := regexp.Compile(n.cells); err != nil {
		return blame.Usagef("-cells: %w", err)
	}
	return nil
}

// nightlyVerb runs a night, or goes on with one.
func nightlyVerb(ctx context.Context, a *app, _ []string) (int, error) {
	if a.nights.dir == "" {
		return 0, blame.Usagef("give the folder of the history by -out DIR; a new one is made")
	}
	if err := a.checkNights(); err != nil {
		return 0, err
	}
	out, err := filepath.Abs(a.nights.dir)
	if err != nil {
		return 0, err
	}
	a.Host.Results = out
	cells, err := a.cells(ctx)
	if err != nil {
		return 0, err
	}
	job := nightly.Job{
		Out: out, Cells: cells, Report: a.progress, Now: time.Now,
		Runner: nightly.Machine{Host: a.Host, Root: a.Checkout.Root, Request: a.cellRequest, Flags: a.cellFlags, Make: kbuild.MakeVars(a.MakeVars)},
		Budget: a.nights.budget, Search: a.nights.search, Tries: a.nights.tries, Keep: a.nights.keep, Notify: a.nights.notify,
		Project: a.Checkout.Root, Command: os.Args,
	}
	v, err := job.Night(ctx)
	if err != nil {
		return 0, err
	}
	a.progress.Clear()
	h, err := history.Load(out)
	if err != nil {
		return 0, err
	}
	a.printNight(h)
	return v.ExitCode(), nil
}

// printNight prints what the last night says. GitHub is told the news as well, with all that the
// mail says of them.
func (a *app) printNight(h history.History) {
	history.PrintNight(a.github.and(os.Stdout), h)
	if !a.github.job() {
		return
	}
	name := h.Nights[len(h.Nights)-1].Name
	fmt.Fprintf(&a.github.page, "\n%s", nightly.Mail(h, name))
	for _, l := range nightly.Headlines(h, name) {
		level := report.Notice
		if l.Bad {
			level = report.Error
		}
		a.github.tell(report.Annotation{Level: level, Title: "vmtest: " + l.Title, Text: l.Text})
	}
}

// cells returns all cells that the flags and the checked-in list name.
func (a *app) cells(ctx context.Context) ([]nightly.Cell, error) {
	if tree := a.Source.Tree; tree != "" {
		if _, err := sandbox.GitLine(ctx, tree, "rev-parse", "--verify", "--quiet", "HEAD"); err != nil {
			return nil, blame.Usagef("-tree %s is no git tree with commits: a night names what changed by its commits", tree)
		}
	}
	names, err := a.nightlySeries()
	if err != nil {
		return nil, err
	}
	bases, configs := []string(a.Bases), []string(a.Configs)
	if a.Source.Tree != "" {
		bases = []string{""}
	} else if len(bases) == 0 {
		bases = nightlyBases
	}
	if len(configs) == 0 {
		configs = nightlyConfigs
	}
	all := nightly.Matrix(bases, names, configs, flags.Lanes[a.Lane])
	for i, c := range all {
		if c.Base == "" {
			c.Base = filepath.Base(a.Source.Tree)
		}
		all[i].Name = strings.Join([]string{c.Base, stem(c.Series), stem(c.Config), c.Lane}, "/")
	}
	presubmits, err := a.presubmitCells(ctx, names, bases)
	if err != nil {
		return nil, err
	}
	commands, err := nightly.ReadCommands(filepath.Join(a.Checkout.Root, "vmtest", "nightly", "cells"))
	if err != nil {
		return nil, err
	}
	all = slices.Concat(all, presubmits, commands)
	match := regexp.MustCompile(a.nights.cells) // checkNights compiled it
	awake := 0
	for i, c := range all {
		if all[i].Asleep = !match.MatchString(c.Name); !all[i].Asleep {
			awake++
		}
	}
	if awake == 0 {
		return nil, blame.Usagef("-cells %s matches none of %d cells, the first of which is %s", a.nights.cells, len(all), all[0].Name)
	}
	return all, nil
}

// stem is a name, or the last part of a path without its ending.
func stem(path string) string {
	base := filepath.Base(path)
	return strings.TrimSuffix(base, filepath.Ext(base))
}

// treeSeries is the name of the series of a tree alone.
const treeSeries = "tree"

// nightlySeries returns the series of the night.
func (a *app) nightlySeries() ([]string, error) {
	switch {
	case a.Has("series"):
		return a.Series, nil
	case a.Source.Tree != "":
		return []string{treeSeries}, nil
	}
	return series.Names(a.Checkout.Patches())
}

// presubmitCells returns a cell for each base and each series with patches, which runs in the
// nights in which the series has changed.
func (a *app) presubmitCells(ctx context.Context, names, bases []string) ([]nightly.Cell, error) {
	if a.Source.Tree != "" {
		return nil, nil
	}
	var all []nightly.Cell
	for _, name := range names {
		patches, err := a.allPatches(ctx, name)
		if err != nil {
			return nil, err
		}
		if len(patches) == 0 {
			continue
		}
		for _, base := range bases {
			c := nightly.Cell{Name: strings.Join([]string{"presubmit", base, stem(name)}, "/"), Changed: true, Patches: patches,
				Command: []string{"bin/vmtest", "presubmit", "-keep-going", "-base", base, "-sandbox", a.Sandbox, "-accel", a.Accel, "-results", nightly.FolderWord}}
			for _, v := range a.MakeVars {
				c.Command = append(c.Command, "-make", v)
			}
			c.Command = append(c.Command, name)
			all = append(all, c)
		}
	}
	return all, nil
}

// allPatches returns the digests of the patches of a series, of all its variants: which of them
// a base takes is only known when the base is there.
func (a *app) allPatches(ctx context.Context, name string) ([]history.Digest, error) {
	s, err := series.Load(ctx, a.Host.Sandbox, a.Checkout.Patches(), name)
	if err != nil {
		return nil, err
	}
	var all []history.Digest
	for _, p := range s.Patches {
		all = append(all, nightly.DigestOf(p.Name, p.Text))
	}
	for _, v := range s.Variants {
		if v.Folder == s.Folder {
			continue
		}
		variant, err := v.Load(ctx, a.Host.Sandbox)
		if err != nil {
			return nil, err
		}
		for _, p := range variant.Patches {
			all = append(all, nightly.DigestOf(filepath.Join(v.Release, p.Name), p.Text))
		}
	}
	return all, nil
}

// cellRequest returns the request of a cell as it is tonight.
func (a *app) cellRequest(ctx context.Context, c nightly.Cell) (run.Request, error) {
	one := *a
	one.Lane, one.Series, one.Bases, one.Configs = c.Lane, flags.List{c.Series}, flags.List{c.Base}, flags.Paths{c.Config}
	if a.Source.Tree != "" {
		one.Bases = nil
	}
	if c.Series == treeSeries && a.Source.Tree != "" {
		one.Series = nil
	}
	if c.Config == defaultConfig {
		one.Configs = nil
	}
	if err := one.CheckBases(); err != nil {
		return run.Request{}, err
	}
	return one.OneRequest(ctx)
}

// cellFlags returns the flags of "vmtest run" that make the request of a cell.
func (a *app) cellFlags(c nightly.Cell) []string {
	var all []string
	if a.Source.Tree != "" {
		all = append(all, "-tree", a.Source.Tree)
	} else {
		all = append(all, "-base", c.Base)
	}
	if c.Series != treeSeries {
		all = append(all, "-series", c.Series)
	}
	if c.Config != defaultConfig {
		all = append(all, "-config", c.Config)
	}
	all = append(all, "-lane", c.Lane, "-sandbox", a.Sandbox)
	if a.Limits != "" {
		all = append(all, "-sandbox-limits", a.Limits)
	}
	if c.Lane == wire.Virtual {
		all = append(all, "-long", a.Long.String())
	} else {
		all = append(all, "-accel", a.Accel)
	}
	for _, v := range a.MakeVars {
		all = append(all, "-make", v)
	}
	for _, t := range a.Tests {
		all = append(all, "-tests", t)
	}
	if a.Design != "" {
		all = append(all, "-design", a.Design)
	}
	if a.Run != "" {
		all = append(all, "-run", a.Run)
	}
	return append(all, "-timeout", a.Timeout.String())
}

// historyVerb prints the nights of a test.
func historyVerb(_ context.Context, a *app, args []string) (int, error) {
	if a.nights.dir == "" || len(args) != 1 {
		return 0, blame.Usagef("give a test or a cell, and the folder of the history by -out DIR")
	}
	h, err := history.Load(a.nights.dir)
	if err != nil {
		return 0, err
	}
	if len(h.Nights) == 0 {
		return 0, blame.Usagef("%s has no history; \"vmtest nightly -out DIR\" makes one", a.nights.dir)
	}
	if !history.PrintSubject(os.Stdout, h, args[0]) {
		known := h.Subjects()
		return 0, blame.Usagef("no night of %s has a test or a cell %s%s", a.nights.dir, args[0], nearest.DidYouMean(args[0], known))
	}
	return 0, nil
}
