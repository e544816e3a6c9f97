package main

import (
	"context"
	"os"
	"path/filepath"

	"timens-vmtest/kernel"
	"timens-vmtest/vmtest/coverage"
	"timens-vmtest/vmtest/verdict"
	"timens-vmtest/vmtest/wire"
)

// measure leaves in dir which of the changed lines the tests ran, as evidence.
func (a *app) measure(ctx context.Context, run verdict.Run, base kernel.Base, s kernel.Series, image kernel.Image, dir string) error {
	changes, err := kernel.Diff(ctx, base, s)
	if err != nil {
		return err
	}
	var boots []coverage.Boot
	for _, lane := range run.Lanes {
		for n := 1; ; n++ {
			b := coverage.Boot{Dir: filepath.Join(dir, lane, wire.BootDir(n))}
			if len(run.Lanes) > 1 {
				b.Lane = lane
			}
			if _, err := os.Stat(filepath.Join(b.Dir, wire.RecordsFile)); err != nil {
				break // the judge knows what to make of a boot that is not there
			}
			boots = append(boots, b)
		}
	}
	a.progress.Step("read what ran of %d changed files", len(changes))
	measured, err := coverage.Measure(ctx, image, changes, boots)
	if err != nil {
		return err
	}
	return wire.WriteJSON(filepath.Join(dir, verdict.CoverageFile), measured)
}
