// SPDX-License-Identifier: BSD-3-Clause

package several

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"

	"timens-vmtest/vmtest/verdict"
)

// Files in the folder of a check of one series. The folder also has the folders of its
// boots, and a TroubleFile if the check ended outside of a question.
const (
	CheckFile   = "check.json"    // Check; written before the first question
	AnswersFile = "answers.jsonl" // one Answered a line, in the order of Check.Questions
)

// CheckSchema is the version of Check, Answered and Presubmit. The judge refuses any other
// version.
const CheckSchema = 1

// Check is what a check was to ask.
type Check struct {
	Schema    int            `json:"schema"`
	Series    string         `json:"series"`
	Variant   string         `json:"variant,omitempty"`  // release of the kernel that the patches are for; empty: the series has no variants
	Base      string         `json:"base"`               // version of the unpatched kernel
	Began     string         `json:"began"`              // RFC 3339
	Steps     []Step         `json:"steps"`              // in the order of the columns
	LeftOut   []string       `json:"left_out,omitempty"` // rules that were not checked: the verdict says nothing about them
	Patches   []PatchToCheck `json:"patches"`
	KeepGoing bool           `json:"keep_going"` // do not stop at the first fault
	Presubmit bool           `json:"presubmit"`  // it is the first part of a presubmit
}

// Step is a question that every patch has to answer.
type Step struct {
	Name   string `json:"name"`             // two steps may have the same name
	Heavy  bool   `json:"heavy,omitempty"`  // it takes long: it comes after all others; if a patch has a fault, the base is asked, too
	Formal bool   `json:"formal,omitempty"` // it is about the form of a patch that will be sent
	Boots  bool   `json:"boots,omitempty"`  // the answer is a run
}

// PatchToCheck is one patch of the series.
type PatchToCheck struct {
	Name    string `json:"name"` // name of its file
	Subject string `json:"subject"`
	Local   bool   `json:"not_committed,omitempty"` // it is the changes that are not committed: formal steps do not apply

	Placeholder bool   `json:"placeholder,omitempty"` // its author is a placeholder, which is to be replaced before it is sent
	SHA256      string `json:"sha256,omitempty"`      // of its text, in hex; "" in what older versions have written
}

// Question is a cell of the matrix: the numbers of its patch and its step, from 0.
type Question struct{ Patch, Step int }

// Questions returns all cells in the order in which they are asked: first the quick steps
// of all patches, then the heavy steps, patch by patch.
func (c Check) Questions() []Question {
	var all []Question
	for _, heavy := range []bool{false, true} {
		for p := range c.Patches {
			for s, step := range c.Steps {
				if step.Heavy == heavy {
					all = append(all, Question{p, s})
				}
			}
		}
	}
	return all
}

// Exempt reports whether a question is not asked.
func (c Check) Exempt(q Question) bool { return c.Steps[q.Step].Formal && c.Patches[q.Patch].Local }

// Place names the patch of a question.
func (c Check) Place(q Question) string {
	return fmt.Sprintf("%d/%d %s", q.Patch+1, len(c.Patches), c.Patches[q.Patch].Subject)
}

// Answered is the answer to one question.
type Answered struct {
	Patch  int     `json:"patch"`   // from 1
	Step   int     `json:"step"`    // from 1
	Name   string  `json:"name"`    // of the step
	AfterS float64 `json:"after_s"` // host seconds since the check began
	Found
	Base *Found `json:"base,omitempty"` // what a heavy step found in the base; only if the patch has a fault
}

// Found is what a step found in a tree. Exactly one of Complaints, Trouble, Run and AsLast is set.
type Found struct {
	Complaints []string         `json:"complaints,omitzero"` // not nil, but empty if there are none
	Trouble    *verdict.Trouble `json:"trouble,omitempty"`   // the tree does not apply or build, or the host could not find out
	Stage      string           `json:"stage,omitempty"`     // the stage of the build that failed, if the kernel is to blame
	Run        string           `json:"run,omitempty"`       // folder of a run, within the check's
	AsLast     string           `json:"as_last,omitempty"`   // build ID: the kernel is that of the last patch, whose run answers for both
}

// CheckEvidence is the contents of the folder of a check.
type CheckEvidence struct {
	Dir     string // path of the folder, as the caller named it; messages about runs have it
	Check   *Check
	Trouble *verdict.Trouble
	Answers []AnswerEvidence
	Cut     string // which line could not be read; "" if all could
}

// AnswerEvidence is an answer and the evidence of the runs that it names.
type AnswerEvidence struct {
	Answered
	Dir          string // of the check
	run, baseRun *verdict.Evidence
}

// LoadCheck reads the folder of a check. A missing file is not an error; a file that cannot
// be read or parsed is. The file of answers is different: if a line cannot be parsed,
// LoadCheck returns the answers before it, because a check that still runs may be writing
// that line.
func LoadCheck(dir string) (CheckEvidence, error) {
	e := CheckEvidence{Dir: dir}
	var answers []byte
	err := errors.Join(
		verdict.LoadWhole(filepath.Join(dir, CheckFile), &e.Check),
		verdict.LoadJSON(filepath.Join(dir, verdict.TroubleFile), &e.Trouble),
		verdict.LoadBytes(filepath.Join(dir, AnswersFile), &answers))
	if err != nil {
		return CheckEvidence{}, err
	}
	for n, line := range bytes.SplitAfter(answers, []byte("\n")) {
		if len(line) == 0 { // after the last end of line
			break
		}
		var a Answered
		if err := json.Unmarshal(line, &a); err != nil || !bytes.HasSuffix(line, []byte("\n")) {
			e.Cut = fmt.Sprintf("%s:%d is cut off", AnswersFile, n+1)
			break
		}
		one, err := LoadAnswer(dir, a)
		if err != nil {
			return CheckEvidence{}, err
		}
		e.Answers = append(e.Answers, one)
	}
	return e, nil
}

// LoadAnswer reads the runs that an answer names.
func LoadAnswer(dir string, a Answered) (AnswerEvidence, error) {
	e := AnswerEvidence{Answered: a, Dir: dir}
	var err error
	if e.run, err = loadRunOf(dir, a.Run); err == nil && a.Base != nil {
		e.baseRun, err = loadRunOf(dir, a.Base.Run)
	}
	return e, err
}

func loadRunOf(dir, name string) (*verdict.Evidence, error) {
	if name == "" {
		return nil, nil
	}
	if !filepath.IsLocal(name) {
		return nil, fmt.Errorf("%s: the run %q is outside of the folder", filepath.Join(dir, AnswersFile), name)
	}
	e, err := verdict.Load(filepath.Join(dir, name))
	return &e, err
}
