// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"slices"
	"testing"

	"timens-vmtest/internal/wire"
)

// harmed returns a run whose first test ended so.
func harmed(end wire.End, output string) Evidence {
	e := greenRun()
	s := greenScript()
	s[3].Data, s[4].End = []byte(output), &end
	e.Lanes[0].Boots[0].Records = s.bytes()
	return e
}

// A test that passes and hurts the guest fails the run, and is named.
func TestJudgeHarm(t *testing.T) {
	printk := wire.Sysctl{Name: "kernel/printk", Before: "7\t4\t1\t7\n", After: "1\t4\t1\t7\n"}
	stays := wire.Sysctl{Name: "kernel/x", Before: "0\n", After: "\x1b[31m\n", Stays: true}
	for name, tc := range map[string]struct {
		end    wire.End
		output string
		want   []string
	}{
		"sysctl":          {wire.End{Sysctls: []wire.Sysctl{printk}}, passLine(testA), []string{`p.TestA changed /proc/sys/kernel/printk from "7 4 1 7" to "1 4 1 7"; vmtest put it back`}},
		"sysctl for good": {wire.End{Sysctls: []wire.Sysctl{stays}}, passLine(testA), []string{`p.TestA changed /proc/sys/kernel/x from "0" to "\x1b[31m"; vmtest could not put it back, so later tests ran with another value`}},
		"process":         {wire.End{LeftProcesses: 1, LeftNames: []string{"p.test"}}, passLine(testA), []string{`p.TestA left a process running ("p.test"), killed by vmtest`}},
		"both": {wire.End{LeftProcesses: 12, LeftNames: []string{"a", "b"}, Sysctls: []wire.Sysctl{printk}}, passLine(testA), []string{
			`p.TestA left 12 processes running ("a", "b"), killed by vmtest`,
			`p.TestA changed /proc/sys/kernel/printk from "7 4 1 7" to "1 4 1 7"; vmtest put it back`,
		}},
		"failed, too": {wire.End{Exit: 1, LeftProcesses: 1, LeftNames: []string{"a"}}, string(resultLine("FAIL", testA)), []string{
			"p.TestA: fail, expected pass", `p.TestA left a process running ("a"), killed by vmtest`,
		}},
		"two sysctls": {wire.End{Sysctls: []wire.Sysctl{printk, {Name: "kernel/\x1b\"", Before: "0", After: "1"}}}, passLine(testA), []string{
			`p.TestA changed /proc/sys/kernel/printk from "7 4 1 7" to "1 4 1 7"; vmtest put it back`,
			`p.TestA changed /proc/sys/kernel/\x1b\" from "0" to "1"; vmtest put it back`,
		}},
		"skipped, too": {wire.End{LeftProcesses: 1, LeftNames: []string{"a"}}, string(resultLine("SKIP", testA)), []string{
			"p.TestA: skip, expected pass", `p.TestA left a process running ("a"), killed by vmtest`,
		}},
		// It had no chance to clean up.
		"killed":  {wire.End{Exit: -1, Signal: "SIGKILL", TimedOut: true, LeftProcesses: 1, LeftNames: []string{"a"}}, "", []string{"p.TestA: timeout (killed after its timeout), expected pass"}},
		"crashed": {wire.End{Exit: 2, Sysctls: []wire.Sysctl{printk}}, "panic\n", []string{"p.TestA: crash (it ended without one clear result), expected pass"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := Judge(harmed(tc.end, tc.output))
			var got []string
			for _, f := range r.Findings {
				got = append(got, f.Text)
				if f.Verdict != Failed || f.Test+f.During != testA.String() {
					t.Errorf("%q is %v of %q during %q, want a failure of %s", f.Text, f.Verdict, f.Test, f.During, testA)
				}
			}
			if r.Verdict != Failed || !slices.Equal(got, tc.want) {
				t.Errorf("got %v %q, want a failure with %q", r.Verdict, got, tc.want)
			}
			if b := r.Lanes[0].Tests[1]; b.Status != Pass {
				t.Errorf("the next test is %v, want a pass", b.Status)
			}
		})
	}
}
