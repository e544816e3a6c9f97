// SPDX-License-Identifier: BSD-3-Clause

package progress

import (
	"bytes"
	"testing"
)

// What several steps note is said once.
func TestNote(t *testing.T) {
	var w bytes.Buffer
	p := &Progress{w: &w}
	for range 2 {
		p.Step("build %d", 1)
		p.Note("100 % of one")
		p.Note("two")
	}
	if got, want := w.String(), "vmtest: build 1\nvmtest: 100 % of one\nvmtest: two\nvmtest: build 1\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Of several items that count, the live line shows one at a time, for a while.
func TestCountTakesTurns(t *testing.T) {
	var w bytes.Buffer
	p := &Progress{w: &w, terminal: true}
	shows := func(want string) {
		t.Helper()
		if p.barOf != want {
			t.Errorf("the line shows %q, want %q", p.barOf, want)
		}
	}
	p.Count("objects of a", 1, 9, "x.o")
	shows("objects of a")
	p.Count("tests of b", 1, 5, "p.TestX")
	shows("objects of a")
	p.barSince = p.barSince.Add(-turn)
	p.Count("tests of b", 2, 5, "p.TestY")
	shows("tests of b")
	p.Clear()
	p.Count("objects of a", 2, 9, "y.o")
	shows("objects of a")
}
