// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"timens-vmtest/internal/blame"
	"timens-vmtest/vmtest/report"
	"timens-vmtest/vmtest/run"
	"timens-vmtest/vmtest/verdict"
)

// judgeVerb judges a stored run, or the runs of several series in one folder.
func judgeVerb(_ context.Context, _ *app, args []string) (int, error) {
	if len(args) != 1 {
		return 0, blame.Usagef("give one folder, such as results/latest")
	}
	if _, err := os.Stat(args[0]); err != nil {
		return 0, &blame.UsageError{Err: err}
	}
	if run.IsComparison(args[0]) {
		c, err := run.LoadComparison(args[0])
		if err != nil {
			return 0, err
		}
		report.Comparison(os.Stdout, args[0], c)
		return c.Verdict.ExitCode(), nil
	}
	dirs := []string{args[0]}
	if _, err := os.Stat(filepath.Join(args[0], verdict.RunFile)); err != nil {
		below, err := filepath.Glob(filepath.Join(args[0], "*", verdict.RunFile))
		if err != nil {
			return 0, err
		}
		if len(below) > 0 {
			dirs = nil
		}
		for _, path := range below {
			dirs = append(dirs, filepath.Dir(path))
		}
	}
	var results []verdict.Result
	for _, dir := range dirs {
		e, err := verdict.Load(dir)
		if err != nil {
			return 0, fmt.Errorf("load %s: %w", dir, err)
		}
		r := verdict.Judge(e)
		report.Text(os.Stdout, dir, r)
		results = append(results, r)
	}
	if len(results) > 1 {
		report.Combined(os.Stdout, results)
	}
	return report.Overall(results).ExitCode(), nil
}
