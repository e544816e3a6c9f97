package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"timens-vmtest/kernel"
	"timens-vmtest/vmtest/report"
	"timens-vmtest/vmtest/verdict"
	"timens-vmtest/vmtest/wire"
)

// controlSeries is the unpatched kernel: its expect file says which tests are
// of patches.
const controlSeries = "control"

// pair is pair.json, which makes a folder that of two runs to compare. Both
// are folders in it.
type pair struct {
	Base   string `json:"base"`
	Series string `json:"series"`
}

const pairFile = "pair.json"

// compareVerb runs one plan on the base and on the base with the series.
func compareVerb(ctx context.Context, a *app, _ []string) (int, error) {
	in, err := a.loadOne(ctx)
	if err != nil {
		return 0, err
	}
	s := in.series[0]
	if len(s.Patches) == 0 {
		return 0, usagef("-series %s has no patches: it is the base, and there is nothing to compare", s.Name)
	}
	dir, err := newFolder(a.results, s.Name+"-compared")
	if err != nil {
		return 0, err
	}
	c, err := a.compare(ctx, in, s, dir, a.runSeries)
	if err != nil {
		return 0, err
	}
	report.Comparison(os.Stdout, shortPath(dir), c)
	return c.Verdict.ExitCode(), nil
}

// loadControl is the unpatched kernel as a series.
func (a *app) loadControl(ctx context.Context, in inputs) (kernel.Series, error) {
	control, err := kernel.LoadSeries(ctx, a.patchesDir(), controlSeries)
	if err != nil {
		return control, err
	}
	control.Expect, err = verdict.JoinExpect(in.every, control.Expect)
	return control, err
}

// compare runs the plan of s on both kernels into dir, compares, and writes the
// reports.
func (a *app) compare(ctx context.Context, in inputs, s kernel.Series, dir string,
	run func(context.Context, inputs, kernel.Series, string) (verdict.Result, error)) (verdict.Comparison, error) {
	control, err := a.loadControl(ctx, in)
	if err != nil {
		return verdict.Comparison{}, err
	}
	if settled, err := a.settle(ctx, in, s); err == nil { // else each run says what is wrong
		s = settled
	}
	control.Design = s.Design // the plan is the series'
	names := pair{controlSeries, s.Name}
	if s.Name == controlSeries {
		names.Series += "-patched"
	}
	if err := wire.WriteJSON(filepath.Join(dir, pairFile), names); err != nil {
		return verdict.Comparison{}, err
	}
	for _, one := range []struct {
		series kernel.Series
		name   string
	}{{control, names.Base}, {s, names.Series}} {
		sub := filepath.Join(dir, one.name)
		if err := os.Mkdir(sub, 0o755); err != nil {
			return verdict.Comparison{}, err
		}
		a.progress.Step("series %s", one.name)
		if _, err := run(ctx, in, one.series, sub); err != nil {
			return verdict.Comparison{}, err
		}
	}
	c, err := loadComparison(dir)
	if err != nil {
		return verdict.Comparison{}, err
	}
	return c, report.WriteComparison(dir, c)
}

// isComparison says that a folder is one of two runs to compare.
func isComparison(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, pairFile))
	return !errors.Is(err, fs.ErrNotExist)
}

// loadComparison compares the two runs in a folder.
func loadComparison(dir string) (verdict.Comparison, error) {
	names, err := loadPair(dir)
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

func loadPair(dir string) (pair, error) {
	path := filepath.Join(dir, pairFile)
	var names pair
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &names)
	}
	if err != nil {
		return pair{}, fmt.Errorf("%s: %w", path, err)
	}
	for _, name := range []string{names.Base, names.Series} {
		if !filepath.IsLocal(name) {
			return pair{}, fmt.Errorf("%s: %q leaves the folder", path, name)
		}
	}
	return names, nil
}
