// SPDX-License-Identifier: BSD-3-Clause

package initramfs

import (
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/u-root/u-root/pkg/cpio"

	"timens-vmtest/internal/wire"
)

// fileOf returns the contents of a file or a link of an archive.
func fileOf(t *testing.T, a Archive, path string) []byte {
	t.Helper()
	archive, err := cpio.ArchiveFromReader(cpio.Newc.Reader(bytes.NewReader(a.CPIO)))
	if err != nil {
		t.Fatal(err)
	}
	r, ok := archive.Get(strings.TrimPrefix(path, "/"))
	if !ok {
		t.Fatalf("the archive has no %s", path)
	}
	text, err := io.ReadAll(io.NewSectionReader(r, 0, int64(r.FileSize)))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// What is to be recorded is one more file. The plan stays as it is.
func TestTraced(t *testing.T) {
	s := spec(t, `^timens\.TestTimerfdAbsolute$`)
	s.Key = "secret"
	a, err := Build(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	want := wire.Trace{Events: []string{"timer:*"}, Functions: []string{"copy_*"}, Patched: []string{"clone3"}}
	b, err := a.Traced(want)
	if err != nil {
		t.Fatal(err)
	}
	var got wire.Trace
	if err := json.Unmarshal(fileOf(t, b, wire.TracePath), &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if b.Plan.ID != a.Plan.ID || !bytes.Equal(fileOf(t, b, wire.PlanPath), fileOf(t, a, wire.PlanPath)) || !bytes.Equal(fileOf(t, b, wire.KeyPath), fileOf(t, a, wire.KeyPath)) {
		t.Error("the plan or the key differs")
	}
}

// Another order changes the plan, its ID and the link to the first test, and nothing else.
func TestInOrder(t *testing.T) {
	s := spec(t, `^(timens\.TestTimerfd(Absolute|Relative)|clone3\.TestUnshareBits\w*)$`)
	s.Key = "secret"
	a, err := Build(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	tests := slices.Clone(a.Plan.Tests)
	slices.Reverse(tests)
	if tests[0].Package == a.Plan.Tests[0].Package {
		t.Fatalf("all tests are of one package: %v", tests)
	}
	b, err := a.InOrder(tests)
	if err != nil {
		t.Fatal(err)
	}
	var plan wire.Plan
	if err := json.Unmarshal(fileOf(t, b, wire.PlanPath), &plan); err != nil || !slices.Equal(plan.Tests, tests) || plan.ID != b.Plan.ID || plan.ID == a.Plan.ID {
		t.Errorf("the archive's plan has the ID %s and %v, %v; want %s and %v", plan.ID, plan.Tests, err, b.Plan.ID, tests)
	}
	if got, want := string(fileOf(t, b, wire.FirstTest)), wire.TestBinary(tests[0].Package); got != want {
		t.Errorf("the first test is in %s, want %s", got, want)
	}
	if key := string(fileOf(t, b, wire.KeyPath)); key != "secret" {
		t.Errorf("the key is %q", key)
	}
	if !bytes.Equal(a.CPIO[:a.planAt], b.CPIO[:b.planAt]) || len(a.CPIO) != len(b.CPIO) {
		t.Error("the programs differ")
	}
	again, err := Build(t.Context(), s)
	if err != nil || !bytes.Equal(again.CPIO, a.CPIO) {
		t.Errorf("InOrder has changed the archive that it was given, %v", err)
	}
	twice := slices.Clone(tests)
	twice[0] = tests[1]
	for what, wrong := range map[string][]wire.Test{"one less": tests[1:], "one more": append(slices.Clone(tests), tests[0]), "one twice": twice, "none": nil} {
		if got, err := a.InOrder(wrong); err == nil {
			t.Errorf("%s: got the plan %v, and no error", what, got.Plan.Tests)
		}
	}
}

// The tests for a later guest stay at the end.
func TestInOrderLater(t *testing.T) {
	first, later := wire.Test{TestID: wire.TestID{Package: "p", Name: "TestA"}}, wire.Test{TestID: wire.TestID{Package: "p", Name: "TestB"}, After: "TestA"}
	a := Archive{Plan: wire.Plan{Tests: []wire.Test{first, later}}}
	if _, err := a.InOrder([]wire.Test{later, first}); err == nil {
		t.Error("a test for a later guest is taken as the first")
	}
	if _, err := a.InOrder([]wire.Test{first, later}); err != nil {
		t.Error(err)
	}
}
