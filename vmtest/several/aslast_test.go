// SPDX-License-Identifier: BSD-3-Clause

package several

import (
	"testing"

	"timens-vmtest/internal/wire"
	"timens-vmtest/vmtest/verdict"
)

// The kernel that answers for an earlier patch is looked at in a lane that is split over guests, too.
func TestAsLastOfShards(t *testing.T) {
	for id, trouble := range map[string]bool{"a": false, "b": true} {
		e := CheckEvidence{Check: &Check{Patches: make([]PatchToCheck, 2)}, Answers: []AnswerEvidence{{Answered: Answered{Patch: 1, Found: Found{AsLast: "a"}}}}}
		shard := verdict.ShardEvidence{N: 1, Boots: []verdict.BootEvidence{{Boot: &wire.Boot{BuildID: id}}}}
		last := AnswerEvidence{run: &verdict.Evidence{Lanes: []verdict.LaneEvidence{{Shards: []verdict.ShardEvidence{shard}}}}}
		if got := e.asLast(Question{Patch: 1}, last); (got != nil) != trouble {
			t.Errorf("the last kernel is %s, the earlier one a: got %v, want a trouble: %v", id, got, trouble)
		}
	}
}
