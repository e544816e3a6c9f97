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
	boots := r.counted(p.archive.Plan, lanes)
	r.Report.Step("read which lines of %d changed files ran", len(changes))
	measured, err := coverage.Measure(ctx, r.Host, p.image, changes, boots)
	if err != nil {
		return err
	}
	return wire.WriteJSON(filepath.Join(r.dir, verdict.CoverageFile), measured)
}

// counted returns the boots of all shards of the lanes.
func (r *runner) counted(plan wire.Plan, lanes []string) []coverage.Boot {
	var boots []coverage.Boot
	for _, lane := range lanes {
		shards := len(plan.Shards[lane])
		for shard := min(1, shards); shard <= shards; shard++ {
			for _, dir := range bootsIn(filepath.Join(r.dir, lane, wire.ShardDir(shard))) {
				b := coverage.Boot{Dir: dir}
				if len(lanes) > 1 {
					b.Lane = lane
				}
				boots = append(boots, b)
			}
		}
	}
	return boots
}

// bootsIn returns the folders of the boots of a lane or of a shard that have records. The judge
// decides about a boot that is missing.
func bootsIn(dir string) []string {
	var all []string
	for n := 1; ; n++ {
		boot := filepath.Join(dir, wire.BootDir(n))
		if _, err := os.Stat(filepath.Join(boot, wire.RecordsFile)); err != nil {
			return all
		}
		all = append(all, boot)
	}
}
