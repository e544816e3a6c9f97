// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"fmt"
	"slices"

	"timens-vmtest/internal/wire"
)

// Exceptions returns the lines of a run's allow and expect files, without their reasons, and
// whether the run needed each: whether it had such a splat, or a test with such a status. It
// leaves out lines for tests that the run did not have, and lines that say "pass".
func Exceptions(e Evidence, r Result) map[string]bool {
	needed := make(map[string]bool)
	allow, err := ParseAllow(e.Allow)
	expect, xerr := ParseExpect(e.Expect)
	if err != nil || xerr != nil || len(r.Lanes) == 0 {
		return nil // the judge says it
	}
	for _, a := range allow {
		needed[AllowFile+" "+a.Pattern.String()] = slices.ContainsFunc(r.Lanes, func(l LaneResult) bool {
			return slices.ContainsFunc(l.Splats, func(s Splat) bool { return a.Pattern.MatchString(s.Text) })
		})
	}
	for _, x := range expect {
		if x.Status == Pass {
			continue
		}
		for _, l := range r.Lanes {
			for _, t := range l.Tests {
				if t.TestID != x.TestID && t.TestID != (wire.TestID{Package: x.Package + wire.I386, Name: x.Name}) {
					continue
				}
				line := fmt.Sprintf("%s %s %s %s", ExpectFile, x.Status, x.Package, x.Name)
				needed[line] = needed[line] || t.Status == x.Status
			}
		}
	}
	return needed
}
