// SPDX-License-Identifier: BSD-3-Clause

package check

import (
	"os/exec"
	"slices"
	"testing"

	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/kernel/kerneltest"
	"timens-vmtest/kernel/patch"
)

// A complaint has a place that an editor finds in the tree. A complaint without a place
// gets none.
func TestParseComplaints(t *testing.T) {
	got := parseComplaints(`:38: WARNING:COMMIT_LOG_LONG_LINE: Prefer a maximum 75 chars per line
kernel/fork.c:3025: ERROR:TRAILING_WHITESPACE: trailing whitespace
kernel/fork.c:4000: ERROR:MISSING_SIGN_OFF: Missing Signed-off-by: line(s)
`)
	want := []complaint{
		{"COMMIT_LOG_LONG_LINE", "changelog: WARNING:COMMIT_LOG_LONG_LINE: Prefer a maximum 75 chars per line"},
		{"TRAILING_WHITESPACE", "kernel/fork.c:3025: ERROR:TRAILING_WHITESPACE: trailing whitespace"},
		{"MISSING_SIGN_OFF", "changelog: ERROR:MISSING_SIGN_OFF: Missing Signed-off-by: line(s)"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Without a history, checkpatch knows no commit. It is asked about commits only where there is one.
func TestCheckpatchAsksHistory(t *testing.T) {
	hosttest.NeedSandbox(t)
	const asked = "print 'a.c:1: WARNING:UNKNOWN_COMMIT_ID: unknown', \"\\n\" and exit 1 unless grep { $_ eq '--ignore=UNKNOWN_COMMIT_ID' } @ARGV;\n"
	for _, history := range []bool{false, true} {
		w := kerneltest.New(t, map[string]string{"a.c": "int a;\n", "scripts/checkpatch.pl": asked})
		if history {
			if out, err := exec.Command("git", "init", "-q", w.Base.Dir).CombinedOutput(); err != nil {
				t.Fatalf("git init: %v: %s", err, out)
			}
		}
		p, err := patch.Parse("x.patch", []byte("diff --git a/a.c b/a.c\n--- a/a.c\n+++ b/a.c\n@@ -1 +1 @@\n-int a;\n+int b;\n"))
		if err != nil {
			t.Fatal(err)
		}
		found, err := runCheckpatch(t.Context(), w.Host.Sandbox, w.Base, p)
		if err != nil || len(found) > 0 != history {
			t.Errorf("with a history %t: %v, %v", history, found, err)
		}
	}
}
