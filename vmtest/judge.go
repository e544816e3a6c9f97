// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"timens-vmtest/internal/blame"
	"timens-vmtest/vmtest/report"
	"timens-vmtest/vmtest/several"
	"timens-vmtest/vmtest/verdict"
)

// judgeVerb judges what is stored in a folder again, as the command that left it did.
func judgeVerb(_ context.Context, _ *app, args []string) (int, error) {
	if len(args) != 1 {
		return 0, blame.Usagef("give one folder, such as results/latest")
	}
	dir := args[0]
	if info, err := os.Stat(dir); err != nil {
		return 0, &blame.UsageError{Err: err}
	} else if !info.IsDir() {
		return 0, blame.Usagef("%s is a file; give the folder that it is in", dir)
	}
	kind, err := several.KindOf(dir)
	if err != nil {
		return 0, err
	}
	var v verdict.Verdict
	switch {
	case kind == several.OfSeveral:
		v, err = judgeSeveral(dir)
	case kind == several.OfNothing && holdsLatest(dir):
		v, err = judgeResults(dir)
	case kind == several.OfNothing:
		return 0, blame.Usagef("%s holds no evidence: there is none of %s (a run), %s (a comparison), %s or %s (a check or a presubmit of one series), "+
			"%s (several series), and no link latest (all results); give a folder that \"vmtest run\", \"compare\", \"series check\" or \"presubmit\" has left",
			dir, verdict.RunFile, verdict.PairFile, several.CheckFile, several.PresubmitFile, several.TaskFile)
	default:
		v, err = judgeOne(dir, kind)
	}
	return v.ExitCode(), err
}

// judgeOne judges the folder of one series.
func judgeOne(dir string, kind several.Kind) (verdict.Verdict, error) {
	switch kind {
	case several.OfComparison:
		e, err := verdict.LoadComparison(dir)
		if err != nil {
			return verdict.Unjudged, err
		}
		c := verdict.Compare(e.Base, e.Series)
		report.Comparison(os.Stdout, dir, c)
		return c.Verdict, nil
	case several.OfCheck:
		e, err := several.LoadCheck(dir)
		if err != nil {
			return verdict.Unjudged, err
		}
		c := several.JudgeCheck(e)
		return c.Verdict(), printCheck(os.Stdout, "judge", c)
	case several.OfPresubmit:
		e, err := several.LoadSubmission(dir)
		if err != nil {
			return verdict.Unjudged, err
		}
		s := several.JudgeSubmission(e)
		return s.Verdict(), printSubmission(os.Stdout, "judge", dir, s)
	}
	r, err := judgeRun(dir)
	return r.Verdict, err
}

// judgeRun judges the folder of a run; one that holds nothing, too.
func judgeRun(dir string) (verdict.Result, error) {
	e, err := verdict.Load(dir)
	if err != nil {
		return verdict.Result{}, fmt.Errorf("load %s: %w", dir, err)
	}
	r := verdict.Judge(e)
	report.Text(os.Stdout, dir, r)
	return r, nil
}

// judgeSeveral judges the folders of several series, up to the first that is not there.
func judgeSeveral(dir string) (verdict.Verdict, error) {
	all, err := several.LoadTask(dir)
	if err != nil {
		return verdict.Unjudged, err
	}
	runs := several.Runs{Task: all}
	var judged []verdict.Verdict
	for _, name := range all.Series {
		sub := filepath.Join(dir, name)
		if _, err := os.Stat(sub); errors.Is(err, fs.ErrNotExist) {
			if len(judged) == 0 || !all.Ends(judged[len(judged)-1]) {
				fmt.Fprintf(os.Stderr, "vmtest judge: %s: there is no folder of the series %s: the command ended before it\n", dir, name)
			}
			break
		}
		kind, err := several.KindOf(sub)
		if err != nil {
			return verdict.Unjudged, err
		}
		if kind != several.OfRun && kind != several.OfNothing {
			v, err := judgeOne(sub, kind)
			if err != nil {
				return verdict.Unjudged, err
			}
			judged = append(judged, v)
			continue
		}
		r, err := judgeRun(sub)
		if err != nil {
			return verdict.Unjudged, err
		}
		runs.Results, judged = append(runs.Results, r), append(judged, r.Verdict)
	}
	if len(runs.Results) > 0 && len(runs.Results) == len(judged) {
		report.Combined(os.Stdout, runs)
	}
	return all.Verdict(judged), nil
}

// holdsLatest says that a folder is that of all results.
func holdsLatest(dir string) bool {
	info, err := os.Lstat(filepath.Join(dir, "latest"))
	return err == nil && info.Mode().Type() == fs.ModeSymlink
}

// judgeResults judges each folder of a folder of results: once, and so not by the link
// latest as well.
func judgeResults(dir string) (verdict.Verdict, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return verdict.Unjudged, err
	}
	var names []string
	var judged []verdict.Verdict
	for _, entry := range entries {
		sub := filepath.Join(dir, entry.Name())
		if !entry.IsDir() {
			continue
		}
		kind, err := several.KindOf(sub)
		v := verdict.Unjudged
		switch {
		case err != nil:
		case kind == several.OfSeveral:
			v, err = judgeSeveral(sub)
		default:
			v, err = judgeOne(sub, kind)
		}
		if err != nil { // of one folder: the others can be judged
			fmt.Fprintf(os.Stderr, "vmtest judge: %v\n", err)
			v = verdict.Unjudged
		}
		names, judged = append(names, entry.Name()), append(judged, v)
	}
	report.Folders(os.Stdout, names, judged)
	return several.Overall(judged), nil
}
