// SPDX-License-Identifier: BSD-3-Clause

package run

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/internal/wire"
	"timens-vmtest/vmtest/coverage"
)

// What the tests ran is read from every boot of every shard.
func TestCounted(t *testing.T) {
	dir := hosttest.Folder(t, map[string]string{
		"real/shard1/records.jsonl": "", "real/shard2/records.jsonl": "", "real/shard2/boot2/records.jsonl": "", "real/shard4/records.jsonl": "",
		"virtual/records.jsonl": "", "virtual/boot2/records.jsonl": "", "virtual/boot4/records.jsonl": "",
	})
	r := &runner{dir: dir}
	plan := wire.Plan{Shards: map[string]wire.Shards{wire.Real: {{"p.TestA"}, {"p.TestB"}, {"p.TestC"}}}}
	got := r.counted(plan, []string{wire.Real, wire.Virtual})
	var want []coverage.Boot
	for _, sub := range []string{"real/shard1", "real/shard2", "real/shard2/boot2", "virtual", "virtual/boot2"} {
		lane, _, _ := strings.Cut(sub, "/")
		want = append(want, coverage.Boot{Dir: filepath.Join(dir, sub), Lane: lane})
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := r.counted(wire.Plan{}, []string{wire.Virtual}); len(got) != 2 || got[0].Lane != "" {
		t.Errorf("one lane: got %v, want two boots without its name", got)
	}
}
