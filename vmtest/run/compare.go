// SPDX-License-Identifier: BSD-3-Clause

package run

import (
	"context"
	"os"
	"path/filepath"

	"timens-vmtest/internal/host"
	"timens-vmtest/internal/wire"
	"timens-vmtest/kernel/series"
	"timens-vmtest/vmtest/report"
	"timens-vmtest/vmtest/verdict"
)

// Compare runs the plan of a request twice, on the base and on the base with the series,
// each in a folder in dir. how is the function that runs it: Judge or Remembered. Compare
// then compares the two runs and writes the reports.
func Compare(ctx context.Context, h host.Host, req Request, dir string,
	how func(context.Context, host.Host, Request, string) (verdict.Result, error)) (verdict.Comparison, error) {
	control, err := req.Checkout.Control(ctx, h)
	if err != nil {
		return verdict.Comparison{}, err
	}
	if settled, err := req.Settle(ctx, h); err == nil { // on an error each run reports what is wrong
		req = settled
	}
	control.Design = req.Series.Design // both runs have the plan of the series
	names := verdict.Pair{Base: controlSeries, Series: req.Series.Name}
	if req.Series.Name == controlSeries {
		names.Series += "-patched"
	}
	if err := wire.WriteJSON(filepath.Join(dir, verdict.PairFile), names); err != nil {
		return verdict.Comparison{}, err
	}
	for _, one := range []struct {
		series series.Series
		name   string
	}{{control, names.Base}, {req.Series, names.Series}} {
		sub := filepath.Join(dir, one.name)
		if err := os.Mkdir(sub, 0o755); err != nil {
			return verdict.Comparison{}, err
		}
		h.Report.Step("series %s", one.name)
		req.Series = one.series
		if _, err := how(ctx, h, req, sub); err != nil {
			return verdict.Comparison{}, err
		}
	}
	e, err := verdict.LoadComparison(dir)
	if err != nil {
		return verdict.Comparison{}, err
	}
	c := verdict.Compare(e.Base, e.Series)
	return c, report.WriteComparison(dir, c)
}
