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

// Files of the folder of a check of one series, beside the folders of its boots and a
// TroubleFile, which says why the check ended outside of a question.
const (
	CheckFile   = "check.json"    // Check; written before the first question
	AnswersFile = "answers.jsonl" // one Answered a line, in the order of Check.Questions
)

// CheckSchema is the version of Check, Answered and Presubmit. The judge refuses
// another one.
const CheckSchema = 1

// Check is what a check was to ask.
type Check struct {
	Schema    int            `json:"schema"`
	Series    string         `json:"series"`
	Base      string         `json:"base"`               // version of the unpatched kernel
	Began     string         `json:"began"`              // RFC 3339
	Steps     []Step         `json:"steps"`              // in the order of the columns
	LeftOut   []string       `json:"left_out,omitempty"` // rules that nobody asked for: the verdict says nothing of them
	Patches   []PatchToCheck `json:"patches"`
	KeepGoing bool           `json:"keep_going"` // it does not stop at the first fault
	Presubmit bool           `json:"presubmit"`  // it is the first part of a presubmit
}

// Step is a question that every patch has to answer.
type Step struct {
	Name   string `json:"name"`             // two may have one name
	Heavy  bool   `json:"heavy,omitempty"`  // it takes long: it is asked after all others, and of the base as well if a patch has a fault
	Formal bool   `json:"formal,omitempty"` // it is about patches as they are sent
	Boots  bool   `json:"boots,omitempty"`  // the answer is a run
}

// PatchToCheck is one patch of the series.
type PatchToCheck struct {
	Name    string `json:"name"` // of its file
	Subject string `json:"subject"`
	Local   bool   `json:"not_committed,omitempty"` // it is what is not committed: formal steps are not asked of it
}

// Question is a cell of the matrix by the numbers of its patch and its step, from 0.
type Question struct{ Patch, Step int }

// Questions are all cells in the order in which they are asked: what is quick of all
// patches, then the rest patch by patch.
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

// Exempt says that a question is not asked.
func (c Check) Exempt(q Question) bool { return c.Steps[q.Step].Formal && c.Patches[q.Patch].Local }

// Place names the patch of a question.
func (c Check) Place(q Question) string {
	return fmt.Sprintf("%d/%d %s", q.Patch+1, len(c.Patches), c.Patches[q.Patch].Subject)
}

// Answered is what came of one question.
type Answered struct {
	Patch  int     `json:"patch"`   // from 1
	Step   int     `json:"step"`    // from 1
	Name   string  `json:"name"`    // of the step
	AfterS float64 `json:"after_s"` // host seconds since the check began
	Found
	Base *Found `json:"base,omitempty"` // of a heavy step, if the patch has a fault: what was found of the base
}

// Found is what a step found of a tree: exactly one of Complaints, Trouble and Run.
type Found struct {
	Complaints []string         `json:"complaints,omitzero"` // none: empty, but not nil
	Trouble    *verdict.Trouble `json:"trouble,omitempty"`   // the tree does not apply or build, or the host could not find out
	Stage      string           `json:"stage,omitempty"`     // of the build that the kernel is to blame for
	Run        string           `json:"run,omitempty"`       // folder of a run, within the check's
}

// CheckEvidence is the contents of the folder of a check.
type CheckEvidence struct {
	Dir     string // as it was named: it is in what is said of a run
	Check   *Check
	Trouble *verdict.Trouble
	Answers []AnswerEvidence
	Cut     string // why there are no more Answers, if one cannot be read
}

// AnswerEvidence is an answer with the evidence of the runs that it names.
type AnswerEvidence struct {
	Answered
	Dir          string // of the check
	run, baseRun *verdict.Evidence
}

// LoadCheck reads the folder of a check. As with Load, a file that is missing is no
// error here, and one that cannot be read or parsed is; but where the answers cannot be
// parsed, those before count, as the folder may be that of a check that is going on.
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
		if len(line) == 0 { // behind the last end of line
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
		return nil, fmt.Errorf("%s: the run %q leaves the folder", filepath.Join(dir, AnswersFile), name)
	}
	e, err := verdict.Load(filepath.Join(dir, name))
	return &e, err
}
