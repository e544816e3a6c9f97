// SPDX-License-Identifier: BSD-3-Clause

package patch

import (
	"path/filepath"
	"strings"
	"testing"

	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/internal/sandbox"
)

func TestFormalities(t *testing.T) {
	head := "From: Ann <a@example.org>\nSubject: [PATCH] a: Do\n\nWhy.\n\nSigned-off-by: Ann <a@example.org>\n---\n"
	created := "diff --git a/n.c b/n.c\nnew file mode 100644\n--- /dev/null\n+++ b/n.c\n@@ -0,0 +1,2 @@\n+// SPDX-License-Identifier: GPL-2.0\n+int n;\n"
	for name, tc := range map[string]struct{ text, want string }{
		"good":            {head + change + created, ""},
		"no header":       {change, "it has no subject"},
		"no author":       {"From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001\nSubject: [PATCH] a: Do\n\nWhy.\n---\n" + change, "it has no author"},
		"not signed":      {strings.Replace(head, "Signed-off-by", "Reviewed-by", 1) + change, "no Signed-off-by of its author, Ann <a@example.org>"},
		"signed by other": {strings.Replace(head, "Signed-off-by: Ann", "Signed-off-by: Bob", 1) + change, "no Signed-off-by of its author"},
		"signed in words": {strings.Replace(head, "Signed-off-by", "not Signed-off-by", 1) + change, "no Signed-off-by of its author"},
		"emptied":         {head + "diff --git a/a.c b/a.c\n--- a/a.c\n+++ b/a.c\n@@ -1,2 +0,0 @@\n-int a;\n-int b;\n", "it leaves a.c empty"},
		"removed":         {head + "diff --git a/a.c b/a.c\ndeleted file mode 100644\n--- a/a.c\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-int a;\n-int b;\n", ""},
		"no SPDX":         {head + strings.Replace(created, "SPDX-License-Identifier: GPL-2.0", "Do as you like", 1), "n.c is new and does not begin with its SPDX"},
	} {
		p, err := loadOne(t, tc.text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := strings.Join(p.Formalities(), "; "); (tc.want == "") != (got == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}

// loadOne reads a file that is to hold one patch.
func loadOne(t *testing.T, text string) (Patch, error) {
	t.Helper()
	all, err := loadText(t, "x.patch", text)
	if err == nil && len(all) != 1 {
		t.Fatalf("got %d patches, want 1", len(all))
	}
	if err != nil {
		return Patch{}, err
	}
	return all[0], nil
}

func loadText(t *testing.T, name, text string) ([]Patch, error) {
	t.Helper()
	dir := hosttest.Folder(t, map[string]string{name: text})
	return Load(t.Context(), sandbox.Box{}, filepath.Join(dir, name))
}
