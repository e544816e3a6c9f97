// SPDX-License-Identifier: BSD-3-Clause

// Package several judges several runs together: runs of several series, the matrix of
// patches and rules, a presubmit. Like package verdict it reads only the evidence in a
// folder.
package several

import (
	"fmt"
	"path/filepath"
	"slices"

	"timens-vmtest/vmtest/verdict"
)

// TaskFile has a Task. A folder with this file has the evidence of several series, each in
// a folder with its name. The file is written before the first series.
const TaskFile = "series.json"

// Task is what a command was to do with several series.
type Task struct {
	Series    []string `json:"series"`     // in their order
	KeepGoing bool     `json:"keep_going"` // do not stop at the first series that does not pass
}

// LoadTask reads the names of the series in a folder.
func LoadTask(dir string) (Task, error) {
	path := filepath.Join(dir, TaskFile)
	var s *Task
	switch err := verdict.LoadWhole(path, &s); {
	case err != nil:
		return Task{}, err
	case s == nil:
		return Task{}, fmt.Errorf("there is no %s", path)
	}
	for i, name := range s.Series {
		if name == "" || !filepath.IsLocal(name) || slices.Contains(s.Series[:i], name) {
			return Task{}, fmt.Errorf("%s: %q is not the name of a folder in this folder, or is listed twice", path, name)
		}
	}
	return *s, nil
}

// Ends reports whether a series with this verdict is the last one that is tested.
func (s Task) Ends(v verdict.Verdict) bool { return v != verdict.Passed && !s.KeepGoing }

// Verdict returns the verdict of all series together. judged has the verdicts of the first
// of them, in order. The others may be missing only if the last one of judged ended the
// command.
func (s Task) Verdict(judged []verdict.Verdict) verdict.Verdict {
	if len(judged) == 0 || len(judged) > len(s.Series) {
		return verdict.Unjudged
	}
	all := Overall(judged)
	if len(judged) < len(s.Series) && !s.Ends(judged[len(judged)-1]) {
		return all.Worse(verdict.Unjudged)
	}
	return all
}

// Overall returns the worst of several verdicts, or Unjudged if there are none.
func Overall(judged []verdict.Verdict) verdict.Verdict {
	if len(judged) == 0 {
		return verdict.Unjudged
	}
	all := verdict.Passed
	for _, v := range judged {
		all = all.Worse(v)
	}
	return all
}

// Runs are the judged runs of several series.
type Runs struct {
	Task
	Results []verdict.Result // of the first Series, in their order
}

// Verdict returns the verdict of all runs together.
func (r Runs) Verdict() verdict.Verdict {
	var judged []verdict.Verdict
	for _, one := range r.Results {
		judged = append(judged, one.Verdict)
	}
	return r.Task.Verdict(judged)
}
