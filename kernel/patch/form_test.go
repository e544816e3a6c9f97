// SPDX-License-Identifier: BSD-3-Clause

package patch

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/internal/sandbox"
)

func TestFormalities(t *testing.T) {
	head := "From: Ann <a@example.org>\nSubject: [PATCH] a: Do\n\nWhy.\n\nSigned-off-by: Ann <a@example.org>\n---\n"
	created := "diff --git a/n.c b/n.c\nnew file mode 100644\n--- /dev/null\n+++ b/n.c\n@@ -0,0 +1,2 @@\n+// SPDX-License-Identifier: GPL-2.0\n+int n;\n"
	for name, tc := range map[string]struct{ text, want string }{
		"good":             {head + change + created, ""},
		"no header":        {change, "it has no subject"},
		"no author":        {"From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001\nSubject: [PATCH] a: Do\n\nWhy.\n---\n" + change, "it has no author"},
		"not signed":       {strings.Replace(head, "Signed-off-by", "Reviewed-by", 1) + change, "no Signed-off-by of its author, Ann <a@example.org>"},
		"signed by other":  {strings.Replace(head, "Signed-off-by: Ann", "Signed-off-by: Bob", 1) + change, "no Signed-off-by of its author"},
		"signed in words":  {strings.Replace(head, "Signed-off-by", "not Signed-off-by", 1) + change, "no Signed-off-by of its author"},
		"signed again":     {head[:len(head)-4] + "Signed-off-by: Bob <b@example.org>\n---\n" + change, ""},
		"no subsystem":     {strings.Replace(head, "a: Do", "Do", 1) + change, "does not begin with its subsystem"},
		"revert":           {strings.Replace(head, "a: Do", `Revert "a: Did that, of which a good deal was not really necessary, to all of them."`, 1) + change, ""},
		"long enough":      {strings.Replace(head, "Do", strings.Repeat("é", 72), 1) + change, ""},
		"too long":         {strings.Replace(head, "Do", strings.Repeat("d", 73), 1) + change, "the subject has 76 characters; 75 are the most"},
		"folded":           {strings.Replace(head, "Do", strings.Repeat("d", 40)+"\n "+strings.Repeat("d", 40), 1) + change, "the subject has 84 characters"},
		"full stop":        {strings.Replace(head, "Do", "Do.", 1) + change, "ends with a full stop"},
		"past":             {strings.Replace(head, "Do", "Dropped it", 1) + change, `says "Dropped"; say in the imperative what the patch does: "Drop"`},
		"third person":     {strings.Replace(head, "Do", "simplifies it", 1) + change, `says "simplifies"; say in the imperative what the patch does: "simplify"`},
		"gerund":           {strings.Replace(head, "Do", "Moving it", 1) + change, `says "Moving"; say in the imperative what the patch does: "Move"`},
		"adjective":        {strings.Replace(head, "Do", "fixed-point arithmetic", 1) + change, ""},
		"tags only":        {strings.Replace(head, "Why.\n\n", "", 1) + change, "the changelog is empty"},
		"fixes":            {strings.Replace(head, "Signed", "Fixes: 54a4f0239f2e (\"a: Do (not)\")\nReported-by: Bob <b@example.org>\nCloses: https://example.org/1\nSigned", 1) + change, ""},
		"fixes short":      {strings.Replace(head, "Signed", "Fixes: 54a4f023 (\"a: Do\")\nSigned", 1) + change, `"Fixes: 54a4f023 (\"a: Do\")" is not of the form`},
		"fixes bare":       {strings.Replace(head, "Signed", "fixes: 54a4f0239f2e a: Do\nSigned", 1) + change, "is not of the form"},
		"fixes below":      {head[:len(head)-4] + "Fixes: 54a4f0239f2e (\"a: Do\")\n---\n" + change, `"Fixes: 54a4f0239f2e (\"a: Do\")" stands below the Signed-off-by of the author`},
		"reviewed below":   {head[:len(head)-4] + "Reviewed-by: Bob <b@example.org>\n---\n" + change, ""},
		"emptied":          {head + "diff --git a/a.c b/a.c\n--- a/a.c\n+++ b/a.c\n@@ -1,2 +0,0 @@\n-int a;\n-int b;\n", "it leaves a.c empty"},
		"removed":          {head + "diff --git a/a.c b/a.c\ndeleted file mode 100644\n--- a/a.c\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-int a;\n-int b;\n", ""},
		"no SPDX":          {head + strings.Replace(created, "SPDX-License-Identifier: GPL-2.0", "Do as you like", 1), "n.c is new and does not begin with its SPDX"},
		"config":           {head + strings.NewReplacer("n.c", "tools/testing/selftests/clone3/config", "// SPDX-License-Identifier: GPL-2.0", "CONFIG_TIME_NS=y").Replace(created), ""},
		"config elsewhere": {head + strings.NewReplacer("n.c", "a/config", "// SPDX-License-Identifier: GPL-2.0", "CONFIG_TIME_NS=y").Replace(created), "a/config is new and does not begin with its SPDX"},
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

// All forms of a verb are found, and are spelt as they are.
func TestMoods(t *testing.T) {
	for verb, want := range map[string]string{
		"add":    "added adding adds",
		"fix":    "fixed fixes fixing",
		"use":    "used uses using",
		"modify": "modified modifies modifying",
		"drop":   "dropped dropping drops",
	} {
		if got := strings.Join(slices.Sorted(maps.Keys(moods(verb))), " "); got != want {
			t.Errorf("%s: got %q, want %q", verb, got, want)
		}
	}
}

func TestWithTrailer(t *testing.T) {
	const by, fixes = "Acked-by: B <b@x.org>", `Fixes: 123456789abc ("x")`
	for _, tc := range []struct{ changelog, line, want string }{
		{"Why.\n", by, "Why.\n\n" + by + "\n"},
		{"", by, by + "\n"},
		{"Why.\n\nSigned-off-by: A <a@x.org>\n\n", by, "Why.\n\nSigned-off-by: A <a@x.org>\n" + by + "\n"},
		{"Why.\n\nCc: C <c@x.org>\nSigned-off-by: A <a@x.org>\nSigned-off-by: D <d@x.org>\n", fixes, "Why.\n\nCc: C <c@x.org>\n" + fixes + "\nSigned-off-by: A <a@x.org>\nSigned-off-by: D <d@x.org>\n"},
		{"Why.\n", fixes, "Why.\n\n" + fixes + "\n"},
		{"Signed-off-by: E <e@x.org>\n\nWhy.\n", fixes, "Signed-off-by: E <e@x.org>\n\nWhy.\n\n" + fixes + "\n"},
	} {
		if got := string(withTrailer([]byte(tc.changelog), tc.line)); got != tc.want {
			t.Errorf("%q with %q is %q, want %q", tc.changelog, tc.line, got, tc.want)
		}
	}
}
