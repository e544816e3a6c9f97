// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/nearest"
	"timens-vmtest/kernel/kbuild"
	"timens-vmtest/kernel/source"
	"timens-vmtest/vmtest/flags"
	"timens-vmtest/vmtest/history"
	"timens-vmtest/vmtest/nightly"
	"timens-vmtest/vmtest/report"
	"timens-vmtest/vmtest/run"
	"timens-vmtest/vmtest/vm"
)

// nights are the flags of the nightly job, of its parts and of the verb history.
type nights struct {
	dir      string // of the history; of the verb cell, of the night
	commands string // path of the file that lists the cells that run commands
	cells    string // regular expression
	budget   time.Duration
	search   time.Duration
	tries    int
	keep     int
	notify   string
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

// registerMatrix registers the flags that say which cells there are, and what they are made of.
func (a *app) registerMatrix(set *flag.FlagSet) {
	set.Var(&a.Series, "series", "`NAME|FOLDER|FILE.mbox` to test; repeat it or use commas for several (default all in kernel/patches; with -tree none)")
	set.Var(&a.Bases, "base", "`NAMES` of the kernels that are the bases (default "+strings.Join(nightlyBases, ",")+"): "+source.Names)
	set.StringVar(&a.Source.Tree, "tree", "", "test the git tree in `DIR`, as it stands each night, instead of -base; it is never written to")
	set.Var(&a.Configs, "config", "configuration to test: "+defaultConfig+", or a fragment, which is a `FILE` or the name of one in kconfig/; may be repeated (default "+strings.Join(nightlyConfigs, " and ")+")")
	a.RegisterMake(set)
	set.StringVar(&a.Lane, "lane", flags.Both, "`real|virtual|both`: each lane is a cell of its own")
	set.DurationVar(&a.Long, "long", run.DefaultLong, "guest `TIME` that the tests of long waits take in the lane virtual")
	set.StringVar(&a.nights.commands, "commands", "", "`FILE` that lists the cells that run commands (default vmtest/nightly/cells of the checkout)")
	a.RegisterSandbox(set)
	a.RegisterStore(set)
	a.registerCacheSize(set)
}

// registerPlan registers the flags that choose from all cells those of one night.
func (a *app) registerPlan(set *flag.FlagSet) {
	set.StringVar(&a.nights.cells, "cells", "", "run only the cells whose name matches `REGEXP`, such as ^6.12/control/")
	set.DurationVar(&a.nights.budget, "budget", 0, "`TIME` that all cells may take together; those for which it has no room are left out, and the night says which (default: no limit)")
}

// registerEnd registers the flags of what comes behind the cells of a night.
func (a *app) registerEnd(set *flag.FlagSet) {
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
	jobs, err := a.jobs.number()
	if err != nil {
		return 0, err
	}
	job, err := a.job(ctx)
	if err != nil {
		return 0, err
	}
	job.Jobs = jobs
	v, err := job.Night(ctx)
	if err != nil {
		return 0, err
	}
	return v.ExitCode(), a.showNight(job.Out)
}

// job returns the nightly job that the flags say.
func (a *app) job(ctx context.Context) (job nightly.Job, err error) {
	if a.nights.dir != "" {
		if job.Out, err = filepath.Abs(a.nights.dir); err != nil {
			return job, err
		}
		a.Host.Results = job.Out
	}
	if job.Cells, err = a.cells(ctx); err != nil {
		return job, err
	}
	if err := a.setKeys(ctx, job.Cells); err != nil {
		return job, err
	}
	job.Runner, job.Report, job.Now, job.Free = a.machine(), a.progress, time.Now, vm.FreeMB
	n := a.nights
	job.Budget, job.Search, job.Tries, job.Keep, job.Notify = n.budget, n.search, n.tries, n.keep, n.notify
	job.Project, job.Command = a.Checkout.Root, os.Args
	job.Program, job.CellFlags, job.MergeFlags = a.program(), a.matrixFlags(), a.endFlags()
	return job, nil
}

// machine is what runs cells.
func (a *app) machine() nightly.Machine {
	return nightly.Machine{Host: a.Host, Root: a.Checkout.Root, Request: a.cellRequest, Flags: a.cellFlags, Make: kbuild.MakeVars(a.MakeVars)}
}

// showNight prints what the last night of a history says.
func (a *app) showNight(out string) error {
	a.progress.Clear()
	h, err := history.Load(out)
	if err != nil {
		return err
	}
	a.printNight(h)
	return nil
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
