// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"slices"
	"strings"
	"testing"
)

// The line of a patch that is nearest to the top frame is named, with the patch. A frame in a file
// that the series does not change is passed over, and so is a line that is far away.
func TestNearestAdded(t *testing.T) {
	added := []Added{
		{"kernel/time/namespace.c", 100, "\tns->offsets = *offsets;", "0001-a.patch", "timens: Take offsets"},
		{"kernel/time/namespace.c", 140, "\treturn ns;", "0002-b.patch", ""},
		{"a.c", 1, "\t" + strings.Repeat("a long line ", 40) + "b", "0003-c.patch", ""},
		{"kernel/fork.c", 2000, "\targs.x = 1;", "0001-a.patch", "timens: Take offsets"},
	}
	const rip = "RIP: 0010:copy_time_ns+0x2a/0x1c0 (kernel/time/namespace.c:103)"
	for name, tc := range map[string]struct {
		splat []string
		want  string
	}{
		"a few lines off": {[]string{"BUG: kernel NULL pointer dereference", rip, "Call Trace:", " create_new_namespaces+0x1/0x2 (kernel/nsproxy.c:100)"},
			"copy_time_ns (kernel/time/namespace.c:103) is 3 lines from kernel/time/namespace.c:100, which 0001-a.patch (timens: Take offsets) adds: ns->offsets = *offsets;"},
		"the line itself": {[]string{"RIP: 0010:x+0x2a/0x1c0 (kernel/time/namespace.c:140)"},
			"x (kernel/time/namespace.c:140) is the line kernel/time/namespace.c:140, which 0002-b.patch adds: return ns;"},
		"further out": {[]string{"RIP: 0010:memcpy+0x2a/0x1c0 (lib/string.c:1)", "Call Trace:", " <TASK>", " ? other+0x1/0x2 (kernel/time/namespace.c:100)", " copy_process+0x1/0x2 (kernel/fork.c:1999)"},
			"copy_process (kernel/fork.c:1999) is 1 line from kernel/fork.c:2000, which 0001-a.patch (timens: Take offsets) adds: args.x = 1;"},
		"inlined": {[]string{" x+0x1/0x2 (kernel/time/offsets.h:5, inlined at kernel/time/namespace.c:141)"},
			"x (kernel/time/namespace.c:141) is 1 line from kernel/time/namespace.c:140, which 0002-b.patch adds: return ns;"},
		"first of two that are as near": {[]string{" x+0x1/0x2 (kernel/time/namespace.c:120)"},
			"x (kernel/time/namespace.c:120) is 20 lines from kernel/time/namespace.c:100, which 0001-a.patch (timens: Take offsets) adds: ns->offsets = *offsets;"},
		"just near enough": {[]string{" x+0x1/0x2 (kernel/fork.c:1800)"},
			"x (kernel/fork.c:1800) is 200 lines from kernel/fork.c:2000, which 0001-a.patch (timens: Take offsets) adds: args.x = 1;"},
		"just too far": {[]string{" x+0x1/0x2 (kernel/fork.c:1799)"}, ""},
		"the twelfth frame": {append(slices.Repeat([]string{" y+0x1/0x2 (lib/a.c:1)"}, 11), " x+0x1/0x2 (kernel/fork.c:2000)"),
			"x (kernel/fork.c:2000) is the line kernel/fork.c:2000, which 0001-a.patch (timens: Take offsets) adds: args.x = 1;"},
		"the thirteenth frame": {append(slices.Repeat([]string{" y+0x1/0x2 (lib/a.c:1)"}, 12), " x+0x1/0x2 (kernel/fork.c:2000)"), ""},
		"behind frames without lines": {append(slices.Repeat([]string{" y+0x1/0x2", " ? z+0x1/0x2 (lib/a.c:1)"}, 20), " x+0x1/0x2 (kernel/fork.c:2000)"),
			"x (kernel/fork.c:2000) is the line kernel/fork.c:2000, which 0001-a.patch (timens: Take offsets) adds: args.x = 1;"},
		"a number that is none": {[]string{" x+0x1/0x2 (lib/a.c:99999999999999999999, inlined at kernel/fork.c:2000)"},
			"x (kernel/fork.c:2000) is the line kernel/fork.c:2000, which 0001-a.patch (timens: Take offsets) adds: args.x = 1;"},
		"a long line":     {[]string{" x+0x1/0x2 (a.c:1)"}, "x (a.c:1) is the line a.c:1, which 0003-c.patch adds: " + short(strings.Repeat("a long line ", 40)+"b")},
		"far away":        {[]string{" x+0x1/0x2 (kernel/fork.c:100)"}, ""},
		"no source lines": {[]string{"RIP: 0010:copy_time_ns+0x2a/0x1c0"}, ""},
	} {
		if got := nearestAdded(tc.splat, added); got != tc.want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, tc.want)
		}
	}
}
