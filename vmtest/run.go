// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/wire"
	"timens-vmtest/vmtest/report"
	"timens-vmtest/vmtest/run"
	"timens-vmtest/vmtest/several"
	"timens-vmtest/vmtest/verdict"
	"timens-vmtest/vmtest/worker"
)

func (a *app) registerRun(set *flag.FlagSet) {
	a.RegisterRun(set)
	a.jobs.register(set, "series and bases", "1")
	set.BoolVar(&a.bisect, "bisect", false, "exit as git bisect run wants it: 125 instead of 3 and 4, so that git skips the commit; 129 instead of 2, and 130 for Ctrl-C, which end the bisection")
}

// runVerb is the straight line, once for every base and series.
func runVerb(ctx context.Context, a *app, _ []string) (int, error) {
	reqs, err := a.Requests(ctx)
	if err != nil {
		return 0, err
	}
	if err := a.Planned(reqs); err != nil {
		return 0, err
	}
	work, err := a.worker()
	if err != nil {
		return 0, err
	}
	dir, err := run.NewFolder(a.Results, names(reqs))
	if err != nil {
		return 0, err
	}
	runs := several.Runs{Task: taskOf(reqs, true)}
	if len(reqs) > 1 {
		if err := wire.WriteJSON(filepath.Join(dir, several.TaskFile), runs.Task); err != nil {
			return 0, err
		}
	}
	results, items := make([]verdict.Result, len(reqs)), make([]worker.Item, len(reqs))
	sub := func(i int) string { // the folder of a run
		if len(reqs) == 1 {
			return dir
		}
		return filepath.Join(dir, runs.Series[i])
	}
	for i, req := range reqs {
		items[i] = worker.Item{Name: runs.Series[i], MemoryMB: req.MemoryMB(a.Host.UsableCores() / work.Jobs), Run: func(ctx context.Context, share worker.Share) error {
			if len(reqs) > 1 {
				if err := os.MkdirAll(sub(i), 0o755); err != nil {
					return err
				}
				a.progress.Step("series %s", runs.Series[i])
			}
			var err error
			results[i], err = run.Judge(ctx, share.Of(a.Host), req, sub(i))
			return err
		}}
	}
	for i, err := range worker.InOrder(work.Work(ctx, items)) {
		if errors.Is(err, worker.ErrNotRun) {
			a.progress.Step("series %s did not run", runs.Series[i])
			continue
		}
		if err != nil {
			return 0, err
		}
		a.progress.Clear()
		var text strings.Builder // written at once: other runs report on the same terminal
		report.Text(&text, run.ShortPath(sub(i)), results[i])
		fmt.Fprint(a.github.and(os.Stdout), text.String())
		a.github.tell(report.Annotations(results[i])...)
		runs.Results = append(runs.Results, results[i])
	}
	if len(reqs) > 1 {
		text, err := report.CombinedJSON(runs)
		if err != nil {
			return 0, err
		}
		if err := os.WriteFile(filepath.Join(dir, report.JSONFile), text, 0o644); err != nil {
			return 0, err
		}
		report.Combined(a.github.and(os.Stdout), runs)
	}
	return runs.Verdict().ExitCode(), nil
}

// compareVerb runs one plan on the base and on the base with the series.
func compareVerb(ctx context.Context, a *app, _ []string) (int, error) {
	req, err := a.OneRequest(ctx)
	if err != nil {
		return 0, err
	}
	if len(req.Series.Patches) == 0 {
		return 0, blame.Usagef("-series %s has no patches: it is the base, and there is nothing to compare", req.Series.Name)
	}
	if err := a.Planned([]run.Request{req}); err != nil {
		return 0, err
	}
	dir, err := run.NewFolder(a.Results, req.Series.Name+"-compared")
	if err != nil {
		return 0, err
	}
	c, err := run.Compare(ctx, a.Host, req, dir, run.Judge)
	if err != nil {
		return 0, err
	}
	a.progress.Clear()
	report.Comparison(a.github.and(os.Stdout), run.ShortPath(dir), c)
	a.github.tell(report.FindingAnnotations("comparison", c.Findings)...)
	return c.Verdict.ExitCode(), nil
}

// names returns a name for the folder of some requests: their bases, if there are several,
// and their series.
func names(reqs []run.Request) string {
	var bases, all []string
	for _, r := range reqs {
		if name := r.Base.Name(); !slices.Contains(bases, name) {
			bases = append(bases, name)
		}
		if !slices.Contains(all, r.Series.Name) {
			all = append(all, r.Series.Name)
		}
	}
	name := strings.Join(all, "+")
	if len(bases) > 1 {
		name = strings.Join(bases, "+") + "-" + name
	}
	return name
}

// taskOf returns what is to be done for some requests. Each has a folder: that of its
// series, in that of its base if there are several bases.
func taskOf(reqs []run.Request, keepGoing bool) several.Task {
	t := several.Task{KeepGoing: keepGoing}
	for _, req := range reqs {
		folder := req.Series.Name
		if slices.ContainsFunc(reqs, func(other run.Request) bool { return other.Base != req.Base }) {
			folder = filepath.Join(req.Base.Name(), folder)
		}
		t.Series = append(t.Series, folder)
	}
	return t
}
