// SPDX-License-Identifier: BSD-3-Clause

package culprit

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/vmtest/history"
)

// A kernel that does not build on the way is skipped, and the answer says so.
func TestBisectSkips(t *testing.T) {
	dir, commits := hosttest.GitTree(t, "linux", 50)
	for name, tc := range map[string]struct {
		skip func(int) bool
		want string
	}{
		"one at the side":     {func(n int) bool { return n == 20 }, "commit " + commits[27][:12] + ` ("linux: Do step 27")`},
		"those before it":     {func(n int) bool { return n == 26 || n == 25 }, "commit " + commits[27][:12] + ` ("linux: Do step 27"), or one of 2 before it that could not be tried`},
		"that which broke it": {func(n int) bool { return n == 27 }, "commit " + commits[28][:12] + ` ("linux: Do step 28"), or one of 1 before it that could not be tried`},
		"all between":         {func(n int) bool { return n > 0 && n < 49 }, "commit " + commits[49][:12] + ` ("linux: Do step 49"), or one of 48 before it that could not be tried`},
	} {
		clone := filepath.Join(t.TempDir(), "clone")
		b := bisection{repo: dir, clone: clone, good: commits[0], bad: commits[49]}
		found, err := b.run(t.Context(), func(context.Context) (history.Outcome, error) {
			switch n := hosttest.CommitIn(t, clone); {
			case tc.skip(n):
				return history.NoVerdict, nil
			case n >= 27:
				return history.Bad, nil
			}
			return history.Good, nil
		})
		if err != nil || found.String() != tc.want {
			t.Errorf("%s: got %v, %s, want %s", name, err, found, tc.want)
		}
	}
}

// The tree that is bisected is as it was.
func TestBisectLeavesTheTree(t *testing.T) {
	dir, commits := hosttest.GitTree(t, "linux", 10)
	list := func() string {
		var all []string
		entries, err := os.ReadDir(filepath.Join(dir, ".git"))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			all = append(all, e.Name())
		}
		return strings.Join(all, " ")
	}
	before := list()
	clone := filepath.Join(t.TempDir(), "clone")
	b := bisection{repo: dir, clone: clone, good: commits[0], bad: commits[9]}
	if _, err := b.run(t.Context(), func(context.Context) (history.Outcome, error) { return history.Bad, nil }); err != nil {
		t.Fatal(err)
	}
	if after := list(); after != before {
		t.Errorf("before there was %s, after %s", before, after)
	}
}
