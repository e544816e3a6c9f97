// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"reflect"
	"testing"

	"timens-vmtest/kernel/patch"
)

func TestDiff(t *testing.T) {
	w := newWorld(t)
	first, err := patch.Parse("1.patch", []byte(patchOf("main.c", "return 0;", "return 1;")))
	if err != nil {
		t.Fatal(err)
	}
	second, err := patch.Parse("2.patch", []byte(patchOf("main.c", "return 1;", "return 2;")+
		"diff --git a/unrelated/file b/unrelated/file\ndeleted file mode 100644\n--- a/unrelated/file\n+++ /dev/null\n@@ -1 +0,0 @@\n-text\n"+
		"diff --git a/new.h b/new.h\nnew file mode 100644\n--- /dev/null\n+++ b/new.h\n@@ -0,0 +1 @@\n+int new;\n"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := w.tree(first, second).Diff(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	line := func(op byte, n int, text string) patch.DiffLine { return patch.DiffLine{Op: op, N: n, Text: text} }
	want := []patch.FileDiff{
		{Path: "main.c", After: []byte("int main(void)\n{\n\treturn 2;\n}\n"), Lines: []patch.DiffLine{
			line(' ', 1, "int main(void)"), line(' ', 2, "{"), line('-', 0, "\treturn 0;"), line('+', 3, "\treturn 2;"), line(' ', 4, "}"),
		}},
		{Path: "new.h", After: []byte("int new;\n"), Lines: []patch.DiffLine{line('+', 1, "int new;")}},
		{Path: "unrelated/file", Lines: []patch.DiffLine{line('-', 0, "text")}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	undo, err := patch.Parse("3.patch", []byte(patchOf("main.c", "return 1;", "return 0;")))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := w.tree(first, undo).Diff(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("a series that undoes itself: got %v, %v, want nothing", got, err)
	}
}
