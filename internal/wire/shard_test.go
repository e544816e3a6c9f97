// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"fmt"
	"strings"
	"testing"
)

func shardPlan(shards ...[]string) Plan {
	test := func(name, lane, after string) Test {
		return Test{TestID: TestID{"p", name}, Lane: lane, After: after}
	}
	return Plan{
		Tests:  []Test{test("TestA", "", ""), test("TestB", Virtual, ""), test("TestC", "", ""), test("TestD", "", "TestA")},
		Shards: map[string]Shards{Real: shards},
	}
}

// A shard has its own tests, in the order of the plan.
func TestShard(t *testing.T) {
	p := shardPlan([]string{"p.TestD", "p.TestA"}, []string{"p.TestC"}).In(Real)
	for n, want := range []string{"p.TestA p.TestC p.TestD", "p.TestA p.TestD", "p.TestC", "", ""} {
		var names []string
		for _, test := range p.Shard(Real, n).Tests {
			names = append(names, test.String())
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("shard %d runs %q, want %q", n, got, want)
		}
	}
	if got := p.Shard(Real, -1).Tests; got != nil {
		t.Errorf("shard -1 runs %v", got)
	}
	for n, id := range []string{"TestZ", "TestA", "TestC"} {
		if got := p.ShardOf(Real, TestID{"p", id}); got != n {
			t.Errorf("%s is in shard %d, want %d", id, got, n)
		}
	}
	p.Shards[Virtual] = Shards{{"p.TestA", "p.TestB"}}
	if got := p.In(Real).Shards; len(got) != 1 || len(got[Real]) != 2 {
		t.Errorf("the plan of the lane real has the shards %v, want its own", got)
	}
	delete(p.Shards, Virtual)
	if got := p.In(Virtual).Shards; got != nil {
		t.Errorf("the other lane has the shards %v", got)
	}
	if got := len(p.Tests); got != 3 {
		t.Errorf("the plan itself has %d tests left, want 3", got)
	}
}

// Each test of the lane is in one shard, together with the test that leaves it files.
func TestCheckShards(t *testing.T) {
	for want, shards := range map[string][][]string{
		"":                                 {{"p.TestA", "p.TestD"}, {"p.TestC"}},
		"the plan has p.TestC in no shard": {{"p.TestA", "p.TestD"}},
		"the plan has p.TestC in shard 1 and in shard 2":                                   {{"p.TestA", "p.TestC", "p.TestD"}, {"p.TestC"}},
		"the plan has p.TestC in shard 2 and in shard 2":                                   {{"p.TestA", "p.TestD"}, {"p.TestC", "p.TestC"}},
		"the plan has p.TestD in shard 2, and p.TestA, whose files it needs, is not there": {{"p.TestA"}, {"p.TestC", "p.TestD"}},
		"the plan has p.TestB in shard 2, but lane real does not run it":                   {{"p.TestA", "p.TestD"}, {"p.TestB", "p.TestC"}},
		"the plan has no test for shard 2":                                                 {{"p.TestA", "p.TestC", "p.TestD"}, {}},
	} {
		got := ""
		if err := shardPlan(shards...).CheckShards(Real); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%v: got %q, want %q", shards, got, want)
		}
	}
	twice := shardPlan([]string{"p.TestA", "p.TestC", "p.TestD"})
	twice.Tests = append(twice.Tests, twice.Tests[2])
	if got, want := fmt.Sprint(twice.CheckShards(Real)), "the plan has p.TestC twice"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if err := shardPlan().CheckShards(Virtual); err != nil {
		t.Errorf("a lane that is not split: %v", err)
	}
}
