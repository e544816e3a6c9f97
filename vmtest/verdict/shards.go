// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"timens-vmtest/internal/wire"
)

// ShardEvidence is the contents of the folder of a shard: of one of the guests over which the
// tests of a lane are split. It has more than one boot for the same reasons as a lane.
type ShardEvidence struct {
	N     int // from 1
	Boots []BootEvidence
}

// split reports whether the lane has, or should have, several guests side by side.
func (l LaneEvidence) split() bool { return l.Plan != nil || l.Shards != nil }

// Planned returns the plan of the lane, or nil if the folder has none.
func (l LaneEvidence) Planned() *wire.Plan {
	if l.split() {
		return l.Plan
	}
	if len(l.Boots) == 0 {
		return nil
	}
	return l.Boots[0].Plan
}

// BootsOf returns the boots of a shard, or those of a lane that is not split, where n is 0.
func (l LaneEvidence) BootsOf(n int) []BootEvidence {
	if n == 0 {
		return l.Boots
	}
	for _, s := range l.Shards {
		if s.N == n {
			return s.Boots
		}
	}
	return nil
}

// AllBoots returns all boots of the lane, those of its shards too.
func (l LaneEvidence) AllBoots() []BootEvidence {
	all := slices.Clone(l.Boots)
	for _, s := range l.Shards {
		all = append(all, s.Boots...)
	}
	return all
}

// loadLane reads the folder of a lane.
func loadLane(dir, lane string) (LaneEvidence, error) {
	l := LaneEvidence{Lane: lane}
	var plan *wire.Plan
	if err := LoadJSON(filepath.Join(dir, wire.PlanFile), &plan); err != nil {
		return l, err
	}
	shards, err := shardsIn(dir)
	if err != nil {
		return l, err
	}
	if l.Boots, err = loadBoots(dir); err != nil {
		return l, err
	}
	if len(shards) == 0 && (plan == nil || len(plan.Shards[lane]) == 0) {
		return l, nil
	}
	l.Plan, l.Shards = plan, []ShardEvidence{}
	if first := l.Boots[0]; len(l.Boots) == 1 && first.Boot == nil && first.Exit == nil && first.Records == nil {
		l.Boots = nil // there is the plan alone
	}
	for _, n := range shards {
		all, err := loadBoots(filepath.Join(dir, wire.ShardDir(n)))
		if err != nil {
			return l, err
		}
		l.Shards = append(l.Shards, ShardEvidence{n, all})
	}
	return l, nil
}

// shardsIn returns the numbers of the shards that have a folder in the folder of a lane.
func shardsIn(dir string) ([]int, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var all []int
	for _, e := range entries {
		n, err := strconv.Atoi(strings.TrimPrefix(e.Name(), "shard"))
		if err == nil && n > 0 && e.Name() == wire.ShardDir(n) {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return all, nil
}

// loadBoots reads the folders of the boots of a lane or of a shard.
func loadBoots(dir string) ([]BootEvidence, error) {
	var all []BootEvidence
	for n := 1; ; n++ {
		sub := filepath.Join(dir, wire.BootDir(n))
		if _, err := os.Stat(sub); n > 1 && errors.Is(err, fs.ErrNotExist) {
			return all, nil
		}
		b, err := loadBoot(sub)
		if err != nil {
			return nil, err
		}
		all = append(all, b)
	}
}
