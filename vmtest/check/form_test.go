// SPDX-License-Identifier: BSD-3-Clause

package check

import (
	"slices"
	"testing"
)

func TestPrefixFault(t *testing.T) {
	log := []string{
		"fork: Do", "fork: Do", "kernel/fork: Do", "clone: Do", "clone: Do", "clone: Do",
		"Merge of nothing", `Revert "odd: Do"`,
	}
	const fault = `the subject begins with "timens:"; no subject in git log of these files does; usual are "clone:" (3 times), "fork:" (2 times), "kernel/fork:" (1 times)`
	for _, tc := range []struct {
		subject string
		log     []string
		want    string
	}{
		{"timens: Do", log, fault},
		{"fork: Do", log, ""},
		{"Fork/exec: Do", log, ""},
		{"fork, exec: Do", log, ""},
		{"odd: Do", log, `the subject begins with "odd:"; no subject in git log of these files does; usual are "clone:" (3 times), "fork:" (2 times), "kernel/fork:" (1 times)`},
		{"Do", log, ""},                  // another complaint
		{`Revert "timens: Do"`, log, ""}, // git writes this subject
		{"timens: Do", log[:4], ""},      // the log is too short
		{"timens: Do", nil, ""},
		{"timens: Do", append(slices.Clone(log), "timens/vdso: Do"), ""},
	} {
		if got := prefixFault(tc.subject, tc.log); got != tc.want {
			t.Errorf("%s after %q: got %q, want %q", tc.subject, tc.log, got, tc.want)
		}
	}
}
