// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"strings"
	"testing"

	"timens-vmtest/internal/wire"
)

// A test that the emulator has ended says nothing about the kernel. One that ends by itself, or by a trap that
// its flags allow, fails.
func TestJudgeEmulatorsTrap(t *testing.T) {
	const trapped = "SIGTRAP: trace trap\nPC=0x804b632 m=0 sigcode=2\n\ngoroutine 0:\neax    0x0\neflags 0xfffcffff\ncs     0x23\n"
	for name, tc := range map[string]struct {
		output string
		want   Verdict
	}{
		"as recorded":       {trapped, Unjudged},
		"within a test":     {"=== RUN   TestA\n" + trapped, Unjudged},
		"other flags":       {strings.Replace(trapped, "fffcffff", "fffcf76e", 1), Unjudged},
		"flags of a CPU":    {strings.Replace(trapped, "0xfffcffff", "0x346", 1), Failed},
		"bit 22 is zero":    {strings.Replace(trapped, "fffcffff", "ffbcffff", 1), Failed},
		"another signal":    {strings.Replace(trapped, "SIGTRAP: trace trap", "SIGSEGV: segmentation violation", 1), Failed},
		"words of a test":   {"    a_test.go:1: SIGTRAP: trace trap\n" + trapped[len("SIGTRAP: trace trap\n"):], Failed},
		"without registers": {trapped[:strings.Index(trapped, "eflags")], Failed},
	} {
		e, s := greenRun(), greenScript()
		s[3].Data, s[4].End = []byte(tc.output), &wire.End{Exit: 2}
		e.Lanes[0].Boots[0].Records = s.bytes()
		r := Judge(e)
		if r.Verdict != tc.want || len(r.Findings) != 1 || r.Findings[0].Test != testA.String() || r.Lanes[0].Tests[0].Status != Crash {
			t.Errorf("%s: got %v %v, want %v", name, r.Verdict, r.Findings, tc.want)
		}
	}
}
