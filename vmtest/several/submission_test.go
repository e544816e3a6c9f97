// SPDX-License-Identifier: BSD-3-Clause

package several

import (
	"testing"

	"timens-vmtest/vmtest/verdict"
)

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
	passed := verdict.Comparison{Verdict: verdict.Passed}
	counted := verdict.Result{Verdict: verdict.Passed}
	for name, tc := range map[string]struct {
		s    Submission
		want verdict.Verdict
	}{
		"all good":                 {Submission{Matrix: cells(Faultless, Exempt), Tests: passed, Coverage: counted}, verdict.Passed},
		"nothing":                  {Submission{}, verdict.Unjudged},
		"no steps":                 {Submission{Matrix: cells(), Tests: passed, Coverage: counted}, verdict.Unjudged},
		"a fault":                  {Submission{Matrix: cells(Faultless, Faulty, Unasked)}, verdict.Failed},
		"a fault, and tests too":   {Submission{Matrix: cells(Faulty, Faultless), Tests: passed, Coverage: counted}, verdict.Failed},
		"a cell was not asked":     {Submission{Matrix: cells(Faultless, Unasked), Tests: passed, Coverage: counted}, verdict.Unjudged},
		"tests did not run":        {Submission{Matrix: cells(Faultless), Coverage: counted}, verdict.Unjudged},
		"a regression":             {Submission{Matrix: cells(Faultless), Tests: verdict.Comparison{Verdict: verdict.Failed}, Coverage: counted}, verdict.Failed},
		"lines were not counted":   {Submission{Matrix: cells(Faultless), Tests: passed}, verdict.Unjudged},
		"no lines to be counted":   {Submission{Matrix: cells(Faultless), Tests: passed, Countless: true}, verdict.Passed},
		"coverage below its floor": {Submission{Matrix: cells(Faultless), Tests: passed, Coverage: verdict.Result{Verdict: verdict.Failed}}, verdict.Failed},
	} {
		if got := tc.s.Verdict(); got != tc.want {
			t.Errorf("%s: got %v, want %v", name, got, tc.want)
		}
	}
}
