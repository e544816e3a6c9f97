// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"timens-vmtest/internal/wire"
)

func TestParseFloor(t *testing.T) {
	for _, tc := range []struct {
		text  string
		want  Floor
		wrong string // part of the error
	}{
		{text: "85 # the rest needs an allocation to fail\n", want: Floor{85, "the rest needs an allocation to fail"}},
		{text: "# a comment\n\n100 # all of it\n", want: Floor{100, "all of it"}},
		{text: "0 # headers only", want: Floor{0, "headers only"}},
		{text: "85\n", wrong: `coverage:1: a floor of 85 % has no reason; write it behind "#": the line is not "PERCENT # reason"`},
		{text: "85 #\n", wrong: "no reason"},
		{text: "101 # x\n", wrong: `coverage:1: "101 # x" is not`},
		{text: "-1 # x\n", wrong: "is not"},
		{text: "\nmost # x\n", wrong: "coverage:2"},
		{text: "80 # x\n90 # y\n", wrong: "coverage:2: there is a floor already"},
		{text: "\n", wrong: "coverage: the file has no floor; remove it to use the default of 90 %"},
	} {
		got, err := ParseFloor([]byte(tc.text))
		switch {
		case tc.wrong == "" && (err != nil || got != tc.want):
			t.Errorf("%q: got %v, %v, want %v", tc.text, got, err, tc.want)
		case tc.wrong != "" && (err == nil || !strings.Contains(err.Error(), tc.wrong)):
			t.Errorf("%q: got %v, %v, want an error with %q", tc.text, got, err, tc.wrong)
		}
	}
	if got, err := ParseFloor(nil); err != nil || got.Percent != DefaultFloor {
		t.Errorf("no file: got %v, %v, want %d", got, err, DefaultFloor)
	}
}

// measured returns coverage of ran lines that ran, missing lines that did not, and one that
// cannot be counted.
func measured(ran, missing int) *Coverage {
	f := CoveredFile{Path: "kernel/fork.c", Lines: []CoveredLine{
		{Op: " ", N: 1, Text: "{"}, {Op: "-", Text: "\told();"}, {Op: "+", N: 2, Text: "\t/* new */", Uncounted: "comment"},
	}}
	for range ran {
		f.Lines = append(f.Lines, CoveredLine{Op: "+", N: 3 + len(f.Lines), Text: "\tnew();", Count: 7, Tests: []int{1}})
	}
	for range missing {
		f.Lines = append(f.Lines, CoveredLine{Op: "+", N: 3 + len(f.Lines), Text: "\treturn -EFAULT;"})
	}
	return &Coverage{Tests: []string{"p.TestA", "p.TestB"}, Files: []CoveredFile{f}}
}

// notBuilt returns coverage of a line in a file that the configuration does not build.
func notBuilt() *Coverage {
	c := measured(0, 1)
	c.Files[0].Lines[3].Uncounted = "not built"
	return c
}

func TestJudgeCoverage(t *testing.T) {
	var said sayings
	cases := map[string]struct {
		change func(*Evidence)
		want   Verdict
		says   string
	}{
		"all of it":                 {func(e *Evidence) { e.Coverage = measured(43, 0) }, Passed, ""},
		"at the floor":              {func(e *Evidence) { e.Coverage = measured(9, 1) }, Passed, ""},
		"below":                     {func(e *Evidence) { e.Coverage = measured(8, 1) }, Failed, "coverage: 8 of 9 changed lines executed (88 %), but the floor is 90 %"},
		"floor of its own":          {func(e *Evidence) { e.Coverage, e.Floor = measured(8, 1), []byte("88 # it is hard") }, Passed, ""},
		"below its own":             {func(e *Evidence) { e.Coverage, e.Floor = measured(8, 1), []byte("89 # it is hard") }, Failed, "the floor is 89 %"},
		"a bad floor":               {func(e *Evidence) { e.Coverage, e.Floor = measured(9, 0), []byte("89") }, Unjudged, "no reason"},
		"comments alone":            {func(e *Evidence) { e.Coverage = measured(0, 0) }, Passed, ""},
		"nothing is added":          {func(e *Evidence) { e.Coverage = &Coverage{} }, Passed, ""},
		"nothing to count":          {func(e *Evidence) { e.Coverage = notBuilt() }, Failed, "changes no line that can be counted"},
		"nothing to count, as said": {func(e *Evidence) { e.Coverage, e.Floor = notBuilt(), []byte("0 # headers") }, Passed, ""},
		"not measured":              {func(e *Evidence) {}, Unjudged, "there is no coverage.json"},
		"ran in no test":            {func(e *Evidence) { e.Coverage = measured(9, 0); e.Coverage.Files[0].Lines[4].Tests = []int{2} }, Unjudged, "ran, but in no test"},
		"ran in the first test":     {func(e *Evidence) { e.Coverage = measured(9, 0); e.Coverage.Files[0].Lines[4].Tests = []int{0} }, Passed, ""},
		"ran in a negative test":    {func(e *Evidence) { e.Coverage = measured(9, 0); e.Coverage.Files[0].Lines[4].Tests = []int{-1} }, Unjudged, "ran, but in no test"},
		"blank lines alone":         {func(e *Evidence) { e.Coverage = measured(0, 0); e.Coverage.Files[0].Lines[2].Uncounted = BlankLine }, Passed, ""},
		"the least floor":           {func(e *Evidence) { e.Coverage, e.Floor = notBuilt(), []byte("1 # x") }, Failed, "changes no line that can be counted"},
		"a second file": {func(e *Evidence) {
			e.Coverage = measured(9, 0)
			e.Coverage.Files = append(e.Coverage.Files, measured(0, 9).Files...)
		}, Failed, "coverage: 9 of 18 changed lines executed (50 %), but the floor is 90 %"},
		"not asked for":         {func(e *Evidence) { e.Coverage, e.Run.Coverage = measured(0, 9), false }, Passed, ""},
		"a test failed as well": {func(e *Evidence) { e.Coverage, e.Expect = measured(9, 0), []byte("fail p TestA # x") }, Failed, "p.TestA: pass, expected fail"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			e := greenRun()
			e.Run.Coverage = true
			tc.change(&e)
			r := Judge(e)
			said.add(name, r.Verdict, r.Findings)
			if r.Verdict != tc.want || tc.says != "" && !strings.Contains(r.Findings[0].Text, tc.says) {
				t.Errorf("got %v %v, want %v with %q", r.Verdict, r.Findings, tc.want, tc.says)
			}
			if r.Verdict == Passed && len(r.Findings) > 0 {
				t.Errorf("a pass with findings %v", r.Findings)
			}
		})
	}
	said.compare(t, len(cases))
	e := greenRun()
	e.Run.Coverage, e.Coverage = true, measured(41, 2)
	c := Judge(e).Coverage
	if c.Floor != (Floor{Percent: 90}) || !reflect.DeepEqual(c.Files, e.Coverage.Files) || !slices.Equal(c.Tests, e.Coverage.Tests) || c.Missing[1].Path != "kernel/fork.c" || c.Missing[1].N != e.Coverage.Files[0].Lines[45].N {
		t.Errorf("got %+v, want all of %+v", c, e.Coverage)
	}
	e.Floor = []byte("85")
	if r := Judge(e); r.Coverage != nil {
		t.Errorf("without a floor, got %+v", r.Coverage)
	}
	if c.Summary() != "41 of 43 changed lines executed (95 %)" || len(c.Missing) != 2 || c.Missing[0].Text != "\treturn -EFAULT;" || c.Uncounted["comment"] != 1 {
		t.Errorf("got %s, missing %v, uncounted %v", c.Summary(), c.Missing, c.Uncounted)
	}
}

// Counts must come while their test runs.
func TestJudgeCounts(t *testing.T) {
	counts := wire.Record{Type: wire.TypeCounts, TestID: &testA, Path: "kernel/fork.gcda", Data: []byte("x")}
	for name, tc := range map[string]struct {
		at   int
		want Verdict
	}{
		"before the end":   {4, Passed},
		"behind the end":   {5, Unjudged},
		"in another test":  {6, Unjudged},
		"before the start": {1, Unjudged},
	} {
		e := greenRun()
		s := greenScript()
		s = append(s[:tc.at], append(script{counts}, s[tc.at:]...)...)
		e.Lanes[0].Boots[0].Records = s.bytes()
		if r := Judge(e); r.Verdict != tc.want {
			t.Errorf("%s: got %v %v, want %v", name, r.Verdict, r.Findings, tc.want)
		}
	}
}

// A line that cannot be counted has not run, whatever its count. One run is enough for the others.
func TestExecuted(t *testing.T) {
	for want, c := range map[string]CoverageResult{
		"no line of code is added":             {Uncounted: map[string]int{BlankLine: 1, CommentLine: 2}},
		"0 of 0 changed lines executed (0 %)":  {Uncounted: map[string]int{BlankLine: 1, NotBuilt: 1}},
		"1 of 3 changed lines executed (33 %)": {Executed: 1, Countable: 3},
	} {
		if got := c.Summary(); got != want {
			t.Errorf("%+v: got %q, want %q", c, got, want)
		}
	}
	for want, lines := range map[bool][]CoveredLine{
		true:  {{Op: "+", Count: 1}, {Op: "+", Count: 7, Partly: true}},
		false: {{Op: "+"}, {Op: "-", Count: 1}, {Op: " ", Count: 1}, {Op: "+", Count: 1, Uncounted: CommentLine}},
	} {
		for _, l := range lines {
			if got := l.Executed(); got != want {
				t.Errorf("%+v: %v, want %v", l, got, want)
			}
		}
	}
	for want, c := range map[int]CoverageResult{0: {}, 33: {Executed: 1, Countable: 3}, 66: {Executed: 2, Countable: 3}, 99: {Executed: 999, Countable: 1000}, 100: {Executed: 4, Countable: 4}} {
		if got := c.Percent(); got != want {
			t.Errorf("%d of %d: %d %%, want %d", c.Executed, c.Countable, got, want)
		}
	}
}

func TestCoverageAsFile(t *testing.T) {
	text, err := json.Marshal(measured(1, 1))
	if err != nil {
		t.Fatal(err)
	}
	var again Coverage
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	if l := again.Files[0].Lines; !l[3].Executed() || l[4].Executed() || !l[4].Countable() || l[2].Countable() || l[1].Countable() {
		t.Errorf("%s says something else", text)
	}
}
