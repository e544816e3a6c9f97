// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"
)

func TestCarried(t *testing.T) {
	a := TestID{"p/386", "TestA"}
	left := func(id TestID, name, text string) Record {
		return Record{Type: TypeLeft, TestID: &id, Path: name, Data: []byte(text)}
	}
	c := make(Carried)
	for _, r := range []Record{left(a, "x", "1"), left(a, "y", "2"), left(TestID{"p", "TestA"}, "x", "3")} {
		if err := c.Add(r); err != nil {
			t.Error(err)
		}
	}
	if err := c.Add(left(a, "x", "2")); err == nil || err.Error() != "p/386.TestA leaves x twice" {
		t.Errorf("a file is left twice: got %v", err)
	}
	if string(c["p/386/TestA/x"]) != "1" || string(c["p/TestA/x"]) != "3" || len(c.Of(a)) != 2 {
		t.Errorf("got %q, with %q of %s", c, c.Of(a), a)
	}
	if d := (Carried{}).Digest(); d != "" {
		t.Errorf("the digest of no files is %q, want it empty", d)
	}
	// Stored runs have digests, and the judge makes them again.
	line := func(name, text string) string { return fmt.Sprintf("%q %x\n", name, sha256.Sum256([]byte(text))) }
	want := fmt.Sprintf("%x", sha256.Sum256([]byte(line("a", "x")+line("b/c", ""))))
	if d := (Carried{"b/c": nil, "a": []byte("x")}).Digest(); d != want {
		t.Errorf("the digest of two files is %s, want %s", d, want)
	}
	digests := []string{
		c.Digest(),
		Carried{"a": []byte("x")}.Digest(), Carried{"a": []byte("y")}.Digest(), Carried{"b": []byte("x")}.Digest(),
		Carried{"a": nil}.Digest(), Carried{"a": []byte("x"), "b": nil}.Digest(),
	}
	slices.Sort(digests)
	if distinct := slices.Compact(slices.Clone(digests)); len(distinct) != 6 || slices.Contains(digests, "") {
		t.Errorf("the digests of different files are %q", digests)
	}
}

func TestPart(t *testing.T) {
	plan := func(after ...string) Plan {
		var p Plan
		for _, name := range after {
			p.Tests = append(p.Tests, Test{After: name})
		}
		return p
	}
	for _, tc := range []struct {
		plan        Plan
		from        int
		later, part int
	}{
		{plan("", "", ""), 0, 3, 3},
		{plan("", "", ""), 2, 3, 1},
		{plan("", "", "A", "B"), 0, 2, 2},
		{plan("", "", "A", "B"), 1, 2, 1},
		{plan("", "", "A", "B"), 2, 2, 2},
		{plan("", "", "A", "B"), 3, 2, 1},
		{plan("A", "B"), 0, 0, 2}, // they were chosen alone
		{plan("", "A"), 0, 1, 1},
	} {
		if later, part := tc.plan.Later(), len(tc.plan.Part(tc.from)); later != tc.later || part != tc.part {
			t.Errorf("%v from %d: later %d, part of %d, want %d and %d", tc.plan.Tests, tc.from, later, part, tc.later, tc.part)
		}
	}
}
