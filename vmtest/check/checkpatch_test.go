// SPDX-License-Identifier: BSD-3-Clause

package check

import (
	"slices"
	"testing"
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
