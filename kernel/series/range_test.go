// SPDX-License-Identifier: BSD-3-Clause

package series

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/internal/sandbox"
)

// repo is a git tree of a test.
type repo struct {
	*testing.T
	dir string
}

func (r repo) git(args ...string) string {
	r.Helper()
	cmd := sandbox.Git(r.Context(), r.dir, args...)
	cmd.Env = append(cmd.Env, "GIT_AUTHOR_NAME=Ann Author", "GIT_AUTHOR_EMAIL=a@example.org")
	out, err := sandbox.Run(cmd)
	if err != nil {
		r.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func (r repo) write(path, text string) {
	r.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, path), []byte(text), 0o644); err != nil {
		r.Fatal(err)
	}
}

func (r repo) commit(subject string, change map[int]string) {
	r.Helper()
	r.write("a.c", lines(40, change))
	r.git("commit", "-q", "--all", "--allow-empty", "-m", subject)
}

// history makes a git tree. The branch main is base - one - two, the branch side is base -
// one - side, and the branch merged is a merge of both.
func history(t *testing.T) repo {
	t.Helper()
	r := repo{t, hosttest.Folder(t, map[string]string{"Makefile": "VERSION = 6\nPATCHLEVEL = 12\n", "a.c": lines(40, nil), ".gitignore": "*.o\n"})}
	r.git("init", "-q", "--initial-branch=main")
	r.git("add", "--all")
	r.commit("base", nil)
	r.git("branch", "base")
	r.commit("a: change one line", map[int]string{5: "one\n"})
	r.git("checkout", "-q", "-b", "side")
	r.commit("a: change another line", map[int]string{5: "one\n", 35: "side\n"})
	r.git("checkout", "-q", "main")
	r.commit("a: change two lines", map[int]string{5: "one\n", 6: "two\n"})
	r.git("checkout", "-q", "-b", "merged")
	r.git("merge", "-q", "-m", "merge", "side")
	r.git("checkout", "-q", "main")
	return r
}

func TestLoadRange(t *testing.T) {
	r := history(t)
	r.git("branch", "-q", "--set-upstream-to=side", "main")
	bases := map[string]string{"side..main": "main~1", "@{u}..": "main~1"}
	for commits, want := range map[string]string{
		"base..main":              "a: change one line, a: change two lines",
		"base..":                  "a: change one line, a: change two lines",
		"HEAD~1..HEAD":            "a: change two lines",
		"side..main":              "a: change two lines", // as for format-patch, from the last common commit
		"@{u}..":                  "a: change two lines",
		"base..side":              "a: change one line, a: change another line",
		"base..main~1":            "a: change one line",
		"base~0..refs/heads/main": "a: change one line, a: change two lines",
	} {
		s, base, err := LoadRange(t.Context(), hosttest.New(t), r.dir, commits)
		if err != nil {
			t.Errorf("%s: %v", commits, err)
			continue
		}
		var got []string
		for _, p := range s.Patches {
			got = append(got, p.Subject)
		}
		if got := strings.Join(got, ", "); got != want || base != r.git("rev-parse", cmp.Or(bases[commits], strings.Split(commits, "..")[0])) {
			t.Errorf("%s: got patches %q on %s, want %q", commits, got, base, want)
		}
	}
}

func TestLoadRangeRefused(t *testing.T) {
	r := history(t)
	r.git("checkout", "-q", "-b", "hollow")
	r.git("commit", "-q", "--allow-empty", "-m", "nothing")
	r.git("checkout", "-q", "-b", "after", "merged")
	r.commit("after", map[int]string{1: "after\n"})
	r.git("checkout", "-q", "--orphan", "other")
	r.commit("unrelated", nil)
	r.git("checkout", "-q", "main")
	for commits, want := range map[string]string{
		"base..base":    "is empty",
		"main..base":    "is empty or reversed",
		"base..merged":  "is a merge, and a merge cannot be a patch; give one side of it, such as -range base..",
		"base..after":   "give -range " + r.git("rev-parse", "merged")[:12] + "..after for the commits after it",
		"base..other":   "have no commit in common",
		"main..hollow":  "none of its commits changes a file",
		"@{u}..":        "type \"git branch --set-upstream-to=REMOTE/BRANCH\"",
		"nonsuch..main": "nonsuch is no commit there",
		"base..nonsuch": "nonsuch is no commit there",
		"--all..main":   "--all is no commit there",
		"base":          "not of the form BASE..HEAD",
		"base...main":   "not of the form BASE..HEAD",
		"..main":        "not of the form BASE..HEAD",
	} {
		_, _, err := LoadRange(t.Context(), hosttest.New(t), r.dir, commits)
		if _, usage := errors.AsType[*blame.UsageError](err); !usage || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "-range "+commits) {
			t.Errorf("%s: got %v, want a UsageError that holds %q", commits, err, want)
		}
	}
	if _, _, err := LoadRange(t.Context(), hosttest.New(t), t.TempDir(), "a..b"); err == nil || !strings.Contains(err.Error(), "this is not a git tree") {
		t.Errorf("a folder without git: got %v", err)
	}
}

// If the range ends at the commit that is checked out, changes that are not committed are
// one more patch. Nothing is written to the tree.
func TestLoadRangeNotCommitted(t *testing.T) {
	r := history(t)
	r.write("a.c", lines(40, map[int]string{5: "one\n", 6: "two\n", 20: "not committed\n"}))
	r.write("new.c", "new\n")
	r.write("new.o", "ignored\n")
	before := r.git("status", "--porcelain")
	objects := r.git("count-objects", "-v")
	for commits, want := range map[string]int{"base..main": 3, "base..main~1": 1, "base..side": 2} {
		s, _, err := LoadRange(t.Context(), hosttest.New(t), r.dir, commits)
		if err != nil || len(s.Patches) != want {
			t.Fatalf("%s: got %d patches, %v, want %d", commits, len(s.Patches), err, want)
		}
		last := s.Patches[want-1]
		if local := want == 3; last.Local != local || local && (!strings.Contains(last.Subject, "not committed") || len(last.Changes()) != 2) {
			t.Errorf("%s: the last patch is %q, local %v, with changes %v", commits, last.Subject, last.Local, last.Changes())
		}
	}
	if got := r.git("status", "--porcelain"); got != before || r.git("count-objects", "-v") != objects {
		t.Errorf("the tree was written to: its status was %q and is %q, its objects were %q", before, got, objects)
	}
}
