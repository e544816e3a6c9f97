// SPDX-License-Identifier: BSD-3-Clause

package series

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"timens-vmtest/internal/sandbox"
)

// Ahead reports a git tree that has changes which its folder does not have, and only such a
// tree.
func TestAhead(t *testing.T) {
	w := newWorkshop(t)
	says := func(when, want string) {
		t.Helper()
		got, err := Ahead(t.Context(), w.Host, w.folder)
		if err != nil || (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%s: got %q, %v, want %q", when, got, err, want)
		}
	}
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	says("never edited", "")
	// Git would write this patch without the version at its end.
	first := filepath.Join(w.folder, "0001-a-change-the-tenth-line.patch")
	text, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	write(first, string(text)+"-- \n2.39.5\n")
	w.mustEdit()
	says("just edited", "")
	write(filepath.Join(w.tree, "a.c"), lines(40, map[int]string{10: "changed\n", 30: "again\n"}))
	says("not committed", w.tree+" has changes that are not committed and are not in "+w.folder)
	w.git("commit", "-qa", "--amend", "--no-edit")
	says("committed", w.tree+` has commits that are not in `+w.folder+`; write them there by "vmtest series export `+w.folder+" "+w.tree+`"`)
	if _, err := w.place().Export(t.Context(), sandbox.Box{}); err != nil {
		t.Fatal(err)
	}
	says("exported", "")
	w.git("-c", "user.name=V", "commit", "-q", "--amend", "--no-edit")
	says("the same patches from other commits", "")
	w.git("commit", "-q", "--allow-empty", "--amend", "-m", "a: change it otherwise")
	says("another subject", "has commits that are not in")
	write(first, string(text)+"-- \n2.40\n")
	says("the folder was changed otherwise", "")
	if err := os.RemoveAll(w.tree); err != nil {
		t.Fatal(err)
	}
	says("the tree is gone", "")
}
