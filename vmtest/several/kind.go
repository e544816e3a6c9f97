// SPDX-License-Identifier: BSD-3-Clause

package several

import (
	"path/filepath"
	"slices"

	"timens-vmtest/internal/wire"
	"timens-vmtest/vmtest/verdict"
)

// Kind is what a folder holds the evidence of. The zero value is the bad case.
type Kind int

// Kinds.
const (
	OfNothing    Kind = iota // known here
	OfRun                    // Load, Judge
	OfComparison             // LoadComparison, Compare
	OfCheck                  // LoadCheck, JudgeCheck; of one series
	OfPresubmit              // LoadSubmission, JudgeSubmission; of one series
	OfSeveral                // LoadTask
)

// KindOf looks at which files there are. Each of the files of a kind makes a folder
// one of that kind, so that one which has lost others is not taken for something less.
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
		if c != nil && c.Presubmit { // it was killed before there was more
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
