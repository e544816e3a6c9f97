// SPDX-License-Identifier: BSD-3-Clause

package report

import (
	"fmt"
	"strings"

	"timens-vmtest/vmtest/verdict"
)

// maxChanged is how many names of functions that have changed are shown.
const maxChanged = 5

// orderLines says which tests came first and why, and which test of the order was the first
// that is not as expected. It returns nothing for tests in the order of their sources.
func orderLines(r verdict.Result) []string {
	o := r.Run.Order
	if o == nil {
		return nil
	}
	why := fmt.Sprintf("what differs from the kernel of %s that passed in the run of %s", o.Series, o.Passed)
	if o.Passed == "" {
		why = "what is suspected"
	}
	lines := []string{fmt.Sprintf("%s first, because of %s: %s", plural(o.First, "test"), why, shortList(o.Changed, maxChanged))}
	for _, l := range r.Lanes {
		for i, t := range l.Tests {
			if !t.AsExpected() && t.Status != verdict.Missing {
				lines = append(lines, fmt.Sprintf("the first red in the lane %s is test %d of %d: %s", l.Lane, i+1, len(l.Tests), t.TestID))
				break
			}
		}
	}
	return lines
}

// plural returns a number with its noun.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// shortList lists at most n names.
func shortList(names []string, n int) string {
	if len(names) <= n {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:n], ", "), len(names)-n)
}
