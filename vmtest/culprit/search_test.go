// SPDX-License-Identifier: BSD-3-Clause

package culprit

import (
	"strings"
	"testing"
)

// A command that reproduces a failure has one -run, wherever the night had one.
func TestWithRun(t *testing.T) {
	for command, want := range map[string]string{
		"bin/vmtest run -lane real":                  "bin/vmtest run -lane real -run X",
		"bin/vmtest run -run a.b -lane real":         "bin/vmtest run -lane real -run X",
		"bin/vmtest run --run=a.b -lane real -v":     "bin/vmtest run -lane real -v -run X",
		"bin/vmtest run -series run -run=y -patch p": "bin/vmtest run -series run -patch p -run X",
	} {
		if got := strings.Join(WithRun(strings.Fields(command), "X"), " "); got != want {
			t.Errorf("%s: got %s, want %s", command, got, want)
		}
	}
}
