// SPDX-License-Identifier: BSD-3-Clause

package uinit

import (
	"strings"
	"testing"

	"timens-vmtest/internal/wire"
)

// A long trace keeps its last whole lines, and says that the others are left out. Functions that
// were asked for and cannot be traced are named.
func TestRingShown(t *testing.T) {
	const line = "  0)   1.0 us    |  copy_time_ns();\n"
	long := strings.Repeat(line, 2*wire.TraceLimit/len(line))
	for name, tc := range map[string]struct {
		r          ring
		text       string
		head, tail string
		most       int
	}{
		"short":   {ring{}, line, line, line, len(line)},
		"long":    {ring{}, long + "end\n", "# vmtest: the beginning is left out\n" + line, line + "end\n", wire.TraceLimit + 100},
		"refused": {ring{refused: []string{"a", "b"}}, line, "# vmtest: the kernel cannot trace a, b\n" + line, line, len(line) + 100},
	} {
		got := string(tc.r.shown([]byte(tc.text)))
		if !strings.HasPrefix(got, tc.head) || !strings.HasSuffix(got, tc.tail) || len(got) > tc.most {
			t.Errorf("%s: got %d bytes, %.120q ... %q", name, len(got), got, got[max(0, len(got)-60):])
		}
	}
}
