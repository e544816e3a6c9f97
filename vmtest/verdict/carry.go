// SPDX-License-Identifier: BSD-3-Clause

package verdict

import "timens-vmtest/internal/wire"

// judgeGiven checks that a later guest was given the files that the guests before it left,
// and that any other guest was given none.
func (b boots) judgeGiven(boot wire.Boot, f *findings) {
	want := ""
	if boot.From >= b.plan.Later() {
		want = b.left.Digest()
	}
	if boot.Carried != want {
		f.add(Unjudged, "the guest was given the files %q, but earlier tests left %q", boot.Carried, want)
	}
}

// judgeCarried checks that the tests for a later guest had one, and that files were left
// for them. from is the test with which the next boot would begin.
func (b boots) judgeCarried(from int, f *findings) {
	later := b.plan.Later()
	if from == later && later < len(b.plan.Tests) {
		f.add(Unjudged, "no later guest was booted for %s", b.plan.Tests[later].TestID)
	}
	for _, t := range b.plan.Tests[later:] {
		if _, ran := b.tests[t.TestID]; ran && len(b.left.Of(t.Before())) == 0 {
			f.add(Failed, "%s ran, but %s had left nothing for it", t.TestID, t.Before())
		}
	}
}
