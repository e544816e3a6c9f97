// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"os"
	"path/filepath"
	"testing"
)

func TestSeveralVerdict(t *testing.T) {
	two := []string{"a", "b"}
	for name, tc := range map[string]struct {
		of     Several
		judged []Verdict
		want   Verdict
	}{
		"nothing":                        {Several{}, nil, Unjudged},
		"none of two":                    {Several{two, true}, nil, Unjudged},
		"both pass":                      {Several{two, false}, []Verdict{Passed, Passed}, Passed},
		"one is missing":                 {Several{two, false}, []Verdict{Passed}, Unjudged},
		"stopped at a fault":             {Several{two, false}, []Verdict{Failed}, Failed},
		"stopped where it was to go on":  {Several{two, true}, []Verdict{Failed}, Unjudged},
		"a kernel that did not build":    {Several{two, true}, []Verdict{Unbuilt}, Unbuilt},
		"the worse of two":               {Several{two, true}, []Verdict{Failed, Passed}, Failed},
		"more than there were to be":     {Several{two[:1], true}, []Verdict{Passed, Passed}, Unjudged},
		"unjudged goes before a failure": {Several{two, true}, []Verdict{Failed, Unjudged}, Unjudged},
	} {
		if got := tc.of.Verdict(tc.judged); got != tc.want {
			t.Errorf("%s: got %v, want %v", name, got, tc.want)
		}
		runs := Runs{Several: tc.of}
		for _, v := range tc.judged {
			runs.Results = append(runs.Results, Result{Verdict: v})
		}
		if got := runs.Verdict(); got != tc.want {
			t.Errorf("%s, of runs: got %v, want %v", name, got, tc.want)
		}
	}
}

func TestOverallOfNothingIsUnjudged(t *testing.T) {
	if got := Overall(nil); got != Unjudged {
		t.Errorf("got %v, want %v", got, Unjudged)
	}
}

// Names of folders are taken from no file that would lead elsewhere, or twice to one.
func TestLoadNames(t *testing.T) {
	dir := t.TempDir()
	for file, texts := range map[string]map[string]bool{
		SeveralFile: {
			`{"series": ["a", "b"]}`: true, `{"series": ["a", "a"]}`: false, `{"series": ["../a"]}`: false, `{"series": [""]}`: false,
			`{"series": ["a"]`: false, `{"series": ["/a"]}`: false, "": false,
		},
		PairFile: {
			`{"base": "control", "series": "a"}`: true, `{"base": "a", "series": "a"}`: false, `{"base": "a"}`: false,
			`{"base": "../a", "series": "a"}`: false, `{"base": "a", "series": "/b"}`: false, "": false,
		},
	} {
		for text, good := range texts {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			var err error
			if file == SeveralFile {
				_, err = LoadSeveral(dir)
			} else {
				_, err = LoadPair(dir)
			}
			if (err == nil) != good {
				t.Errorf("%s of %s: %v", file, text, err)
			}
		}
	}
	empty := t.TempDir()
	if _, err := LoadSeveral(empty); err == nil {
		t.Error("a folder without the file was read")
	}
	if _, err := LoadPair(empty); err == nil {
		t.Error("a folder without the file was read")
	}
}

// Each file of a kind alone makes a folder one of that kind.
func TestKindOf(t *testing.T) {
	for name, want := range map[string]Kind{
		"": OfNothing, "readme": OfNothing, "report.json": OfNothing, RunFile: OfRun, TroubleFile: OfRun, "real": OfRun, "virtual": OfRun,
		PairFile: OfComparison, CheckFile: OfCheck, AnswersFile: OfCheck, PresubmitFile: OfPresubmit, SeveralFile: OfSeveral,
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
