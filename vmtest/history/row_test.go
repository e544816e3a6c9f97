// SPDX-License-Identifier: BSD-3-Clause

package history

import (
	"fmt"
	"slices"
	"testing"
)

// Rows has what changed, the most unsteady first. A cell that did not run or build is a change
// of the cell alone, and a test that changed in two cells alike is one row.
func TestRows(t *testing.T) {
	letters := map[byte]string{'P': "pass", 'F': "fail", '?': "missing"}
	nights := func(of map[string]string) History { // by "cell test", a letter for each night; 'b': the cell does not build, 'n': it does not run
		h := History{}
		for i := range 4 {
			n := Night{Name: fmt.Sprintf("2026-12-%02d", i+1)}
			for _, name := range []string{"a", "b"} {
				n.Plan.Cells = append(n.Plan.Cells, name)
				c := Cell{Name: name, Stage: StageTests, Verdict: "pass"}
				for _, test := range []string{"T", "U"} {
					switch l := of[name+" "+test][i]; l {
					case 'b':
						c.Stage, c.Verdict = StageBuild, "build"
					case 'n':
						c.Stage, c.Verdict = StageNone, "unjudged"
					case '-':
					default:
						c.Tests = append(c.Tests, Test{Name: test, Status: letters[l]})
					}
				}
				n.Cells = append(n.Cells, c)
			}
			h.Nights = append(h.Nights, n)
		}
		return h
	}
	h := nights(map[string]string{"a T": "PFPP", "a U": "PPPP", "b T": "PFPP", "b U": "PPbn"})
	var got []string
	for _, r := range h.Rows(4) {
		got = append(got, fmt.Sprint(r.Test, r.Cells, r.Outcomes, r.Changes))
	}
	want := []string{"T[a] [ok ok FAIL ok] 2", "[b] [did not run FAIL ok ok] 2", "T[b] [did not run did not run FAIL ok] 1"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	h = nights(map[string]string{"a T": "PPPF", "a U": "P?PP", "b T": "PPPF", "b U": "--PP"})
	got = nil
	for _, r := range h.Rows(3) {
		got = append(got, fmt.Sprint(r.Test, r.Cells, r.Outcomes, r.Changes))
	}
	want = []string{"T[a b] [FAIL ok ok] 1", "U[a] [ok ok did not run] 1"}
	if !slices.Equal(got, want) {
		t.Errorf("of three nights: got %q, want %q", got, want)
	}
}
