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

// Pair names two runs to compare. Each is a folder in the folder of the comparison, which
// also has the Pair as a file.
type Pair struct {
	Base   string `json:"base"`   // folder of the run of the unpatched base
	Series string `json:"series"` // folder of the run of the base with the series
}

// pairFile is the name of the file with the Pair. A folder with this file is a comparison.
const pairFile = "pair.json"

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

// IsComparison reports whether a folder is that of a comparison.
func IsComparison(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, pairFile))
	return !errors.Is(err, fs.ErrNotExist)
}

// LoadComparison loads the evidence of the two runs in the folder of a comparison, and
// compares them.
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

// LoadPair reads the Pair from the folder of a comparison. A name that leads out of the
// folder is an error.
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
