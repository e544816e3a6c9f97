// SPDX-License-Identifier: BSD-3-Clause

// Package several decides about several runs from the verdicts of each: runs of several
// series, the matrix of patches and rules, a presubmit. Like package verdict it reads the
// evidence in a folder and nothing else.
package several

import (
	"fmt"
	"path/filepath"
	"slices"

	"timens-vmtest/vmtest/verdict"
)

// TaskFile makes a folder that of several series, each in a folder of its name. It
// holds a Task, and is written before the first of them.
const TaskFile = "series.json"

// Task is what a command was to do with several series.
type Task struct {
	Series    []string `json:"series"`     // in their order
	KeepGoing bool     `json:"keep_going"` // it does not stop at the first that has not passed
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
			return Task{}, fmt.Errorf("%s: %q is no folder in it, or is there twice", path, name)
		}
	}
	return *s, nil
}

// Ends says that no series comes behind one with this verdict.
func (s Task) Ends(v verdict.Verdict) bool { return v != verdict.Passed && !s.KeepGoing }

// Verdict is that of all series together, of which the first were judged. The others
// may be missing only behind one that ends the command.
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

// Overall is the verdict of several things together.
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
	Results []verdict.Result // of the first of Series, in their order
}

// Verdict is that of all runs together.
func (r Runs) Verdict() verdict.Verdict {
	var judged []verdict.Verdict
	for _, one := range r.Results {
		judged = append(judged, one.Verdict)
	}
	return r.Task.Verdict(judged)
}
