// SPDX-License-Identifier: BSD-3-Clause

// Package hosttest makes hosts, folders and git trees for tests.
package hosttest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/ci"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/sandbox"
)

// New returns a host with an empty cache. Its reporter writes each step to the log of
// the test.
func New(t testing.TB) host.Host {
	return host.Host{Cache: cache.Cache{Dir: t.TempDir()}, Report: reporter{t}}
}

type reporter struct{ t testing.TB }

func (r reporter) Step(format string, args ...any) { r.t.Logf(format, args...) }
func (r reporter) Note(text string)                { r.t.Log(text) }
func (r reporter) Count(string, int, int, string)  {}

// Steps is a reporter that keeps the steps.
type Steps []string

// Step implements host.Reporter.
func (s *Steps) Step(format string, args ...any) { *s = append(*s, fmt.Sprintf(format, args...)) }

// Note implements host.Reporter.
func (s *Steps) Note(text string) { s.Step("%s", text) }

// Count implements host.Reporter.
func (s *Steps) Count(string, int, int, string) {}

// Said reports whether a step has this text in it.
func (s *Steps) Said(what string) bool { return strings.Contains(strings.Join(*s, "\n"), what) }

// Folder makes a temporary folder and returns its path. files has the texts of the
// files in it, by their paths relative to the folder.
func Folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Change is a diff of a file a.c.
const Change = `diff --git a/a.c b/a.c
--- a/a.c
+++ b/a.c
@@ -1,3 +1,3 @@ int main(void)
 one
-two
+TWO
 three
`

// GitTree makes a git tree with n commits, whose hashes are always the same. It returns the
// path, which ends in the name, and the hashes. Commit i, from 0, has the number i in a file n.
func GitTree(t testing.TB, name string, n int) (dir string, commits []string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), name)
	var stream strings.Builder
	for i := range n {
		text, subject := fmt.Sprintf("%d\n", i), fmt.Sprintf("%s: Do step %d\n", name, i)
		fmt.Fprintf(&stream, "commit refs/heads/main\ncommitter C <c@example.org> %d +0000\ndata %d\n%s", 1700000000+i, len(subject), subject)
		fmt.Fprintf(&stream, "M 100644 inline n\ndata %d\n%s\n", len(text), text)
	}
	git := func(stdin string, args ...string) string {
		cmd := exec.Command("git", args...)
		cmd.Dir, cmd.Stdin = dir, strings.NewReader(stdin)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("git %q: %v", args, err)
		}
		return string(out)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	git("", "init", "-q", "-b", "main")
	git(stream.String(), "fast-import", "--quiet")
	commits = strings.Fields(git("", "rev-list", "--reverse", "main"))
	if len(commits) != n {
		t.Fatalf("%d commits, want %d", len(commits), n)
	}
	return dir, commits
}

// CommitIn returns the number of the commit of a GitTree that is checked out in a folder.
func CommitIn(t testing.TB, folder string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "n"))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Main is the TestMain of a package whose tests run commands in the sandbox. It does
// not return.
func Main(m *testing.M) {
	if os.Args[0] == sandbox.Name {
		sandbox.Enter()
	}
	if err := cache.Buildable(os.TempDir()); err != nil { // the cache of a test is in t.TempDir
		fmt.Fprintf(os.Stderr, "the folder for temporary files: %v; set TMPDIR to another folder\n", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// NeedSandbox skips the test if this machine cannot make a sandbox. In continuous
// integration it fails the test.
func NeedSandbox(t testing.TB) {
	t.Helper()
	if err := sandbox.Try(t.Context()); err != nil {
		ci.Skip(t, "the sandbox", err)
	}
}

// Faults are commands for a recipe of a makefile, with the text that the error must
// have. Each command fails as if the host had no room, had no memory or had killed
// the compiler: the kernel is not to blame for it. PLACE stands for the folder where
// make writes.
var Faults = map[string]string{
	`echo "/tmp/ccX.s: No space left on device" >&2; exit 1`:                    "make in /tmp/ccX.s: no space left on device",
	`echo "as: can't write to section: 'No space left on device'" >&2; exit 1`:  "PLACE: no space left on device",
	`echo "sed: write error: Disk quota exceeded" >&2; exit 1`:                  "PLACE: disk quota exceeded",
	`echo "gcc: fatal error: Killed signal terminated program cc1" >&2; exit 1`: "Killed signal terminated program cc1; free some memory",
	`echo "cc1: out of memory: Cannot allocate memory" >&2; exit 1`:             "no memory left",
	`kill -9 $$PPID`: "make did not run to its end: signal: killed",
}

// Blames fails the test unless the error contains want and blames the host. what
// names the case in the message.
func Blames(t testing.TB, what string, err error, want string) {
	t.Helper()
	if err == nil || blame.Of(err) != blame.Host || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: got %v, want %q and the host to blame", what, err, want)
	}
}
