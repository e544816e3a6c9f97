// SPDX-License-Identifier: BSD-3-Clause

package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"timens-vmtest/internal/host"
	"timens-vmtest/internal/wire"
	"timens-vmtest/kernel/patch"
	"timens-vmtest/vmtest/report"
	"timens-vmtest/vmtest/verdict"
)

// Pair is pair.json, which makes a folder that of two runs to compare. Both
// are folders in it.
type Pair struct {
	Base   string `json:"base"`
	Series string `json:"series"`
}

const pairFile = "Pair.json"

// Compare runs the plan of a request on the base and on the base with the series,
// by how, which is Judge or Remembered. It compares them and writes the reports.
func Compare(ctx context.Context, h host.Host, req Request, dir string,
	how func(context.Context, host.Host, Request, string) (verdict.Result, error)) (verdict.Comparison, error) {
	control, err := req.Checkout.Control(ctx)
	if err != nil {
		return verdict.Comparison{}, err
	}
	if settled, err := req.Settle(ctx, h); err == nil { // else each run says what is wrong
		req = settled
	}
	control.Design = req.Series.Design // the plan is the series'
	names := Pair{controlSeries, req.Series.Name}
	if req.Series.Name == controlSeries {
		names.Series += "-patched"
	}
	if err := wire.WriteJSON(filepath.Join(dir, pairFile), names); err != nil {
		return verdict.Comparison{}, err
	}
	for _, one := range []struct {
		series patch.Series
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
	c, err := LoadComparison(dir)
	if err != nil {
		return verdict.Comparison{}, err
	}
	return c, report.WriteComparison(dir, c)
}

// IsComparison says that a folder is one of two runs to compare.
func IsComparison(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, pairFile))
	return !errors.Is(err, fs.ErrNotExist)
}

// LoadComparison compares the two runs in a folder.
func LoadComparison(dir string) (verdict.Comparison, error) {
	names, err := LoadPair(dir)
	if err != nil {
		return verdict.Comparison{}, err
	}
	var both [2]verdict.Evidence
	for i, name := range []string{names.Base, names.Series} {
		if both[i], err = verdict.Load(filepath.Join(dir, name)); err != nil {
			return verdict.Comparison{}, err
		}
	}
	return verdict.Compare(both[0], both[1]), nil
}

// LoadPair reads the names of the two runs in a folder.
func LoadPair(dir string) (Pair, error) {
	path := filepath.Join(dir, pairFile)
	var names Pair
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &names)
	}
	if err != nil {
		return Pair{}, fmt.Errorf("%s: %w", path, err)
	}
	for _, name := range []string{names.Base, names.Series} {
		if !filepath.IsLocal(name) {
			return Pair{}, fmt.Errorf("%s: %q leaves the folder", path, name)
		}
	}
	return names, nil
}
