// SPDX-License-Identifier: BSD-3-Clause

package work

import (
	"strings"
	"testing"
)

// Paths that make sees become those of the user, wherever the output is cut.
func TestUnseen(t *testing.T) {
	f := Folder{Dir: "/folder"}
	const text = "/vmtest-work/src/a.c:1: error\n  CC      /vmtest-work/out/a.o\nlast /vmtest-work/src/b.c"
	const want = "/folder/src/a.c:1: error\n  CC      /folder/out/a.o\nlast /folder/src/b.c"
	for cut := range len(text) + 1 {
		var got strings.Builder
		u := Unseen{Folder: f, To: &got}
		for _, part := range []string{text[:cut], text[cut:]} {
			if n, err := u.Write([]byte(part)); n != len(part) || err != nil {
				t.Fatalf("cut at %d: wrote %d of %d bytes, %v", cut, n, len(part), err)
			}
		}
		if err := u.Flush(); err != nil || got.String() != want {
			t.Fatalf("cut at %d: got %q, %v, want %q", cut, got.String(), err, want)
		}
	}
}
