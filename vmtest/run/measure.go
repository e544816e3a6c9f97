// SPDX-License-Identifier: BSD-3-Clause

package run

import (
	"context"
	"os"
	"path/filepath"

	"timens-vmtest/internal/wire"
	"timens-vmtest/vmtest/coverage"
	"timens-vmtest/vmtest/verdict"
)

// measure writes to the folder of the run which of the changed lines the tests ran.
func (r *runner) measure(ctx context.Context, p prepared, lanes []string) error {
	changes, err := p.tree.Diff(ctx)
	if err != nil {
		return err
	}
	var boots []coverage.Boot
	for _, lane := range lanes {
		for n := 1; ; n++ {
			b := coverage.Boot{Dir: filepath.Join(r.dir, lane, wire.BootDir(n))}
			if len(lanes) > 1 {
				b.Lane = lane
			}
			if _, err := os.Stat(filepath.Join(b.Dir, wire.RecordsFile)); err != nil {
				break // the judge decides about a boot that is missing
			}
			boots = append(boots, b)
		}
	}
	r.Report.Step("read which lines of %d changed files ran", len(changes))
	measured, err := coverage.Measure(ctx, r.Sandbox, p.image, changes, boots)
	if err != nil {
		return err
	}
	return wire.WriteJSON(filepath.Join(r.dir, verdict.CoverageFile), measured)
}
