// SPDX-License-Identifier: BSD-3-Clause

// Package hosttest makes hosts and folders for tests.
package hosttest

import (
	"fmt"
	"os"
	"path/filepath"
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
func (r reporter) Count(string, int, int, string)  {}

// Steps is a reporter that keeps the steps.
type Steps []string

// Step implements host.Reporter.
func (s *Steps) Step(format string, args ...any) { *s = append(*s, fmt.Sprintf(format, args...)) }

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
