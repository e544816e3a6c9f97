// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"os"
	"path/filepath"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/wire"
	"timens-vmtest/vmtest/report"
	"timens-vmtest/vmtest/run"
	"timens-vmtest/vmtest/several"
)

// runVerb is the straight line, once for every base and series.
func runVerb(ctx context.Context, a *app, _ []string) (int, error) {
	reqs, err := a.requests(ctx)
	if err != nil {
		return 0, err
	}
	if err := a.planned(reqs); err != nil {
		return 0, err
	}
	dir, err := run.NewFolder(a.results, names(reqs))
	if err != nil {
		return 0, err
	}
	runs := several.Runs{Task: taskOf(reqs, true)}
	if len(reqs) > 1 {
		if err := wire.WriteJSON(filepath.Join(dir, several.TaskFile), runs.Task); err != nil {
			return 0, err
		}
	}
	for i, req := range reqs {
		sub := dir
		if len(reqs) > 1 {
			name := runs.Series[i]
			sub = filepath.Join(dir, name)
			if err := os.MkdirAll(sub, 0o755); err != nil {
				return 0, err
			}
			a.progress.Step("series %s", name)
		}
		r, err := run.Judge(ctx, a.host, req, sub)
		if err != nil {
			return 0, err
		}
		a.progress.Clear()
		report.Text(a.github.and(os.Stdout), run.ShortPath(sub), r)
		a.github.tell(report.Annotations(r)...)
		runs.Results = append(runs.Results, r)
		if ctx.Err() != nil {
			break
		}
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
	req, err := a.oneRequest(ctx)
	if err != nil {
		return 0, err
	}
	if len(req.Series.Patches) == 0 {
		return 0, blame.Usagef("-series %s has no patches: it is the base, and there is nothing to compare", req.Series.Name)
	}
	if err := a.planned([]run.Request{req}); err != nil {
		return 0, err
	}
	dir, err := run.NewFolder(a.results, req.Series.Name+"-compared")
	if err != nil {
		return 0, err
	}
	c, err := run.Compare(ctx, a.host, req, dir, run.Judge)
	if err != nil {
		return 0, err
	}
	a.progress.Clear()
	report.Comparison(a.github.and(os.Stdout), run.ShortPath(dir), c)
	a.github.tell(report.FindingAnnotations("comparison", c.Findings)...)
	return c.Verdict.ExitCode(), nil
}
