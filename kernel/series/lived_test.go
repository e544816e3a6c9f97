// SPDX-License-Identifier: BSD-3-Clause

package series

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/host/hosttest"
)

// subjects returns the beginnings of the names and the subjects of the patches of a range,
// and what was reported.
func (r repo) subjects(dir, commits string) (string, *hosttest.Steps) {
	r.Helper()
	var said hosttest.Steps
	s, _, err := LoadRange(r.Context(), host.Host{Report: &said}, dir, commits)
	if err != nil {
		r.Errorf("%s of %s: %v", commits, dir, err)
	}
	var all []string
	for _, p := range s.Patches {
		all = append(all, p.Name[:5]+p.Subject)
	}
	return strings.Join(all, ", "), &said
}

// Commits that change no file are skipped and reported. b4 keeps the cover letter in such a
// commit.
func TestRangeSkipsEmptyCommits(t *testing.T) {
	r := history(t)
	r.git("checkout", "-q", "-b", "b4/words", "base")
	r.git("commit", "-q", "--allow-empty", "-m", "Words, more of them", "-m", "What for.\n\n--- b4-submit-tracking ---\n{}")
	r.commit("a: Say one", map[int]string{5: "one\n"})
	r.git("commit", "-q", "--allow-empty", "-m", "pick up the thread")
	r.commit("a: Say two", map[int]string{5: "one\n", 9: "two\n"})
	got, said := r.subjects(r.dir, "base..")
	if want := "0001-a: Say one, 0002-a: Say two"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, want := range []string{"is skipped, as it is the cover letter of b4, and changes no file: Words", "is skipped, as it changes no file: pick up the thread"} {
		if !said.Said(want) {
			t.Errorf("said %q, want %q", *said, want)
		}
	}
}

// Other files in a tree (pipes, core dumps, other repositories) are left out and reported.
func TestRangeOfLivedInTree(t *testing.T) {
	r := history(t)
	dir := r.dir
	if err := errors.Join(
		os.Symlink("/nonsuch/build", filepath.Join(dir, "out")),
		syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600),
		os.WriteFile(filepath.Join(dir, "core"), nil, 0o644), os.Truncate(filepath.Join(dir, "core"), 65<<20),
	); err != nil {
		t.Fatal(err)
	}
	r.git("init", "-q", "hollow")
	r.git("clone", "-q", ".", "clone")
	got, said := r.subjects(dir, "base..")
	if want := "0001-a: change one line, 0002-a: change two lines"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, want := range []string{"out (a symbolic link that git does not track)", "core (65 MB, and", "hollow/ (a git repo", "clone/ (a git repo"} {
		if !said.Said(want) {
			t.Errorf("said %q, want %q", *said, want)
		}
	}
	r.write("new.c", "int new;\n")
	if got, _ := r.subjects(dir, "base.."); !strings.HasSuffix(got, ", not-cchanges in "+dir+" that are not committed") {
		t.Errorf("with a new file: got %q", got)
	}
}

// A changed symbolic link that git tracks is refused. The message says what to type.
func TestRangeRefusesChangedLink(t *testing.T) {
	r := history(t)
	link := filepath.Join(r.dir, "link")
	if err := os.Symlink("a.c", link); err != nil {
		t.Fatal(err)
	}
	r.git("add", "link")
	r.commit("link", nil)
	if err := errors.Join(os.Remove(link), os.Symlink("Makefile", link)); err != nil {
		t.Fatal(err)
	}
	_, _, err := LoadRange(t.Context(), host.Host{Report: new(hosttest.Steps)}, r.dir, "HEAD~1..")
	if blame.Of(err) != blame.User || !strings.Contains(err.Error(), "link is a symbolic link or a submodule") || !strings.Contains(err.Error(), "git checkout HEAD -- link") {
		t.Errorf("got %v", err)
	}
}

// A range has only commits. It does not matter how many files are checked out, or where.
func TestRangeOfOtherClones(t *testing.T) {
	r := history(t)
	const want = "0001-a: change one line, 0002-a: change two lines"
	dir := t.TempDir()
	clone := func(name string, args ...string) string {
		to := filepath.Join(dir, name)
		r.git(append(append([]string{"clone", "-q"}, args...), "file://"+r.dir, to)...)
		repo{t, to}.git("branch", "-q", "base", "origin/base")
		return to
	}
	sparse := clone("sparse")
	repo{t, sparse}.git("sparse-checkout", "set", "--no-cone", "/a.c")
	worktree := filepath.Join(dir, "worktree")
	r.git("worktree", "add", "-q", "--detach", worktree)
	odd := "a b:c,d \"e\\f'ä"
	shared := filepath.Join(dir, "shared of "+odd)
	odd = clone(odd)
	r.git("clone", "-q", "--shared", "--branch", "main", odd, shared)
	repo{t, shared}.git("branch", "-q", "base", "origin/base")
	lines := clone("two\nlines") // git cannot use such a path as an alternate
	r.git("config", "uploadpack.allowFilter", "true")
	partial := clone("partial", "--filter=blob:none", "--no-checkout")
	split := clone("split")
	repo{t, split}.git("update-index", "--split-index")
	repo{t, split}.git("update-index", "--skip-worktree", "Makefile") // the file exists, but git ignores changes to it
	bare := filepath.Join(dir, "bare")
	r.git("clone", "-q", "--bare", "--branch", "main", "file://"+r.dir, bare)
	for what, dir := range map[string]string{
		"no checkout": clone("none", "--no-checkout"), "sparse": sparse, "worktree": worktree, "odd": odd, "a newline": lines,
		"an alternate with an odd path": shared, "split index": split, "bare": bare, "the folder .git": filepath.Join(r.dir, ".git"), "partial": partial,
	} {
		if got, _ := r.subjects(dir, "base..main"); got != want && what != "worktree" {
			t.Errorf("%s: got %q, want %q", what, got, want)
		}
		if got, _ := r.subjects(dir, "base..HEAD"); got != want {
			t.Errorf("%s: got %q, want %q", what, got, want)
		}
	}
	for _, dir := range []string{worktree, odd, lines, shared, sparse, split} {
		repo{t, dir}.write("a.c", "not committed\n")
		if got, _ := r.subjects(dir, "base.."); !strings.HasPrefix(got, want+", not-c") {
			t.Errorf("%s: got %q, want a patch more", dir, got)
		}
	}
}

// For a clone that lacks the base, the message says what to fetch.
func TestRangeOfShallowClone(t *testing.T) {
	r := history(t)
	dir := filepath.Join(t.TempDir(), "shallow")
	r.git("clone", "-q", "--depth=2", "file://"+r.dir, dir)
	if got, _ := r.subjects(dir, "HEAD~1.."); got != "0001-a: change two lines" {
		t.Errorf("got %q", got)
	}
	_, _, err := LoadRange(t.Context(), host.Host{Report: new(hosttest.Steps)}, dir, "HEAD~2..")
	if err == nil || !strings.Contains(err.Error(), "HEAD~2 is no commit there: this clone is shallow; type \"git -C "+dir+" fetch --unshallow\"") {
		t.Errorf("got %v", err)
	}
}

// A commit is tested as everybody else gets it. Replacements and grafts of the user's clone
// are ignored, and that is reported.
func TestRangeWithReplacements(t *testing.T) {
	r := history(t)
	r.git("checkout", "-q", "-b", "other", "base")
	r.commit("a: Something else", map[int]string{7: "else\n"})
	r.git("checkout", "-q", "main")
	r.git("replace", "main~1", "other")
	got, said := r.subjects(r.dir, "base..main")
	if want := "0001-a: change one line, 0002-a: change two lines"; got != want || !said.Said("replaces or grafts commits") {
		t.Errorf("got %q, want %q; said %q", got, want, *said)
	}
	r.git("replace", "-d", r.git("rev-parse", "main~1"))
	grafts := r.git("rev-parse", "main") + " " + r.git("rev-parse", "base") + "\n"
	if err := os.WriteFile(filepath.Join(r.dir, ".git", "info", "grafts"), []byte(grafts), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, said := r.subjects(r.dir, "base..main"); strings.Count(got, ", ") != 1 || !said.Said("replaces or grafts commits") {
		t.Errorf("with a graft: got %q, said %q", got, *said)
	}
}

// A folder below the top of a git tree is refused, because its commits are those of the
// whole tree.
func TestRangeOfFolderBelow(t *testing.T) {
	r := history(t)
	below := filepath.Join(r.dir, "kernel")
	if err := os.Mkdir(below, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, _, err := LoadRange(t.Context(), host.Host{Report: new(hosttest.Steps)}, below, "base.."); blame.Of(err) != blame.User || !strings.Contains(err.Error(), "it is the folder kernel/ of a git tree") {
		t.Errorf("got %v", err)
	}
}

// No setting of the tree removes the prefixes of paths, or adds a Signed-off-by.
func TestRangeWithoutPrefix(t *testing.T) {
	r := history(t)
	for _, option := range []string{"diff.noprefix", "format.noprefix", "format.signOff", "diff.mnemonicPrefix"} {
		r.git("config", option, "true")
	}
	r.git("config", "diff.srcPrefix", "x/")
	r.write("a.c", "not committed\n")
	s, _, err := LoadRange(t.Context(), hosttest.New(t), r.dir, "base..")
	if err != nil || len(s.Patches) != 3 {
		t.Fatalf("got %d patches, %v", len(s.Patches), err)
	}
	for _, p := range s.Patches {
		if got := strings.Join(p.Touches(), " "); got != "a.c" || !strings.Contains(string(p.Text), "\n--- a/a.c\n+++ b/a.c\n") || strings.Contains(string(p.Text), "Signed-off-by") {
			t.Errorf("%s touches %s:\n%s", p.Name, got, p.Text)
		}
	}
}
