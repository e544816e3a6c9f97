// SPDX-License-Identifier: BSD-3-Clause

package several

import (
	"path/filepath"

	"timens-vmtest/vmtest/verdict"
)

// Files in the folder of a presubmit of one series, besides those of its check.
const (
	PresubmitFile = "presubmit.json" // Presubmit; written before the first question, and again at the end
	ComparedDir   = "compared"       // a comparison
	CoverageDir   = "coverage"       // a run that measures coverage
)

// Presubmit is what is known about a series besides its patches and its runs.
type Presubmit struct {
	Schema      int        `json:"schema"` // CheckSchema
	Origin      string     `json:"origin"` // of the base
	Toolchain   []string   `json:"toolchain"`
	Countless   bool       `json:"countless,omitempty"` // the series touches no C file of the kernel
	Maintainers []string   `json:"maintainers"`         // nil: the base cannot say
	Commands    [][]string `json:"commands"`
	ABI         []string   `json:"abi"`    // what changes for user space
	Done        bool       `json:"done"`   // the presubmit is complete
	TookS       float64    `json:"took_s"` // host seconds
}

// SubmissionEvidence is the contents of the folder of a presubmit of one series.
type SubmissionEvidence struct {
	Check     CheckEvidence
	Presubmit *Presubmit
	Compared  *verdict.PairEvidence // nil if there was none
	Coverage  *verdict.Evidence     // nil if there was none
}

// LoadSubmission reads the folder of a presubmit. It treats missing and damaged files as
// LoadCheck does.
func LoadSubmission(dir string) (SubmissionEvidence, error) {
	var e SubmissionEvidence
	var err error
	if err := verdict.LoadWhole(filepath.Join(dir, PresubmitFile), &e.Presubmit); err != nil {
		return e, err
	}
	if e.Check, err = LoadCheck(dir); err != nil {
		return e, err
	}
	if compared := filepath.Join(dir, ComparedDir); verdict.Exists(compared) {
		pair, err := verdict.LoadComparison(compared)
		if err != nil {
			return e, err
		}
		e.Compared = &pair
	}
	if counted := filepath.Join(dir, CoverageDir); verdict.Exists(counted) {
		run, err := verdict.Load(counted)
		if err != nil {
			return e, err
		}
		e.Coverage = &run
	}
	return e, nil
}

// Submission is what is known about a series before it is sent.
type Submission struct {
	Series    string
	Variant   string             // see Check
	Base      string             // version
	Origin    string             // of the base
	Local     bool               // the last patch of the matrix has the changes that are not committed
	Toolchain []string           // a line a tool
	Matrix    Matrix             // patch by patch
	Trouble   *verdict.Trouble   // why there is no verdict; nil if there is one
	Whole     bool               // Tests and Coverage were to run; see Checked.Whole
	Tests     verdict.Comparison // without and with the series
	Coverage  verdict.Result     // a run that measured coverage; zero if Countless
	Countless bool               // the series touches no C file of the kernel, so no lines can be counted

	ABI         []string   // what changes for user space
	Maintainers []string   // addresses
	Commands    [][]string // commands that repeat all this, and its parts
	TookS       float64
}

// Verdict returns Passed if the patches, the tests and the coverage pass. If a patch has a
// fault, the tests and the coverage do not matter.
func (s Submission) Verdict() verdict.Verdict {
	if s.Trouble != nil {
		return s.Trouble.Verdict()
	}
	v := s.Matrix.Verdict()
	if v != verdict.Passed {
		return v
	}
	v = s.Tests.Verdict
	if !s.Countless {
		v = v.Worse(s.Coverage.Verdict)
	}
	return v
}

// JudgeSubmission judges a presubmit.
func JudgeSubmission(e SubmissionEvidence) Submission {
	checked := JudgeCheck(e.Check)
	s := Submission{Series: checked.Series, Variant: checked.Variant, Base: checked.Base, Matrix: checked.Matrix, Trouble: checked.Trouble, Whole: checked.Whole()}
	if p := e.Presubmit; p != nil {
		s.Origin, s.Toolchain, s.Countless = p.Origin, p.Toolchain, p.Countless
		s.ABI, s.Maintainers, s.Commands, s.TookS = p.ABI, p.Maintainers, p.Commands, p.TookS
	}
	if s.Trouble != nil {
		return s
	}
	s.Local = e.Check.Check.Patches[len(s.Matrix.Patches)-1].Local
	if s.Whole {
		s.Trouble = s.judgeWhole(e)
	}
	switch {
	case s.Trouble != nil:
	case !e.Check.Check.Presubmit:
		s.Trouble = unjudged("%s belongs to a check, not to a presubmit", CheckFile)
	case e.Presubmit == nil:
		s.Trouble = unjudged("there is no %s: the presubmit was cut off", PresubmitFile)
	case e.Presubmit.Schema != CheckSchema:
		s.Trouble = unjudged("%s has schema %d, this judge knows %d", PresubmitFile, e.Presubmit.Schema, CheckSchema)
	case !e.Presubmit.Done:
		s.Trouble = unjudged("%s is not complete: the presubmit still runs, or was cut off", PresubmitFile)
	}
	return s
}

// judgeWhole judges the runs of the whole series. It returns a Trouble if a run is missing
// or does not belong to the check.
func (s *Submission) judgeWhole(e SubmissionEvidence) *verdict.Trouble {
	if e.Compared == nil {
		return unjudged("there is no folder %s: the tests without and with the series were not compared", ComparedDir)
	}
	s.Tests = verdict.Compare(e.Compared.Base, e.Compared.Series)
	if of := s.Tests.Series.Run.Base; s.Tests.Verdict == verdict.Passed && of != s.Base {
		return unjudged("the runs in %s are of linux-%s, but the check is of linux-%s", ComparedDir, of, s.Base)
	}
	if s.Countless {
		return nil
	}
	if e.Coverage == nil {
		return unjudged("there is no folder %s: the lines that run were not counted", CoverageDir)
	}
	s.Coverage = verdict.Judge(*e.Coverage)
	switch of := s.Coverage.Run.Base; {
	case s.Coverage.Verdict != verdict.Passed:
	case s.Coverage.Coverage == nil:
		return unjudged("the run in %s measured no coverage", CoverageDir)
	case of != s.Base:
		return unjudged("the run in %s is of linux-%s, but the check is of linux-%s", CoverageDir, of, s.Base)
	}
	return nil
}
