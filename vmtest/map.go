// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"timens-vmtest/internal/wire"
	"timens-vmtest/vmtest/report"
	"timens-vmtest/vmtest/run"
	"timens-vmtest/vmtest/verdict"
)

// mapVerb records which functions of a kernel each test reaches, and prints where the map is.
func mapVerb(ctx context.Context, a *app, _ []string) (int, error) {
	a.Configs, a.Lane, a.Timeout, a.Long = append(a.Configs, "coverage"), wire.Virtual, run.DefaultTimeout, run.DefaultLong
	req, err := a.OneRequest(ctx)
	if err != nil {
		return 0, err
	}
	dir, err := run.NewFolder(a.Results, "map-"+req.Series.Name)
	if err != nil {
		return 0, err
	}
	m, path, result, err := run.Map(ctx, a.Host, req, dir)
	if err != nil {
		return 0, err
	}
	a.progress.Clear()
	if len(m.Tests) == 0 {
		report.Text(os.Stdout, run.ShortPath(dir), result)
		if code := result.Verdict.ExitCode(); code != 0 {
			return code, nil
		}
		return 0, errors.New("there is no map: no test has run")
	}
	if result.Verdict != verdict.Passed {
		a.progress.Step("the map lacks tests that were not as expected; %s lists them", filepath.Join(run.ShortPath(dir), report.TextFile))
	}
	a.progress.Step("the map says of %d functions which of %d tests reach them; evidence: %s", len(m.Reach), len(m.Tests), run.ShortPath(dir))
	fmt.Println(path)
	return 0, nil
}
