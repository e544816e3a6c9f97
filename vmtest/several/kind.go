// SPDX-License-Identifier: BSD-3-Clause

package several

import (
	"path/filepath"
	"slices"

	"timens-vmtest/internal/wire"
	"timens-vmtest/vmtest/verdict"
)

// Kind says what a folder has the evidence of. The zero value is the bad case.
type Kind int

// The kinds, with the functions that load and judge them.
const (
	OfNothing    Kind = iota // nothing that this package knows
	OfRun                    // Load, Judge
	OfComparison             // LoadComparison, Compare
	OfCheck                  // LoadCheck, JudgeCheck; of one series
	OfPresubmit              // LoadSubmission, JudgeSubmission; of one series
	OfSeveral                // LoadTask
)

// KindOf returns the kind of a folder by the files in it. One file of a kind is enough. So
// a presubmit that has lost some of its files is not taken for a check.
func KindOf(dir string) (Kind, error) {
	has := func(names ...string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return verdict.Exists(filepath.Join(dir, name)) })
	}
	switch {
	case has(TaskFile):
		return OfSeveral, nil
	case has(PresubmitFile):
		return OfPresubmit, nil
	case has(CheckFile, AnswersFile):
		var c *Check
		err := verdict.LoadWhole(filepath.Join(dir, CheckFile), &c)
		if c != nil && c.Presubmit { // it was killed before it wrote more
			return OfPresubmit, err
		}
		return OfCheck, err
	case has(verdict.PairFile):
		return OfComparison, nil
	case has(verdict.RunFile, verdict.TroubleFile, verdict.ExpectFile, verdict.AllowFile, wire.Real, wire.Virtual):
		return OfRun, nil
	}
	return OfNothing, nil
}
