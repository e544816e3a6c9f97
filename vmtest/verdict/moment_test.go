// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"testing"

	"timens-vmtest/internal/wire"
)

// What is the kernel's or the guest's fault names the test that was running, or else the one that was to run next.
func TestMoment(t *testing.T) {
	const end, startB, done = 4, 5, 9
	ended := func(reason string, records int) func(*Evidence) {
		return func(e *Evidence) {
			b := &e.Lanes[0].Boots[0]
			b.Exit.Reason, b.Records = reason, greenScript()[:records].bytes()
		}
	}
	tainted := func(record int) func(*Evidence) {
		return func(e *Evidence) {
			s := greenScript()
			for i := range s[record:] {
				s[record+i].Taint = ptr(taintWarn)
			}
			e.Lanes[0].Boots[0].Records = s.bytes()
		}
	}
	for name, tc := range map[string]struct {
		change         func(*Evidence)
		during, before string
	}{
		"a boot that hangs":        {ended(wire.BootTimeout, 0), "", "p.TestA"},
		"a boot that resets":       {ended(wire.EndedItself, 0), "", "p.TestA"},
		"a hang in a test":         {ended(wire.TestTimeout, end), "p.TestA", ""},
		"a hang between tests":     {ended(wire.Stalled, startB), "", "p.TestB"},
		"a hang after the tests":   {ended(wire.TestTimeout, done+1), "", ""},
		"a failure elsewhere":      {ended(wire.FailedFast, end), "", ""},
		"an interruption":          {ended(wire.Interrupted, end), "", ""},
		"taint while booting":      {tainted(0), "", "p.TestA"},
		"taint during a test":      {tainted(end), "p.TestA", ""},
		"taint between tests":      {tainted(startB), "", "p.TestB"},
		"taint after the last one": {tainted(done), "", ""},
	} {
		e := greenRun()
		tc.change(&e)
		if f := Judge(e).Findings[0]; f.Test != "" || f.During != tc.during || f.Before != tc.before {
			t.Errorf("%s: %q is about %q, during %q, before %q; want during %q, before %q", name, f.Text, f.Test, f.During, f.Before, tc.during, tc.before)
		}
	}
}
