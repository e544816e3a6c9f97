// SPDX-License-Identifier: BSD-3-Clause

package check

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/kernel/kerneltest"
	"timens-vmtest/kernel/patch"
)

// pageDiff returns a patch that adds a page, and lists it in the index if listed is set.
func pageDiff(t *testing.T, text string, listed bool) patch.Patch {
	t.Helper()
	lines := strings.SplitAfter(strings.TrimSuffix(text, "\n"), "\n")
	diff := "diff --git a/Documentation/api/new.rst b/Documentation/api/new.rst\nnew file mode 100644\n--- /dev/null\n+++ b/Documentation/api/new.rst\n" +
		fmt.Sprintf("@@ -0,0 +1,%d @@\n+%s\n", len(lines), strings.Join(lines, "+"))
	if listed {
		diff += "diff --git a/Documentation/api/index.rst b/Documentation/api/index.rst\n--- a/Documentation/api/index.rst\n+++ b/Documentation/api/index.rst\n@@ -5,3 +5,4 @@\n .. toctree::\n \n    old\n+   new\n"
	}
	p, err := patch.Parse("x.patch", []byte(diff))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// pages are the pages of a small tree. One of them has a fault, and refers to a page that is not read.
var pages = map[string]string{
	"Documentation/conf.py":       "master_doc = 'index'\nproject = 'x'\nexclude_patterns = []\n",
	"Documentation/index.rst":     "All\n===\n\n.. toctree::\n\n   api/index\n",
	"Documentation/api/index.rst": "Calls\n==\n\n\n.. toctree::\n\n   old\n",
	"Documentation/api/old.rst":   "Old\n===\n\n:doc:`none`\n",
}

// Sphinx is asked about the pages that a series touches, with those above them, and what the base has
// is not complained of.
func TestDocs(t *testing.T) {
	hosttest.NeedSandbox(t)
	if _, err := exec.LookPath(sphinx); err != nil {
		t.Skip("Sphinx is not installed, and \"make deps\" does not install it; TestDocsOfFakeSphinx tests the rest")
	}
	const good = "A new page\n==========\n\nText of :doc:`old` and :doc:`elsewhere`.\n"
	w := kerneltest.New(t, pages)
	for name, tc := range map[string]struct {
		text   string
		listed bool
		want   string
	}{
		"good":          {good, true, ""},
		"a short title": {strings.Replace(good, "==========", "=====", 1), true, "Documentation/api/new.rst:2: warning: Title underline too short."},
		"a bad table":   {good + "\n== ==\na b\n== =\n", true, "Documentation/api/new.rst:6: error: Malformed table."},
		"in no list":    {good, false, "Documentation/api/new.rst:1: warning: document isn't included in any toctree"},
		"a wrong word":  {good + "\n.. nosuch::\n", true, `Documentation/api/new.rst:6: error: Unknown directive type "nosuch".`},
	} {
		found, err := docs(t.Context(), w.Host, w.Tree(t, pageDiff(t, tc.text, tc.listed)))
		got := ""
		if len(found) > 0 {
			got = found[0].String()
		}
		if err != nil || got != tc.want {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, tc.want)
		}
	}
}

// The program is confined, gets the pages with the series' text, and is not asked if there are none.
func TestDocsOfFakeSphinx(t *testing.T) {
	hosttest.NeedSandbox(t)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("s3cret\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	bin := hosttest.Folder(t, map[string]string{sphinx: `#!/bin/sh
[ "$1" != --version ] || { echo fake; exit; }
cat ` + secret + ` 2>/dev/null
for word; do case $word in include_patterns=*) pages=$(echo "${word#*=}" | tr , ' ');; esac; done
cd Documentation && for page in $pages; do [ -e "$page" ] && grep -n BAD "$page" | sed "s|^\([0-9]*\):.*|$PWD/$page:\1: WARNING: bad|"; done
[ -e api/old.rst ] && [ -e ../Makefile ]
`})
	if err := os.Chmod(filepath.Join(bin, sphinx), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	w := kerneltest.New(t, pages)
	for text, want := range map[string]string{"New\nfine\n": "[]", "New\nBAD\n": "[Documentation/api/new.rst:2: warning: bad]"} {
		if found, err := docs(t.Context(), w.Host, w.Tree(t, pageDiff(t, text, true))); err != nil || fmt.Sprint(found) != want {
			t.Errorf("%q: got %v, %v, want %s", text, found, err, want)
		}
	}
	none := w.Tree(t)
	t.Setenv("PATH", "")
	if found, err := docs(t.Context(), w.Host, none); err != nil || found != nil {
		t.Errorf("without pages: %v, %v", found, err)
	}
}

// A rule whose program is not there is not checked, and that is said. A rule that the user names has to
// be checked.
func TestLeaveOut(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	left := func(only []string, has ...patch.Patch) (string, error) {
		c := &checking{Checker: Checker{Only: only}}
		c.series.Patches, c.series.Man = has, has
		c.steps = c.rules()
		err := c.leaveOut()
		var names []string
		for _, s := range c.steps {
			names = append(names, s.Name)
		}
		return strings.Join(names, ",") + "; " + strings.Join(c.leftOut, ", "), err
	}
	page := pageDiff(t, "New\n", true)
	for _, tc := range []struct {
		only []string
		has  []patch.Patch
		want string
	}{
		{nil, nil, "form,applies,checkpatch,kernel-doc,docs,man,TIME_NS=y,sparse,W=1,TIME_NS=n,W=1,boots; "},
		{nil, []patch.Patch{page}, "form,applies,checkpatch,kernel-doc,TIME_NS=y,sparse,W=1,TIME_NS=n,W=1,boots; docs (there is no sphinx-build), man (there is no groff)"},
		{[]string{"form", "docs"}, nil, "form,docs; applies, checkpatch, kernel-doc, man, TIME_NS=y, sparse, W=1, TIME_NS=n, boots"},
	} {
		if got, err := left(tc.only, tc.has...); err != nil || got != tc.want {
			t.Errorf("with %v and %d patches: %q, %v, want %q", tc.only, len(tc.has), got, err, tc.want)
		}
	}
	if _, err := left([]string{"docs"}, page); err == nil || !strings.Contains(err.Error(), "the rule docs needs the program sphinx-build: ") {
		t.Errorf("a rule that is named: %v", err)
	}
}
