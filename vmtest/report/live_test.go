// SPDX-License-Identifier: BSD-3-Clause

package report

import (
	"slices"
	"strings"
	"testing"
)

func TestLive(t *testing.T) {
	long := strings.Repeat("x", maxLive+10)
	for name, tc := range map[string]struct {
		output string
		want   []string
	}{
		"a test that logs": {
			"\x16=== RUN   TestA\n    a_test.go:1: one\n    a_test.go:2: two\n\x16--- PASS: TestA (0.00s)\n\x16=== NAME  \n\x16PASS\n",
			[]string{"    a_test.go:1: one", "    a_test.go:2: two", "--- PASS: TestA (0.00s)"},
		},
		"no end of a line before Go's": {"done\x16=== NAME  TestA\x16--- FAIL: TestA (0.00s)\n\x16FAIL\n", []string{"done", "--- FAIL: TestA (0.00s)"}},
		"says FAIL itself":             {"FAIL\n=== RUN\n", []string{"FAIL", "=== RUN"}},
		"steers the terminal":          {"a\x1b[2Jb\r\n\n", []string{"a[2Jb"}},
		"cut off":                      {"half a line", []string{"half a line"}},
		"longer than a line may be":    {long + "\nend\n", []string{long[:maxLive], long[maxLive:], "end"}},
		"nothing":                      {"", nil},
	} {
		for _, size := range []int{1, 7, len(tc.output) + 1} { // records cut an output anywhere
			var l Live
			var got []string
			for part := range slices.Chunk([]byte(tc.output), size) {
				got = append(got, l.Add(part)...)
			}
			got = append(got, l.Rest()...)
			if !slices.Equal(got, tc.want) || l.Rest() != nil {
				t.Errorf("%s, in parts of %d bytes: got %q, want %q", name, size, got, tc.want)
			}
		}
	}
}

// A very long line is shown in parts, before its end is printed.
func TestLiveDoesNotHoardOutput(t *testing.T) {
	var l Live
	if got := l.Add([]byte(strings.Repeat("x", 3*maxLive+1))); len(got) != 3 {
		t.Errorf("got %d lines, want 3", len(got))
	}
}
