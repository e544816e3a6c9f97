// SPDX-License-Identifier: BSD-3-Clause

package verdict

// moment says when something has happened to the kernel or the guest.
type moment struct {
	during string // package.Test that was running; "": none was
	before string // package.Test that was to run next, if none was running; "": all had run
}

// moment returns how far the tests had come at the end of the stream.
func (s stream) moment() moment {
	if s.running != nil {
		return moment{during: s.running.String()}
	}
	for _, t := range s.planned {
		if !s.tests[t.TestID].started {
			return moment{before: t.TestID.String()}
		}
	}
	return moment{}
}

// happened says when what the findings from index from on are about has happened. Findings that are nobody's to
// debug have no moment.
func (f *findings) happened(from int, m moment) {
	for i := range f.all[from:] {
		if one := &f.all[from+i]; one.Verdict == Failed {
			one.During, one.Before = m.during, m.before
		}
	}
}
