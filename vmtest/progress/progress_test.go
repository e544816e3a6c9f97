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
