// SPDX-License-Identifier: BSD-3-Clause

package several

import (
	"fmt"
	"path/filepath"
	"strings"

	"timens-vmtest/vmtest/verdict"
)

// Matrix has the answer of each patch of a series to each step of a check.
type Matrix struct {
	Steps   []string // two steps may have the same name
	Patches []CheckedPatch
	LeftOut []string // rules that were not checked: the verdict says nothing about them
}

// CheckedPatch is a row of a Matrix.
type CheckedPatch struct {
	Name    string // name of its file
	Subject string
	Cells   []Cell // in the order of the steps

	Placeholder bool // see PatchToCheck
}

// Cell is the answer of a patch to a step.
type Cell struct {
	Answer Answer
	Fault  string // what is wrong; set only if Answer is Faulty
}

// Answer is the kind of an answer. The zero value is the bad case.
type Answer int

// The kinds of answers.
const (
	Unasked Answer = iota
	Faultless
	Faulty
	Exempt // the step is about the form of patches, and this is a change that is not committed
	AsLast // the step boots, and the kernel is that of the last patch, which has the answer
)

var answerNames = [...]string{Unasked: "-", Faultless: "ok", Faulty: "FAIL", Exempt: "n/a", AsLast: "last"}

func (a Answer) String() string { return answerNames[a] }

// MarshalText returns the same text as String.
func (a Answer) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// Fault returns the first cell that is Faulty. It goes through the patches in their order.
func (m Matrix) Fault() (patch, step int, ok bool) {
	for p := range m.Patches {
		for s, cell := range m.Patches[p].Cells {
			if cell.Answer == Faulty {
				return p, s, true
			}
		}
	}
	return 0, 0, false
}

// Verdict returns Passed if every cell was answered and has no fault.
func (m Matrix) Verdict() verdict.Verdict {
	if _, _, faulty := m.Fault(); faulty {
		return verdict.Failed
	}
	cells := 0
	for _, p := range m.Patches {
		for _, cell := range p.Cells {
			if cell.Answer == Unasked {
				return verdict.Unjudged
			}
			cells++
		}
	}
	if cells == 0 {
		return verdict.Unjudged
	}
	return verdict.Passed
}

// Checked is a judged check of one series.
type Checked struct {
	Series, Base string
	Variant      string // see Check
	Matrix       Matrix
	Trouble      *verdict.Trouble // why the matrix does not decide; nil if it does
	TookS        float64          // host seconds until the last answer
	goesOn       bool
}

// Verdict returns the verdict of the Trouble if there is one, and otherwise that of the
// matrix.
func (c Checked) Verdict() verdict.Verdict {
	if c.Trouble != nil {
		return c.Trouble.Verdict()
	}
	return c.Matrix.Verdict()
}

// Whole reports whether a presubmit continues after the check with the runs of the whole
// series: no patch has a fault, or KeepGoing was set.
func (c Checked) Whole() bool {
	return c.Trouble == nil && (c.goesOn || c.Matrix.Verdict() == verdict.Passed)
}

// JudgeCheck judges a check. It decides each cell from what was found, in the order of the
// questions. It stops at an answer that is missing, cut off, or belongs to another
// question.
func JudgeCheck(e CheckEvidence) Checked {
	var c Checked
	switch {
	case e.Check == nil:
		c.Trouble = unjudged("there is no %s: this is not the folder of a check, or the check was cut off at its start", CheckFile)
	case e.Check.Schema != CheckSchema:
		c.Trouble = unjudged("%s has schema %d, this judge knows %d", CheckFile, e.Check.Schema, CheckSchema)
	case len(e.Check.Steps) == 0 || len(e.Check.Patches) == 0:
		c.Trouble = unjudged("%s has %d steps and %d patches: nothing was to be checked", CheckFile, len(e.Check.Steps), len(e.Check.Patches))
	}
	if c.Trouble != nil {
		return c
	}
	c.Series, c.Variant, c.Base, c.goesOn = e.Check.Series, e.Check.Variant, e.Check.Base, e.Check.KeepGoing
	c.Matrix.LeftOut = e.Check.LeftOut
	for _, s := range e.Check.Steps {
		c.Matrix.Steps = append(c.Matrix.Steps, s.Name)
	}
	for _, p := range e.Check.Patches {
		c.Matrix.Patches = append(c.Matrix.Patches, CheckedPatch{Name: p.Name, Subject: p.Subject, Cells: make([]Cell, len(e.Check.Steps)), Placeholder: p.Placeholder})
	}
	if c.Trouble = c.fill(e); c.Trouble == nil {
		c.Trouble = e.Trouble
	}
	return c
}

// fill decides all cells of the matrix. It returns a Trouble if the answers are not
// complete, or cannot be trusted.
func (c *Checked) fill(e CheckEvidence) *verdict.Trouble {
	left := e.Answers
	runs := make(map[string]bool)
	for _, q := range e.Check.Questions() {
		cell := &c.Matrix.Patches[q.Patch].Cells[q.Step]
		if e.Check.Exempt(q) {
			cell.Answer = Exempt
			continue
		}
		if len(left) == 0 {
			return e.ended(q)
		}
		a := left[0]
		left = left[1:]
		c.TookS = a.AfterS
		for _, name := range a.runs() {
			if runs[name] {
				return unjudged("two answers in %s name the run %s", AnswersFile, name)
			}
			runs[name] = true
		}
		var trouble *verdict.Trouble
		if *cell, trouble = e.Check.Judge(q, a); trouble != nil {
			return trouble
		}
		if cell.Answer == Faulty && !e.Check.KeepGoing {
			break
		}
		if trouble = e.asLast(q, a); trouble != nil {
			return trouble
		}
	}
	switch {
	case len(left) > 0:
		return unjudged("%s continues after the answer that ends the check", AnswersFile)
	case e.Cut != "":
		return unjudged("%s, after the answer that ends the check", e.Cut)
	}
	return nil
}

// asLast returns a Trouble if an answer is the run of the last patch, and an earlier patch relies on
// it that had another kernel.
func (e CheckEvidence) asLast(q Question, a AnswerEvidence) *verdict.Trouble {
	if a.run == nil || q.Patch != len(e.Check.Patches)-1 {
		return nil
	}
	for _, earlier := range e.Answers {
		if earlier.AsLast == "" {
			continue
		}
		for _, lane := range a.run.Lanes {
			for _, boot := range lane.AllBoots() {
				if boot.Boot != nil && boot.Boot.BuildID != earlier.AsLast {
					return unjudged("patch %d, %s: the answer is said to be that of the last patch, but the kernel has the build ID %s, and the last one %s", earlier.Patch, earlier.Name, earlier.AsLast, boot.Boot.BuildID)
				}
			}
		}
	}
	return nil
}

// ended returns the reason why there is no answer to a question.
func (e CheckEvidence) ended(q Question) *verdict.Trouble {
	where := e.Check.Place(q) + ", " + e.Check.Steps[q.Step].Name
	switch {
	case e.Trouble != nil:
		return e.Trouble
	case e.Cut != "":
		return unjudged("%s: %s", where, e.Cut)
	}
	return unjudged("%s: there is no answer: the check has not ended, or was cut off", where)
}

// Judge decides one cell. It returns a Trouble instead if the host could not find out, or
// if the base has a fault in the same step as the patch.
func (c Check) Judge(q Question, a AnswerEvidence) (Cell, *verdict.Trouble) {
	step := c.Steps[q.Step]
	place := c.Place(q) + ", " + step.Name
	if a.Patch != q.Patch+1 || a.Step != q.Step+1 || a.Name != step.Name {
		return Cell{}, unjudged("%s: the answer in its place is of patch %d, step %d, %s", place, a.Patch, a.Step, a.Name)
	}
	fault, why := c.fault(step, a.Found, a.run, a.Dir)
	switch {
	case why != "":
		return Cell{}, unjudged("%s: %s", place, why)
	case fault == "" && a.Base != nil:
		return Cell{}, unjudged("%s: there is no fault, but the base was asked", place)
	case a.AsLast != "" && q.Patch == len(c.Patches)-1:
		return Cell{}, unjudged("%s: the answer of the last patch is said to be that of the last patch", place)
	case a.AsLast != "":
		return Cell{Answer: AsLast}, nil
	case fault == "":
		return Cell{Answer: Faultless}, nil
	case !step.Heavy:
		return Cell{Answer: Faulty, Fault: fault}, nil
	case a.Base == nil:
		return Cell{}, unjudged("%s: the base was not asked whether the fault is its own: %s", place, fault)
	}
	if a.Base.AsLast != "" {
		return Cell{}, unjudged("%s: the answer of the base is said to be that of the last patch", place)
	}
	own, why := c.fault(step, *a.Base, a.baseRun, a.Dir)
	if own+why != "" {
		return Cell{}, unjudged("the base itself, %s: %s", step.Name, own+why)
	}
	return Cell{Answer: Faulty, Fault: fault}, nil
}

// AsksBase reports whether the base has to be asked, because an answer has a fault that may
// be the base's.
func (c Check) AsksBase(q Question, a AnswerEvidence) bool {
	fault, _ := c.fault(c.Steps[q.Step], a.Found, a.run, a.Dir)
	return c.Steps[q.Step].Heavy && fault != ""
}

// fault returns what is wrong with a tree, or "" if nothing is. If that is not known, fault
// is empty and why has the reason.
func (c Check) fault(step Step, f Found, run *verdict.Evidence, dir string) (fault, why string) {
	switch {
	case f.kinds() != 1:
		return "", fmt.Sprintf("the answer has %d of complaints, trouble, run and as_last; it must have one", f.kinds())
	case f.Trouble != nil && f.Trouble.Text == "":
		return "", "the trouble has no text"
	case f.Trouble != nil && f.Trouble.Blame == verdict.BlameKernel:
		return f.Trouble.Text, ""
	case f.Trouble != nil:
		return "", f.Trouble.Text
	case step.Boots != (f.Run != "" || f.AsLast != ""):
		return "", "the answer does not fit this step: a step that boots needs a run, and another step must not have one"
	case f.AsLast != "":
		return "", ""
	case f.Run != "":
		return c.faultOfRun(run, filepath.Join(dir, f.Run))
	case len(f.Complaints) == 0:
		return "", ""
	}
	if fault = strings.Join(f.Complaints, "; "); fault == "" {
		return "", "the complaints have no text"
	}
	return fault, ""
}

// faultOfRun does what fault does for a step that boots. dir is the folder of the run.
func (c Check) faultOfRun(run *verdict.Evidence, dir string) (fault, why string) {
	r := verdict.Judge(*run)
	if r.Verdict == verdict.Passed {
		if r.Run.Base != c.Base {
			return "", fmt.Sprintf("the run in %s is of linux-%s, but the check is of linux-%s", dir, r.Run.Base, c.Base)
		}
		return "", ""
	}
	found := r.Findings[0].Text + "\nevidence " + dir
	if r.Verdict == verdict.Unjudged {
		return "", found
	}
	return found, ""
}

// kinds returns how many of Complaints, Trouble, Run and AsLast are set.
func (f Found) kinds() int {
	n := 0
	for _, is := range []bool{f.Complaints != nil, f.Trouble != nil, f.Run != "", f.AsLast != ""} {
		if is {
			n++
		}
	}
	return n
}

// runs returns the folders of the runs that an answer names.
func (a Answered) runs() []string {
	var all []string
	if a.Run != "" {
		all = append(all, a.Run)
	}
	if a.Base != nil && a.Base.Run != "" {
		all = append(all, a.Base.Run)
	}
	return all
}

func unjudged(format string, args ...any) *verdict.Trouble {
	return &verdict.Trouble{Blame: verdict.BlameHost, Text: fmt.Sprintf(format, args...)}
}
