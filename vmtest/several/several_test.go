// SPDX-License-Identifier: BSD-3-Clause

package several

import (
	"os"
	"path/filepath"
	"testing"

	"timens-vmtest/vmtest/verdict"
)

func TestSeveralVerdict(t *testing.T) {
	two := []string{"a", "b"}
	for name, tc := range map[string]struct {
		of     Task
		judged []verdict.Verdict
		want   verdict.Verdict
	}{
		"nothing":                        {Task{}, nil, verdict.Unjudged},
		"none of two":                    {Task{two, true}, nil, verdict.Unjudged},
		"both pass":                      {Task{two, false}, []verdict.Verdict{verdict.Passed, verdict.Passed}, verdict.Passed},
		"one is missing":                 {Task{two, false}, []verdict.Verdict{verdict.Passed}, verdict.Unjudged},
		"stopped at a fault":             {Task{two, false}, []verdict.Verdict{verdict.Failed}, verdict.Failed},
		"stopped where it was to go on":  {Task{two, true}, []verdict.Verdict{verdict.Failed}, verdict.Unjudged},
		"a kernel that did not build":    {Task{two, true}, []verdict.Verdict{verdict.Unbuilt}, verdict.Unbuilt},
		"the worse of two":               {Task{two, true}, []verdict.Verdict{verdict.Failed, verdict.Passed}, verdict.Failed},
		"more than there were to be":     {Task{two[:1], true}, []verdict.Verdict{verdict.Passed, verdict.Passed}, verdict.Unjudged},
		"unjudged goes before a failure": {Task{two, true}, []verdict.Verdict{verdict.Failed, verdict.Unjudged}, verdict.Unjudged},
	} {
		if got := tc.of.Verdict(tc.judged); got != tc.want {
			t.Errorf("%s: got %v, want %v", name, got, tc.want)
		}
		runs := Runs{Task: tc.of}
		for _, v := range tc.judged {
			runs.Results = append(runs.Results, verdict.Result{Verdict: v})
		}
		if got := runs.Verdict(); got != tc.want {
			t.Errorf("%s, of runs: got %v, want %v", name, got, tc.want)
		}
	}
}

func TestOverallOfNothingIsUnjudged(t *testing.T) {
	if got := Overall(nil); got != verdict.Unjudged {
		t.Errorf("got %v, want %v", got, verdict.Unjudged)
	}
}

// A file with names of folders is refused if a name leads outside of the folder or is there
// twice.
func TestLoadNames(t *testing.T) {
	dir := t.TempDir()
	for file, texts := range map[string]map[string]bool{
		TaskFile: {
			`{"series": ["a", "b"]}`: true, `{"series": ["a", "a"]}`: false, `{"series": ["../a"]}`: false, `{"series": [""]}`: false,
			`{"series": ["a"]`: false, `{"series": ["/a"]}`: false, "": false,
		},
		verdict.PairFile: {
			`{"base": "control", "series": "a"}`: true, `{"base": "a", "series": "a"}`: false, `{"base": "a"}`: false,
			`{"base": "../a", "series": "a"}`: false, `{"base": "a", "series": "/b"}`: false, "": false,
		},
	} {
		for text, good := range texts {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			var err error
			if file == TaskFile {
				_, err = LoadTask(dir)
			} else {
				_, err = verdict.LoadPair(dir)
			}
			if (err == nil) != good {
				t.Errorf("%s of %s: %v", file, text, err)
			}
		}
	}
	empty := t.TempDir()
	if _, err := LoadTask(empty); err == nil {
		t.Error("a folder without the file was read")
	}
	if _, err := verdict.LoadPair(empty); err == nil {
		t.Error("a folder without the file was read")
	}
}

// One file of a kind is enough to make a folder one of that kind.
func TestKindOf(t *testing.T) {
	for name, want := range map[string]Kind{
		"": OfNothing, "readme": OfNothing, "report.json": OfNothing, verdict.RunFile: OfRun, verdict.TroubleFile: OfRun, "real": OfRun, "virtual": OfRun,
		verdict.PairFile: OfComparison, CheckFile: OfCheck, AnswersFile: OfCheck, PresubmitFile: OfPresubmit, TaskFile: OfSeveral,
	} {
		dir := t.TempDir()
		if name != "" {
			if err := os.WriteFile(filepath.Join(dir, name), []byte("{}\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := KindOf(dir); got != want || err != nil {
			t.Errorf("%q: got %v, %v, want %v", name, got, err, want)
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, CheckFile), []byte("{\"presubmit\": true}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := KindOf(dir); got != OfPresubmit || err != nil {
		t.Errorf("a presubmit that was killed: got %v, %v", got, err)
	}
}
