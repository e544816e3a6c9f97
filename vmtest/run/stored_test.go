// SPDX-License-Identifier: BSD-3-Clause

package run

import (
	"slices"
	"testing"

	"timens-vmtest/initramfs"
	"timens-vmtest/internal/wire"
)

// The guest of a stored run has its tests in the order in which they ran, and the same plan.
func TestStoredOrder(t *testing.T) {
	test := func(name string) wire.Test { return wire.Test{TestID: wire.TestID{Package: "p", Name: name}} }
	a := initramfs.Archive{Plan: wire.Plan{ID: "x", Tests: []wire.Test{test("TestA"), test("TestB"), test("TestC")}}}
	ran, err := a.InOrder([]wire.Test{test("TestC"), test("TestA"), test("TestB")})
	if err != nil {
		t.Fatal(err)
	}
	stored := storedRun{order: []wire.TestID{test("TestC").TestID, test("TestA").TestID, test("TestB").TestID}}
	got, err := stored.inOrder(a)
	if err != nil || got.Plan.ID != ran.Plan.ID || !slices.Equal(got.Plan.Tests, ran.Plan.Tests) {
		t.Errorf("got plan %s with %v, %v; want %s with %v", got.Plan.ID, got.Plan.Tests, err, ran.Plan.ID, ran.Plan.Tests)
	}
	if got, err := (storedRun{}).inOrder(a); err != nil || got.Plan.ID != "x" {
		t.Errorf("without an order: plan %s, %v, want x", got.Plan.ID, err)
	}
	stored.order[0].Name = "TestGone"
	if _, err := stored.inOrder(a); err == nil {
		t.Error("an order of other tests is taken")
	}
}
