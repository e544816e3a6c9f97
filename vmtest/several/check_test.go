// SPDX-License-Identifier: BSD-3-Clause

package several_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"timens-vmtest/internal/wire"
	"timens-vmtest/vmtest/several"
	"timens-vmtest/vmtest/verdict"
	"timens-vmtest/vmtest/verdict/recording"
)

// baseOf is the version of the base of the recorded runs.
const baseOf = "6.12.117"

// steps has one step of each kind.
var steps = []several.Step{
	{Name: "form", Formal: true}, {Name: "W=1", Heavy: true}, {Name: "applies"}, {Name: "boots", Heavy: true, Boots: true},
}

// plan returns a check of two patches. The last one is not committed.
func plan() several.Check {
	return several.Check{
		Schema: several.CheckSchema, Series: "s", Base: baseOf, Steps: steps,
		Patches: []several.PatchToCheck{{Name: "1.patch", Subject: "one"}, {Name: "2.patch", Subject: "two", Local: true}},
	}
}

// none is what a step finds that has no complaint.
func none() several.Found { return several.Found{Complaints: []string{}} }

// green returns the answers to the questions of plan, all without a fault.
func green() []several.Answered {
	return []several.Answered{
		{Patch: 1, Step: 1, Name: "form", AfterS: 1, Found: none()},
		{Patch: 1, Step: 3, Name: "applies", AfterS: 2, Found: none()},
		{Patch: 2, Step: 3, Name: "applies", AfterS: 3, Found: none()},
		{Patch: 1, Step: 2, Name: "W=1", AfterS: 4, Found: none()},
		{Patch: 1, Step: 4, Name: "boots", AfterS: 5, Found: several.Found{Run: "0001"}},
		{Patch: 2, Step: 2, Name: "W=1", AfterS: 6, Found: none()},
		{Patch: 2, Step: 4, Name: "boots", AfterS: 7, Found: several.Found{Run: "0002"}},
	}
}

// put unpacks a recorded run into the folder dir.
func put(t *testing.T, name, dir string) {
	t.Helper()
	a, err := txtar.ParseFile(filepath.Join("..", "verdict", "testdata", name+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := recording.Unpack(a, dir); err != nil {
		t.Fatal(err)
	}
}

// folder makes the folder of a check with these answers. Its runs 0001 and 0002 pass.
func folder(t *testing.T, plan several.Check, answers []several.Answered) string {
	t.Helper()
	dir := t.TempDir()
	put(t, "pass", filepath.Join(dir, "0001"))
	put(t, "pass", filepath.Join(dir, "0002"))
	if err := wire.WriteJSON(filepath.Join(dir, several.CheckFile), plan); err != nil {
		t.Fatal(err)
	}
	var lines []byte
	for _, a := range answers {
		line, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(append(lines, line...), '\n')
	}
	write(t, filepath.Join(dir, several.AnswersFile), lines)
	return dir
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// cells returns the answers of a matrix: a word for each patch, a letter for each step.
func cells(m several.Matrix) string {
	var lines []string
	for _, p := range m.Patches {
		line := ""
		for _, c := range p.Cells {
			line += c.Answer.String()[:1]
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, " ")
}

func judgeCheck(t *testing.T, dir string) several.Checked {
	t.Helper()
	e, err := several.LoadCheck(dir)
	if err != nil {
		t.Fatal(err)
	}
	return several.JudgeCheck(e)
}

// why returns the trouble of a check, or its first fault; "" if it has neither.
func why(c several.Checked) string {
	if c.Trouble != nil {
		return c.Trouble.Text
	}
	if patch, step, ok := c.Matrix.Fault(); ok {
		return c.Matrix.Patches[patch].Cells[step].Fault
	}
	return ""
}

func TestJudgeCheckGreen(t *testing.T) {
	c := judgeCheck(t, folder(t, plan(), green()))
	if c.Verdict() != verdict.Passed || !c.Whole() || cells(c.Matrix) != "oooo nooo" || c.TookS != 7 || c.Series != "s" || c.Base != baseOf {
		t.Errorf("got %v, %s, %+v, want a pass", c.Verdict(), cells(c.Matrix), c)
	}
}

// Each case damages a green check in one way.
func TestJudgeCheck(t *testing.T) {
	complaint := several.Found{Complaints: []string{"a.c: bad", "b.c: bad"}}
	broken := several.Found{Trouble: &verdict.Trouble{Blame: verdict.BlameKernel, Text: "build: no"}, Stage: "build"}
	host := several.Found{Trouble: &verdict.Trouble{Blame: verdict.BlameHost, Text: "disk full"}}
	base := none()
	found := func(n int, f several.Found, base *several.Found) func(*several.Check, []several.Answered) []several.Answered {
		return func(_ *several.Check, all []several.Answered) []several.Answered {
			all[n].Found, all[n].Base = f, base
			return all[:n+1]
		}
	}
	const form, applies, applies2, w1, boots, w1of2, boots2 = 0, 1, 2, 3, 4, 5, 6
	for name, tc := range map[string]struct {
		change func(*several.Check, []several.Answered) []several.Answered
		cells  string
		want   verdict.Verdict
		says   string // part of the trouble, or of the fault
	}{
		"a complaint":                {found(form, complaint, nil), "F--- ----", verdict.Failed, "a.c: bad; b.c: bad"},
		"does not apply":             {found(applies2, broken, nil), "o-o- n-F-", verdict.Failed, "build: no"},
		"a warning":                  {found(w1, complaint, &base), "oFo- n-o-", verdict.Failed, "a.c: bad"},
		"does not build":             {found(w1of2, broken, &base), "oooo nFo-", verdict.Failed, "build: no"},
		"a test fails":               {found(boots, several.Found{Run: "fail"}, &several.Found{Run: "0001"}), "oooF n-o-", verdict.Failed, "\nevidence DIR/fail"},
		"a base with warnings":       {found(w1, complaint, &complaint), "o-o- n-o-", verdict.Unjudged, "the base itself, W=1: a.c: bad; b.c: bad"},
		"a base that does not build": {found(w1, complaint, &broken), "o-o- n-o-", verdict.Unjudged, "the base itself, W=1: build: no"},
		"a base with trouble":        {found(w1, complaint, &host), "o-o- n-o-", verdict.Unjudged, "the base itself, W=1: disk full"},
		"a base that fails":          {found(boots, several.Found{Run: "fail"}, &several.Found{Run: "fail2"}), "ooo- n-o-", verdict.Unjudged, "the base itself, boots: "},
		"no answer of the base":      {found(w1, complaint, nil), "o-o- n-o-", verdict.Unjudged, "1/2 one, W=1: the base was not asked whether the fault is its own: a.c: bad"},
		"an empty one of the base":   {found(w1, complaint, &several.Found{}), "o-o- n-o-", verdict.Unjudged, "the base itself, W=1: the answer has 0 of"},
		"one of the base for nothing": {func(_ *several.Check, all []several.Answered) []several.Answered {
			all[w1].Base = &base
			return all
		}, "o-o- n-o-", verdict.Unjudged, "there is no fault, but the base was asked"},
		"host trouble":            {found(applies, host, nil), "o--- ----", verdict.Unjudged, "1/2 one, applies: disk full"},
		"trouble of nobody":       {found(applies, several.Found{Trouble: &verdict.Trouble{Text: "what"}}, nil), "o--- ----", verdict.Unjudged, "what"},
		"mute trouble":            {found(applies, several.Found{Trouble: &verdict.Trouble{Blame: verdict.BlameKernel}}, nil), "o--- ----", verdict.Unjudged, "the trouble has no text"},
		"an empty complaint":      {found(applies, several.Found{Complaints: []string{""}}, nil), "o--- ----", verdict.Unjudged, "the complaints have no text"},
		"a run that was cut off":  {found(boots2, several.Found{Run: "cut"}, nil), "oooo noo-", verdict.Unjudged, "2/2 two, boots: there is no exit.json: the run was cut off\nevidence DIR/cut"},
		"an empty run":            {found(boots2, several.Found{Run: "empty"}, nil), "oooo noo-", verdict.Unjudged, "there is no run.json"},
		"a boot that is no run":   {found(boots2, none(), nil), "oooo noo-", verdict.Unjudged, "does not fit this step"},
		"a run that is no boot":   {found(applies, several.Found{Run: "0001"}, nil), "o--- ----", verdict.Unjudged, "does not fit this step"},
		"an answer of nothing":    {found(applies, several.Found{}, nil), "o--- ----", verdict.Unjudged, "the answer has 0 of"},
		"two answers in one":      {found(boots2, several.Found{Run: "0002", Complaints: []string{}}, nil), "oooo noo-", verdict.Unjudged, "the answer has 2 of"},
		"one run for two patches": {found(boots2, several.Found{Run: "0001"}, nil), "oooo noo-", verdict.Unjudged, "two answers in answers.jsonl name the run 0001"},
		"runs of another base": {func(p *several.Check, all []several.Answered) []several.Answered {
			p.Base = "6.1"
			return all
		}, "ooo- n-o-", verdict.Unjudged, "is of linux-6.12.117, but the check is of linux-6.1"},
		"no answers": {func(_ *several.Check, all []several.Answered) []several.Answered { return nil }, "---- ----", verdict.Unjudged, "1/2 one, form: there is no answer"},
		"an answer twice": {func(_ *several.Check, all []several.Answered) []several.Answered {
			return slices.Insert(all, applies, all[form])
		}, "o--- ----", verdict.Unjudged, "1/2 one, applies: the answer in its place is of patch 1, step 1, form"},
		"one left out": {func(_ *several.Check, all []several.Answered) []several.Answered {
			return slices.Delete(all, w1, w1+1)
		}, "o-o- n-o-", verdict.Unjudged, "1/2 one, W=1: the answer in its place is of patch 1, step 4, boots"},
		"of another step by its name": {func(_ *several.Check, all []several.Answered) []several.Answered {
			all[w1].Name = "sparse"
			return all
		}, "o-o- n-o-", verdict.Unjudged, "is of patch 1, step 2, sparse"},
		"all twice": {func(_ *several.Check, all []several.Answered) []several.Answered {
			return append(all, all...)
		}, "oooo nooo", verdict.Unjudged, "continues after the answer that ends the check"},
		"on behind a fault": {func(_ *several.Check, all []several.Answered) []several.Answered {
			all[form].Found = complaint
			return all
		}, "F--- ----", verdict.Unjudged, "continues after the answer that ends the check"},
		"all faults": {func(p *several.Check, all []several.Answered) []several.Answered {
			p.KeepGoing = true
			all[form].Found, all[applies2].Found = complaint, broken
			return all
		}, "Fooo noFo", verdict.Failed, "a.c: bad"},
		"all faults, and cut off": {func(p *several.Check, all []several.Answered) []several.Answered {
			p.KeepGoing = true
			all[form].Found = complaint
			return all[:boots2]
		}, "Fooo noo-", verdict.Unjudged, "2/2 two, boots: there is no answer"},
		"no steps": {func(p *several.Check, all []several.Answered) []several.Answered {
			p.Steps = nil
			return nil
		}, "", verdict.Unjudged, "0 steps and 2 patches"},
		"no patches": {func(p *several.Check, all []several.Answered) []several.Answered {
			p.Patches = nil
			return nil
		}, "", verdict.Unjudged, "4 steps and 0 patches"},
		"of the future": {func(p *several.Check, all []several.Answered) []several.Answered {
			p.Schema++
			return all
		}, "", verdict.Unjudged, "schema 2, this judge knows 1"},
	} {
		t.Run(name, func(t *testing.T) {
			p := plan()
			p.Steps, p.Patches = slices.Clone(p.Steps), slices.Clone(p.Patches)
			answers := tc.change(&p, green())
			dir := folder(t, p, answers)
			put(t, "fail", filepath.Join(dir, "fail"))
			put(t, "fail", filepath.Join(dir, "fail2"))
			put(t, "pass", filepath.Join(dir, "cut"))
			if err := os.Remove(filepath.Join(dir, "cut", "real", wire.ExitFile)); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(filepath.Join(dir, "empty"), 0o755); err != nil {
				t.Fatal(err)
			}
			c := judgeCheck(t, dir)
			said := strings.ReplaceAll(why(c), dir, "DIR")
			if c.Verdict() != tc.want || cells(c.Matrix) != tc.cells || !strings.Contains(said, tc.says) {
				t.Errorf("got %v, %q, %q, want %v, %q, %q", c.Verdict(), cells(c.Matrix), said, tc.want, tc.cells, tc.says)
			}
			if c.Whole() != (tc.want == verdict.Failed && p.KeepGoing) {
				t.Errorf("Whole() = %v", c.Whole())
			}
		})
	}
}

// A patch with the kernel of the last one has no run of its own. The run of the last patch counts for
// both, if it is there, is of that kernel, and has no fault.
func TestJudgeCheckAsLast(t *testing.T) {
	const boots, boots2 = 4, 6
	asLast := func(id string) several.Found { return several.Found{AsLast: id} }
	for name, tc := range map[string]struct {
		change func([]several.Answered, string) []several.Answered
		cells  string
		want   verdict.Verdict
		says   string
	}{
		"the same kernel": {func(all []several.Answered, id string) []several.Answered {
			all[boots].Found = asLast(id)
			return all
		}, "oool nooo", verdict.Passed, ""},
		"another kernel": {func(all []several.Answered, id string) []several.Answered {
			all[boots].Found = asLast("b" + id)
			return all
		}, "oool nooo", verdict.Unjudged, "patch 1, boots: the answer is said to be that of the last patch, but the kernel has the build ID b"},
		"the last one fails": {func(all []several.Answered, id string) []several.Answered {
			all[boots].Found, all[boots2].Found, all[boots2].Base = asLast(id), several.Found{Run: "fail"}, &several.Found{Run: "0001"}
			return all
		}, "oool nooF", verdict.Failed, "evidence"},
		"no answer of the last one": {func(all []several.Answered, id string) []several.Answered {
			all[boots].Found = asLast(id)
			return all[:boots2]
		}, "oool noo-", verdict.Unjudged, "2/2 two, boots: there is no answer"},
		"the last one itself": {func(all []several.Answered, id string) []several.Answered {
			all[boots2].Found = asLast(id)
			return all
		}, "oooo noo-", verdict.Unjudged, "the answer of the last patch is said to be that of the last patch"},
		"the base": {func(all []several.Answered, id string) []several.Answered {
			base := asLast(id)
			all[boots].Found, all[boots].Base = several.Found{Run: "fail"}, &base
			return all[:boots+1]
		}, "ooo- n-o-", verdict.Unjudged, "the answer of the base is said to be that of the last patch"},
		"a step that does not boot": {func(all []several.Answered, id string) []several.Answered {
			all[boots-1].Found = asLast(id)
			return all[:boots]
		}, "o-o- n-o-", verdict.Unjudged, "does not fit this step"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t, plan(), nil)
			e, err := verdict.Load(filepath.Join(dir, "0002"))
			if err != nil {
				t.Fatal(err)
			}
			dir = folder(t, plan(), tc.change(green(), e.Lanes[0].Boots[0].Boot.BuildID))
			put(t, "fail", filepath.Join(dir, "fail"))
			c := judgeCheck(t, dir)
			said := why(c)
			if c.Verdict() != tc.want || cells(c.Matrix) != tc.cells || !strings.Contains(said, tc.says) {
				t.Errorf("got %v, %q, %q, want %v, %q, %q", c.Verdict(), cells(c.Matrix), said, tc.want, tc.cells, tc.says)
			}
		})
	}
}

// If a check ended outside of a question, the reason decides the verdict, whatever the
// answers are.
func TestJudgeCheckTrouble(t *testing.T) {
	for _, tc := range []struct {
		blame   string
		answers int
		want    verdict.Verdict
	}{
		{verdict.BlameHost, 0, verdict.Unjudged}, {verdict.BlameHost, 7, verdict.Unjudged},
		{verdict.BlameKernel, 0, verdict.Unbuilt}, {"", 3, verdict.Unjudged},
	} {
		dir := folder(t, plan(), green()[:tc.answers])
		if err := wire.WriteJSON(filepath.Join(dir, verdict.TroubleFile), verdict.Trouble{Blame: tc.blame, Text: "why"}); err != nil {
			t.Fatal(err)
		}
		c := judgeCheck(t, dir)
		if c.Verdict() != tc.want || c.Trouble.Text != "why" || c.Whole() {
			t.Errorf("%q behind %d answers: got %v, %v, want %v", tc.blame, tc.answers, c.Verdict(), c.Trouble, tc.want)
		}
	}
}

// submitted makes the folder of a presubmit that passes.
func submitted(t *testing.T) string {
	t.Helper()
	p := plan()
	p.Presubmit = true
	dir := folder(t, p, green())
	compared := filepath.Join(dir, several.ComparedDir)
	if err := os.Mkdir(compared, 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, "pass", filepath.Join(compared, "control"))
	put(t, "pass", filepath.Join(compared, "s"))
	for path, v := range map[string]any{
		filepath.Join(compared, verdict.PairFile): verdict.Pair{Base: "control", Series: "s"},
		filepath.Join(dir, several.PresubmitFile): several.Presubmit{
			Schema: several.CheckSchema, Origin: "o", Countless: true, ABI: []string{"abi"}, Maintainers: []string{"m"}, Done: true, TookS: 9},
	} {
		if err := wire.WriteJSON(path, v); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// judged returns the verdict of a folder of any kind. A folder that cannot be loaded is
// Unjudged.
func judged(t *testing.T, dir string) verdict.Verdict {
	t.Helper()
	kind, err := several.KindOf(dir)
	switch {
	case err != nil:
	case kind == several.OfCheck:
		if e, err := several.LoadCheck(dir); err == nil {
			return several.JudgeCheck(e).Verdict()
		}
	case kind == several.OfPresubmit:
		if e, err := several.LoadSubmission(dir); err == nil {
			return several.JudgeSubmission(e).Verdict()
		}
	default:
		t.Errorf("%s is of kind %v", dir, kind)
	}
	return verdict.Unjudged
}

// Evidence that is missing, doubled, or cut off at any byte is never green.
func TestDamagedCheck(t *testing.T) {
	for _, dir := range []string{folder(t, plan(), green()), submitted(t)} {
		if v := judged(t, dir); v != verdict.Passed {
			t.Fatalf("the whole evidence is %v", v)
		}
		files := []string{several.CheckFile, several.AnswersFile, several.PresubmitFile, filepath.Join(several.ComparedDir, verdict.PairFile)}
		looked := 0
		for _, name := range files {
			path := filepath.Join(dir, name)
			whole, err := os.ReadFile(path)
			if err != nil { // a check has no such file
				continue
			}
			looked++
			for n := range whole {
				if name == filepath.Join(several.ComparedDir, verdict.PairFile) && n == len(whole)-1 {
					break // the last end of line
				}
				write(t, path, whole[:n])
				if v := judged(t, dir); v == verdict.Passed {
					t.Fatalf("green with %d of %d bytes of %s", n, len(whole), name)
				}
			}
			write(t, path, bytes.Repeat(whole, 2))
			if v := judged(t, dir); v == verdict.Passed {
				t.Errorf("green with %s twice", name)
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if v := judged(t, dir); v == verdict.Passed {
				t.Errorf("green without %s", name)
			}
			write(t, path, whole)
		}
		if looked < 2 {
			t.Fatalf("looked at %d files", looked)
		}
	}
}

// The matrix of a check that still runs has the answers so far.
func TestGrowingMatrix(t *testing.T) {
	want := []string{"---- ----", "o--- ----", "o-o- n---", "o-o- n-o-", "ooo- n-o-", "oooo n-o-", "oooo noo-", "oooo nooo"}
	for n := range want {
		dir := folder(t, plan(), green()[:n])
		path := filepath.Join(dir, several.AnswersFile)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, more := range []string{"", `{"patch":1,`} { // is being written
			write(t, path, append(slices.Clone(text), more...))
			c := judgeCheck(t, dir)
			if whole := n == len(want)-1 && more == ""; cells(c.Matrix) != want[n] || (c.Verdict() == verdict.Passed) != whole {
				t.Errorf("%d answers and %q: got %s, %v, want %s", n, more, cells(c.Matrix), c.Verdict(), want[n])
			}
		}
	}
}

// counted returns evidence of a run that measured coverage and found no changed line.
func counted(e verdict.Evidence, base string) *verdict.Evidence {
	run := *e.Run
	run.Coverage, run.Base = true, base
	e.Run, e.Coverage = &run, new(verdict.Coverage)
	return &e
}

func TestJudgeSubmission(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(e *several.SubmissionEvidence)
		want   verdict.Verdict
		says   string
	}{
		"all there":          {func(*several.SubmissionEvidence) {}, verdict.Passed, ""},
		"not compared":       {func(e *several.SubmissionEvidence) { e.Compared = nil }, verdict.Unjudged, "no folder compared"},
		"a check alone":      {func(e *several.SubmissionEvidence) { e.Check.Check.Presubmit = false }, verdict.Unjudged, "belongs to a check"},
		"no facts":           {func(e *several.SubmissionEvidence) { e.Presubmit = nil; e.Coverage = &e.Compared.Series }, verdict.Unjudged, "measured no coverage"},
		"of the future":      {func(e *several.SubmissionEvidence) { e.Presubmit.Schema++ }, verdict.Unjudged, "schema 2"},
		"not at its end":     {func(e *several.SubmissionEvidence) { e.Presubmit.Done = false }, verdict.Unjudged, "is not complete"},
		"lines not counted":  {func(e *several.SubmissionEvidence) { e.Presubmit.Countless = false }, verdict.Unjudged, "no folder coverage"},
		"a run that did not": {func(e *several.SubmissionEvidence) { e.Presubmit.Countless, e.Coverage = false, &e.Compared.Series }, verdict.Unjudged, "measured no coverage"},
		"coverage of no run": {func(e *several.SubmissionEvidence) { e.Presubmit.Countless, e.Coverage = false, new(verdict.Evidence) }, verdict.Unjudged, ""},
		"counted": {func(e *several.SubmissionEvidence) {
			e.Presubmit.Countless, e.Coverage = false, counted(e.Compared.Series, baseOf)
		}, verdict.Passed, ""},
		"counted on another base": {func(e *several.SubmissionEvidence) {
			e.Presubmit.Countless, e.Coverage = false, counted(e.Compared.Series, "6.1")
		}, verdict.Unjudged, "in coverage is of linux-6.1"},
		"another base": {func(e *several.SubmissionEvidence) { e.Compared.Series.Run.Base = "6.1" }, verdict.Unjudged, "in compared are of linux-6.1"},
		"no run":       {func(e *several.SubmissionEvidence) { e.Compared.Series = verdict.Evidence{} }, verdict.Unjudged, ""},
	} {
		e, err := several.LoadSubmission(submitted(t))
		if err != nil {
			t.Fatal(err)
		}
		tc.change(&e)
		s := several.JudgeSubmission(e)
		said := ""
		if s.Trouble != nil {
			said = s.Trouble.Text
		}
		if s.Verdict() != tc.want || !strings.Contains(said, tc.says) {
			t.Errorf("%s: got %v, %q, want %v, %q", name, s.Verdict(), said, tc.want, tc.says)
		}
		if tc.want == verdict.Passed && (!s.Local || !s.Whole || s.Origin != "o" || s.TookS != 9 || len(s.Tests.Tests) == 0) {
			t.Errorf("got %+v", s)
		}
	}
}
