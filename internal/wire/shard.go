// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"fmt"
	"slices"
)

// ShardParam is the kernel parameter with the number of the guest's shard, counted from 1. The
// record hello repeats it. A guest of a lane that is not split does not have it.
const ShardParam = "vmtest.shard"

// Shards says, for a lane, which tests each of its guests runs that are side by side: the
// "package.Name" of each test, shard by shard. Inside a shard the tests have the order of the
// plan.
type Shards [][]string

// ShardDir returns the folder of a lane's n-th shard, counted from 1, relative to the folder of
// the lane. The lane's folder itself is that of a lane that is not split, where n is 0.
func ShardDir(n int) string {
	if n == 0 {
		return "."
	}
	return fmt.Sprintf("shard%d", n)
}

// Label returns a short name for the guest of a shard, such as "real/2". It is the lane's name
// if the lane is not split, where n is 0.
func Label(lane string, n int) string {
	if n == 0 {
		return lane
	}
	return fmt.Sprintf("%s/%d", lane, n)
}

// Shard returns the plan with only the tests of a lane's n-th shard, counted from 1. If there
// is no such shard, the plan has no tests. If n is 0, it returns p. p is not changed.
func (p Plan) Shard(lane string, n int) Plan {
	if n == 0 {
		return p
	}
	var names []string
	if all := p.Shards[lane]; n > 0 && n <= len(all) {
		names = all[n-1]
	}
	var tests []Test
	for _, t := range p.Tests {
		if slices.Contains(names, t.String()) {
			tests = append(tests, t)
		}
	}
	p.Tests = tests
	return p
}

// ShardOf returns the number of the shard of a lane that runs a test, counted from 1. It
// returns 0 if no shard does.
func (p Plan) ShardOf(lane string, id TestID) int {
	return 1 + slices.IndexFunc(p.Shards[lane], func(names []string) bool { return slices.Contains(names, id.String()) })
}

// QuietIn reports whether no other guest of a lane may take CPUs from the one with this plan.
func (p Plan) QuietIn(lane string) bool {
	return slices.ContainsFunc(p.Tests, func(t Test) bool { return t.Quiet == lane })
}

// CheckShards returns an error unless each test that a lane runs is in one of its shards and
// in no other, beside the tests that it needs. A lane that is not split has no shards.
func (p Plan) CheckShards(lane string) error {
	if len(p.Shards[lane]) == 0 {
		return nil
	}
	in := make(map[string]int)
	for i, names := range p.Shards[lane] {
		if len(names) == 0 {
			return fmt.Errorf("the plan has no test for shard %d", i+1)
		}
		for _, name := range names {
			if in[name] > 0 {
				return fmt.Errorf("the plan has %s in shard %d and in shard %d", name, in[name], i+1)
			}
			in[name] = i + 1
		}
	}
	seen := make(map[string]bool)
	for _, t := range p.In(lane).Tests {
		switch n := in[t.String()]; {
		case n == 0:
			return fmt.Errorf("the plan has %s in no shard", t)
		case seen[t.String()]:
			return fmt.Errorf("the plan has %s twice", t)
		case t.After != "" && in[t.Before().String()] != n:
			return fmt.Errorf("the plan has %s in shard %d, and %s, whose files it needs, is not there", t, n, t.Before())
		}
		seen[t.String()] = true
	}
	for name, n := range in {
		if !seen[name] {
			return fmt.Errorf("the plan has %s in shard %d, but lane %s does not run it", name, n, lane)
		}
	}
	return nil
}
