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
	kind, err := verdict.KindOf(dir)
	if err != nil {
		return 0, err
	}
	var v verdict.Verdict
	switch {
	case kind == verdict.OfSeveral:
		v, err = judgeSeveral(dir)
	case kind == verdict.OfNothing && holdsLatest(dir):
		v, err = judgeResults(dir)
	case kind == verdict.OfNothing:
		return 0, blame.Usagef("%s holds no evidence: there is none of %s (a run), %s (a comparison), %s or %s (a check or a presubmit of one series), "+
			"%s (several series), and no link latest (all results); give a folder that \"vmtest run\", \"compare\", \"series check\" or \"presubmit\" has left",
			dir, verdict.RunFile, verdict.PairFile, verdict.CheckFile, verdict.PresubmitFile, verdict.SeveralFile)
	default:
		v, err = judgeOne(dir, kind)
	}
	return v.ExitCode(), err
}

// judgeOne judges the folder of one series.
func judgeOne(dir string, kind verdict.Kind) (verdict.Verdict, error) {
	switch kind {
	case verdict.OfComparison:
		e, err := verdict.LoadComparison(dir)
		if err != nil {
			return verdict.Unjudged, err
		}
		c := verdict.Compare(e.Base, e.Series)
		report.Comparison(os.Stdout, dir, c)
		return c.Verdict, nil
	case verdict.OfCheck:
		e, err := verdict.LoadCheck(dir)
		if err != nil {
			return verdict.Unjudged, err
		}
		c := verdict.JudgeCheck(e)
		return c.Verdict(), printCheck("judge", c)
	case verdict.OfPresubmit:
		e, err := verdict.LoadSubmission(dir)
		if err != nil {
			return verdict.Unjudged, err
		}
		s := verdict.JudgeSubmission(e)
		return s.Verdict(), printSubmission("judge", dir, s)
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
	all, err := verdict.LoadSeveral(dir)
	if err != nil {
		return verdict.Unjudged, err
	}
	runs := verdict.Runs{Several: all}
	var judged []verdict.Verdict
	for _, name := range all.Series {
		sub := filepath.Join(dir, name)
		if _, err := os.Stat(sub); errors.Is(err, fs.ErrNotExist) {
			if len(judged) == 0 || !all.Ends(judged[len(judged)-1]) {
				fmt.Fprintf(os.Stderr, "vmtest judge: %s: there is no folder of the series %s: the command ended before it\n", dir, name)
			}
			break
		}
		kind, err := verdict.KindOf(sub)
		if err != nil {
			return verdict.Unjudged, err
		}
		if kind != verdict.OfRun && kind != verdict.OfNothing {
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
		kind, err := verdict.KindOf(sub)
		v := verdict.Unjudged
		switch {
		case err != nil:
		case kind == verdict.OfSeveral:
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
	return verdict.Overall(judged), nil
}
