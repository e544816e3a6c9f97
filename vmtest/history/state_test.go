// SPDX-License-Identifier: BSD-3-Clause

package history

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// nightName is the name of a night, counted from 0.
func nightName(i int) string { return fmt.Sprintf("2026-%02d-%02d", 1+i/28, 1+i%28) }

// told makes a history of one cell with a test T and a test Other that always passes. One
// letter is a night: g good, b bad, m missing, x the cell did not run, r its turn is another
// night, - there is no test T, k the kernel does not build, ! the cell is planned no more.
func told(letters string) History {
	var h History
	for i, letter := range letters {
		name := nightName(i)
		plan, c := Plan{Cells: []string{"c"}}, &Cell{Name: "c", Stage: StageTests, Verdict: "pass"}
		test := Test{Name: "T", Status: "pass"}
		switch letter {
		case 'b':
			test.Status, c.Verdict = "fail", "fail"
		case 'm':
			test.Status, c.Verdict = "missing", "unjudged"
		case 'x':
			c.Stage, c.Verdict, c.Trouble = StageNone, "unjudged", "no space left on device"
		case 'k':
			c.Stage, c.Verdict = StageBuild, "build"
		case 'r':
			plan, c = Plan{Resting: []string{"c"}}, nil
		case '!':
			plan, c = Plan{}, nil
		}
		h.add(Line{Night: name, Plan: &plan})
		if c == nil {
			continue
		}
		if c.Stage == StageTests {
			c.Tests = []Test{{Name: "Other", Status: "pass"}, test}
			if letter == '-' {
				c.Tests = c.Tests[:1]
			}
		}
		h.add(Line{Night: name, Cell: c})
	}
	return h
}

// letters of the kinds; a capital letter is news.
var kindLetters = map[Kind]string{DidNotRun: "d", NewFailure: "n", FailingSince: "s", Unstable: "u", Fixed: "f", NewTest: "t", Gone: "o", Steady: "."}

// walk returns a letter for what a subject is in each night.
func walk(h History, test string) string {
	var all strings.Builder
	for _, n := range h.Nights {
		states := h.States(n.Name)
		i := slices.IndexFunc(states, func(s State) bool { return s.Cell == "c" && s.Test == test })
		switch {
		case i < 0:
			all.WriteString(" ")
		case states[i].News:
			all.WriteString(strings.ToUpper(kindLetters[states[i].Kind]))
		default:
			all.WriteString(kindLetters[states[i].Kind])
		}
	}
	return all.String()
}

func TestKinds(t *testing.T) {
	for _, tc := range []struct{ nights, test, cell, why string }{
		{"ggggg", ".....", ".....", "nothing is new in the first night of all"},
		{"gggbbb", "...Nss", "......", "a regression"},
		{"gggbbbg", "...NssU", ".......", "two changes without evidence of reruns"},
		{"bbbggg", "NssF..", "......", "fixed"},
		{"gggbggg", "...NUuu", ".......", "a flake"},
		{"gbgggggggggggggg" + "ggb", ".NUuuuuuuuuuuuuu" + "..N", "...................", "a flake counts for 15 nights"},
		{"gggxggg", "...d...", "...D...", "a night without a run changes nothing"},
		{"gggxxg", "...dd.", "...Dd.", "and is news once"},
		{"ggbxbb", "..Ndss", "...D..", "nor does it within a failure"},
		{"gggmggg", "...d...", "...D...", "one night without a verdict"},
		{"gggmgmggg", "...d.dUuu", "...D.DUuu", "two nights without a verdict"},
		{"gggmm", "...dd", "...Dd", "no verdict is never green"},
		{"--g--", "  TOo", ".....", "a test comes and goes"},
		{"--bb", "  Ns", "....", "a new test that fails"},
		{"ggkkg", "..dd.", "..NsF", "the kernel does not build"},
		{"gg!!", "..oo", "..Oo", "a cell goes"},
		{"grrrbrrrb", "....Nssss", ".........", "in rotation"},
		{"rrg", "  .", "  .", "its first turn"},
		{"g" + strings.Repeat("!", 20), "." + strings.Repeat("o", 15) + "     ", ".O" + strings.Repeat("o", 14) + "     ", "gone for long"},
	} {
		h := told(tc.nights)
		if got := walk(h, "T"); got != tc.test {
			t.Errorf("%s: the test in %q: got %q, want %q", tc.why, tc.nights, got, tc.test)
		}
		if got := walk(h, ""); got != tc.cell {
			t.Errorf("%s: the cell in %q: got %q, want %q", tc.why, tc.nights, got, tc.cell)
		}
		if got := walk(h, "Other"); strings.ContainsAny(got, "NSUFTDO") {
			t.Errorf("%s: the other test in %q: got %q, want no news", tc.why, tc.nights, got)
		}
	}
}

// Reruns tell a regression from a flake in its first night, and keep the two ends of a
// regression from looking like a flake.
func TestReruns(t *testing.T) {
	for _, tc := range []struct {
		nights      string
		here, there Tries
		want        string
	}{
		{"gggbbbggg", Tries{5, 5}, Tries{5, 0}, "...NssF.."},
		{"gggbbbggg", Tries{5, 5}, Tries{5, 5}, "...NssF.."},
		{"gggbbbggg", Tries{5, 5}, Tries{}, "...NssF.."},
		{"gggbbbggg", Tries{5, 2}, Tries{5, 0}, "...Uuuuuu"},
		{"gggbbbggg", Tries{5, 5}, Tries{5, 1}, "...Uuuuuu"},
		{"gggbbbggg", Tries{5, 0}, Tries{5, 0}, "...Uuuuuu"},
		{"gggbbbggg", Tries{}, Tries{}, "...NssUuu"},
	} {
		h := told(tc.nights)
		h.add(Line{Night: nightName(3), Finding: &Finding{Cell: "c", Test: "T", FirstBad: nightName(3), LastGood: nightName(2), Here: tc.here, There: tc.there}})
		if got := walk(h, "T"); got != tc.want {
			t.Errorf("%v here and %v there: got %q, want %q", tc.here, tc.there, got, tc.want)
		}
	}
}

func TestSince(t *testing.T) {
	h := told("ggxbbxb")
	s := h.States(nightName(6))[2]
	if s.Test != "T" || s.Since != nightName(3) || s.LastGood != nightName(1) || s.Kind != FailingSince {
		t.Errorf("got %+v, want failing since %s, last good %s", s, nightName(3), nightName(1))
	}
	if s := told("ggx").States(nightName(2))[2]; s.Kind != DidNotRun || s.Since != nightName(2) || s.LastGood != nightName(1) {
		t.Errorf("got %+v, want it without a run since %s, last good %s", s, nightName(2), nightName(1))
	}
	if s := h.States("2001-01-01"); s != nil {
		t.Errorf("a night that is not there has the states %v", s)
	}
}

// A cell fails as a whole by what is against it beside its tests.
func TestCellFaults(t *testing.T) {
	h := told("gg")
	h.Nights[1].Cells[0].Faults, h.Nights[1].Cells[0].Verdict = []string{"WARNING: in TestX"}, "fail"
	if got := walk(h, ""); got != ".N" {
		t.Errorf("got %q, want a new failure", got)
	}
}

func TestMissed(t *testing.T) {
	var h History
	for _, name := range []string{"2026-02-26", "2026-03-01", "2026-03-01.2", "2026-03-02"} {
		h.add(Line{Night: name, Plan: &Plan{}})
	}
	for night, want := range map[string]string{"2026-02-26": "[]", "2026-03-01": "[2026-02-27 2026-02-28]", "2026-03-01.2": "[]", "2026-03-02": "[]", "2026-04-01": "[]"} {
		if got := fmt.Sprint(h.Missed(night)); got != want {
			t.Errorf("before %s: got %s, want %s", night, got, want)
		}
	}
}

// largeHistory has what a year of a small farm has: 32 cells with 400 tests each, of which one in
// a hundred changes from night to night, and a finding for each cell and night.
func largeHistory(nights int) History {
	var h History
	for i := range nights {
		n := Night{Name: nightName(i)}
		for c := range 32 {
			cell := Cell{Name: fmt.Sprintf("6.12/series/default/%d", c), Stage: StageTests, Verdict: "pass"}
			for t := range 400 {
				test := Test{Name: fmt.Sprintf("timens.TestNumber%d", t), Status: "pass"}
				if t%100 == 0 && i%2 == 1 {
					test.Status = "fail"
				}
				cell.Tests = append(cell.Tests, test)
			}
			n.Cells, n.Plan.Cells = append(n.Cells, cell), append(n.Plan.Cells, cell.Name)
			n.Findings = append(n.Findings, Finding{Cell: cell.Name, Test: "timens.TestNumber0", FirstBad: n.Name})
		}
		h.Nights = append(h.Nights, n)
	}
	return h
}

// BenchmarkStates measures the states of a large history beside the floor: each test of each
// night is looked at once, and what became of it is kept by its name.
func BenchmarkStates(b *testing.B) {
	h := largeHistory(60)
	last := h.Nights[len(h.Nights)-1].Name
	b.Run("States", func(b *testing.B) {
		for b.Loop() {
			if n := len(h.States(last)); n != 32*401 {
				b.Fatalf("%d states", n)
			}
		}
	})
	b.Run("floor", func(b *testing.B) {
		for b.Loop() {
			all := make(map[subject][]Outcome)
			for _, n := range h.Nights {
				for _, c := range n.Cells {
					for _, t := range c.Tests {
						s := subject{c.Name, t.Name}
						all[s] = append(all[s], t.outcome(true))
					}
				}
			}
			if len(all) != 32*400 {
				b.Fatalf("%d tests", len(all))
			}
		}
	})
}
