// SPDX-License-Identifier: BSD-3-Clause

package verdict

import "timens-vmtest/internal/wire"

// judgeGiven makes sure that a guest was given what those before it have left,
// if it is a later one, and nothing otherwise.
func (b boots) judgeGiven(boot wire.Boot, f *findings) {
	want := ""
	if boot.From >= b.plan.Later() {
		want = b.left.Digest()
	}
	if boot.Carried != want {
		f.add(Unjudged, "the files that it was given are %q, and those that tests before have left %q", boot.Carried, want)
	}
}

// judgeCarried makes sure that the tests for a later guest had one, and found
// what they came for. From is the test that the last boot has left to another.
func (b boots) judgeCarried(from int, f *findings) {
	later := b.plan.Later()
	if from == later && later < len(b.plan.Tests) {
		f.add(Unjudged, "no later guest was booted for %s", b.plan.Tests[later].TestID)
	}
	for _, t := range b.plan.Tests[later:] {
		if _, ran := b.tests[t.TestID]; ran && len(b.left.Of(t.Before())) == 0 {
			f.add(Failed, "%s came after %s, which had left nothing", t.TestID, t.Before())
		}
	}
}
