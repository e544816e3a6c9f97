// SPDX-License-Identifier: BSD-3-Clause

package series

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/internal/sandbox"
)

const onePatch = "From: Ann Author <a@example.org>\nDate: Sun, 22 Nov 2026 00:00:00 +0000\nSubject: [PATCH] a: change it\n\nBecause.\n---\n" +
	"diff --git a/a.c b/a.c\n--- a/a.c\n+++ b/a.c\n@@ -1 +1 @@\n-a\n+b\n"

// A folder that git format-patch made is a series, unless its order is in doubt.
func TestLoadNumbered(t *testing.T) {
	for name, tc := range map[string]struct {
		files []string
		want  []string
		fault string
	}{
		"numbers":       {files: []string{"0002-b.patch", "0001-a.patch"}, want: []string{"0001-a.patch", "0002-b.patch"}},
		"cover letter":  {files: []string{"v2-0000-cover-letter.patch", "v2-0001-a.patch"}, want: []string{"v2-0001-a.patch"}},
		"other files":   {files: []string{"0001-a.patch", "notes", "a.orig"}, want: []string{"0001-a.patch"}},
		"gap":           {files: []string{"0001-a.patch", "0003-c.patch"}, fault: "there is no patch 0002 before 0003-c.patch"},
		"first missing": {files: []string{"0002-b.patch"}, fault: "there is no patch 0001"},
		"twice":         {files: []string{"0001-a.patch", "0001-b.patch"}, fault: "0001-a.patch and 0001-b.patch have the same number"},
		"two versions":  {files: []string{"0001-a.patch", "v2-0001-a.patch"}, fault: "0001-a.patch and v2-0001-a.patch are not of one version"},
		"no number":     {files: []string{"0001-a.patch", "fix.patch"}, fault: "fix.patch has no number"},
		"diff":          {files: []string{"fix.diff"}, fault: "fix.diff has no number"},
		"no patch":      {files: []string{"a.c"}, fault: `has neither a file "series" nor patches`},
	} {
		t.Run(name, func(t *testing.T) {
			files := make(map[string]string)
			for _, f := range tc.files {
				files["out going/"+f] = onePatch
			}
			dir := filepath.Join(hosttest.Folder(t, files), "out going")
			s, err := Load(t.Context(), sandbox.Box{}, "", dir)
			if tc.fault != "" {
				if blame.Of(err) != blame.User || !strings.Contains(err.Error(), tc.fault) {
					t.Fatalf("got %v, want the user's fault %q", err, tc.fault)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range s.Patches {
				got = append(got, p.Name)
			}
			if !slices.Equal(got, tc.want) || s.Name != "out going" {
				t.Errorf("series %q has %q, want %q", s.Name, got, tc.want)
			}
		})
	}
}

// If patches have no order, the message has a command that makes them a series.
func TestUnorderedAdvice(t *testing.T) {
	dir := filepath.Join(hosttest.Folder(t, map[string]string{"it's/b.patch": onePatch, "it's/a.patch": onePatch, "it's/0000-cover-letter.txt": "x"}), "it's")
	_, err := Load(t.Context(), sandbox.Box{}, "", dir)
	if err == nil {
		t.Fatal("patches without an order were taken")
	}
	_, rest, _ := strings.Cut(err.Error(), `type "`)
	command, _, _ := strings.Cut(rest, `" and put`)
	if out, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	s, err := Load(t.Context(), sandbox.Box{}, "", dir)
	if err != nil || len(s.Patches) != 2 {
		t.Errorf("after %s: %d patches, %v", command, len(s.Patches), err)
	}
}

// The path of a single patch is a series.
func TestLoadSinglePatch(t *testing.T) {
	t.Chdir(hosttest.Folder(t, map[string]string{"x.patch": onePatch, "d.patch/series": ""}))
	for _, path := range []string{"x.patch", "./x.patch"} {
		s, err := Load(t.Context(), sandbox.Box{}, "/nowhere", path)
		if err != nil || s.Name != "x" || len(s.Patches) != 1 {
			t.Errorf("%s: series %q with %d patches, %v", path, s.Name, len(s.Patches), err)
		}
	}
	if s, err := Load(t.Context(), sandbox.Box{}, "/nowhere", "./d.patch"); err != nil || len(s.Patches) != 0 {
		t.Errorf("a folder with such a name: %d patches, %v", len(s.Patches), err)
	}
	if _, err := Load(t.Context(), sandbox.Box{}, "/nowhere", "./absent.patch"); blame.Of(err) != blame.User {
		t.Errorf("a patch that is not there: %v, want it to be the user's", err)
	}
}

// The message about an unknown series tells a name from a path, and never writes "./"
// before an absolute path.
func TestUnknownSeries(t *testing.T) {
	dir := hosttest.Folder(t, map[string]string{"known/series": "", "mine/x": "", "file": ""})
	t.Chdir(dir)
	for which, want := range map[string]string{
		"absent":       "there is no series absent: " + dir + " holds known",
		"mine":         "write ./mine",
		"/absent/path": "there is no series /absent/path: no such path",
		"./file":       "./file is neither a folder, nor a mailbox",
	} {
		_, err := Load(t.Context(), sandbox.Box{}, dir, which)
		if err == nil || !strings.HasPrefix(err.Error(), want) && !strings.HasSuffix(err.Error(), want) || strings.Contains(err.Error(), ".//") && !strings.Contains(which, ".//") {
			t.Errorf("%s: got %v, want %q", which, err, want)
		}
	}
}

// A cover letter is no patch: whoever edits it while a git tree of the series exists has changed
// nothing that an export would lose.
func TestCoverLetterIsNoPatch(t *testing.T) {
	dir := hosttest.Folder(t, map[string]string{"s/series": "a.patch\n", "s/a.patch": change})
	folder := filepath.Join(dir, "s")
	state := func() string {
		t.Helper()
		s, err := folderState(folder)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	before := state()
	if err := os.WriteFile(filepath.Join(folder, CoverFile), []byte("Subject: x\n\nWhy.\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if state() != before {
		t.Error("a cover letter changes the state of the patches")
	}
	s, err := Load(t.Context(), sandbox.Box{}, dir, "s")
	if err != nil || len(s.Patches) != 1 || string(s.Cover) != "Subject: x\n\nWhy.\n" {
		t.Errorf("%d patches, the cover letter %q, %v", len(s.Patches), s.Cover, err)
	}
	if err := os.WriteFile(filepath.Join(folder, "a.patch"), []byte(change+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if state() == before {
		t.Error("an edited patch does not change the state")
	}
}
