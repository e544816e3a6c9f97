// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"fmt"
	"slices"

	"timens-vmtest/internal/wire"
)

// Exceptions returns the lines of a run's allow and expect files, without their reasons, and
// whether the run needed each: whether it had such a splat, or a test with such a status. It
// leaves out lines for tests that the run did not have, and lines that say "pass" of its kernel.
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
	on := r.Run.expects(expect)
	for i, x := range expect {
		if on[i].Status == Pass && !on[i].Open {
			continue
		}
		says := x.Status.String()
		if x.Later != Missing && x.Later != Pass {
			says += "-" + x.Later.String()
		}
		line := fmt.Sprintf("%s %s %s %s", ExpectFile, says, x.Package, x.Name)
		for _, l := range r.Lanes {
			for _, t := range l.Tests {
				if t.TestID != x.TestID && t.TestID != (wire.TestID{Package: x.Package + wire.I386, Name: x.Name}) {
					continue
				}
				needed[line] = needed[line] || t.Status != Pass && t.Status != Missing && (t.Status == x.Status || t.Status == x.Later)
			}
		}
	}
	return needed
}
