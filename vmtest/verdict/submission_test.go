// SPDX-License-Identifier: BSD-3-Clause

package verdict

import "testing"

func TestSubmissionVerdict(t *testing.T) {
	cells := func(answers ...Answer) Matrix {
		m := Matrix{Steps: make([]string, len(answers))}
		p := CheckedPatch{}
		for _, a := range answers {
			p.Cells = append(p.Cells, Cell{Answer: a})
		}
		m.Patches = []CheckedPatch{p}
		return m
	}
	passed := Comparison{Verdict: Passed}
	counted := Result{Verdict: Passed}
	for name, tc := range map[string]struct {
		s    Submission
		want Verdict
	}{
		"all good":                 {Submission{Matrix: cells(Faultless, Exempt), Tests: passed, Coverage: counted}, Passed},
		"nothing":                  {Submission{}, Unjudged},
		"no steps":                 {Submission{Matrix: cells(), Tests: passed, Coverage: counted}, Unjudged},
		"a fault":                  {Submission{Matrix: cells(Faultless, Faulty, Unasked)}, Failed},
		"a fault, and tests too":   {Submission{Matrix: cells(Faulty, Faultless), Tests: passed, Coverage: counted}, Failed},
		"a cell was not asked":     {Submission{Matrix: cells(Faultless, Unasked), Tests: passed, Coverage: counted}, Unjudged},
		"tests did not run":        {Submission{Matrix: cells(Faultless), Coverage: counted}, Unjudged},
		"a regression":             {Submission{Matrix: cells(Faultless), Tests: Comparison{Verdict: Failed}, Coverage: counted}, Failed},
		"lines were not counted":   {Submission{Matrix: cells(Faultless), Tests: passed}, Unjudged},
		"no lines to be counted":   {Submission{Matrix: cells(Faultless), Tests: passed, Countless: true}, Passed},
		"coverage below its floor": {Submission{Matrix: cells(Faultless), Tests: passed, Coverage: Result{Verdict: Failed}}, Failed},
	} {
		if got := tc.s.Verdict(); got != tc.want {
			t.Errorf("%s: got %v, want %v", name, got, tc.want)
		}
	}
}
