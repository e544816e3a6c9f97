// SPDX-License-Identifier: BSD-3-Clause

package verdict

// judgeSame checks that all boots are of one run, and that each is in the folder of its lane.
// A boot of another run of the same plan has evidence that does not contradict itself.
func judgeSame(lanes []LaneEvidence, f *findings) {
	var first *BootEvidence
	for _, l := range lanes {
		f.lane = l.Lane
		for _, b := range l.AllBoots() {
			if b.Boot == nil || b.Plan == nil {
				continue
			}
			if first == nil {
				first = &b
			}
			for _, c := range []struct{ what, got, want string }{
				{"lane", b.Boot.Lane, l.Lane},
				{"plan", b.Plan.ID, first.Plan.ID},
				{"key", b.Boot.Key, first.Boot.Key},
				{"build ID", b.Boot.BuildID, first.Boot.BuildID},
				{"SHA-256 of the .config", b.Boot.ConfigSHA256, first.Boot.ConfigSHA256},
				{"SHA-256 of vmlinux", b.Boot.VmlinuxSHA256, first.Boot.VmlinuxSHA256},
			} {
				if c.got != c.want {
					f.add(Unjudged, "a boot of another run: its %s is %q, that of the others is %q", c.what, c.got, c.want)
					break
				}
			}
		}
	}
	f.lane = ""
}
