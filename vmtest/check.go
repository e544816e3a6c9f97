// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/wire"
	"timens-vmtest/kernel/series"
	"timens-vmtest/vmtest/check"
	"timens-vmtest/vmtest/report"
	"timens-vmtest/vmtest/run"
	"timens-vmtest/vmtest/several"
	"timens-vmtest/vmtest/verdict"
)

func (a *app) registerCheck(set *flag.FlagSet) {
	a.RegisterConfig(set)
	a.RegisterLane(set)
	set.StringVar(&a.Results, "results", "", "`DIR` that takes one folder a check (default results/ of the checkout)")
	set.BoolVar(&a.keepGoing, "keep-going", false, "do not stop at the first fault")
	a.jobs.register(set, "questions about the patches of a series", "1")
}

func (a *app) registerPresubmit(set *flag.FlagSet) {
	a.RegisterTrailers(set)
	a.RegisterTree(set)
	a.registerBase(set)
	a.RegisterSandbox(set)
	a.RegisterStore(set)
	a.registerCheck(set)
}

func (a *app) registerSeriesCheck(set *flag.FlagSet) {
	a.registerPresubmit(set)
	set.Var(&a.steps, "steps", "rules to ask, by commas, of `"+strings.Join(check.StepNames(), ",")+"`; the first six take seconds and need no build (default all)")
}

// seriesCheckVerb holds every patch of some series to the rules for patches.
func seriesCheckVerb(ctx context.Context, a *app, args []string) (int, error) {
	return a.checkEach(ctx, args, "check-", func(c check.Checker, s series.Series, dir string) (verdict.Verdict, *verdict.Trouble, error) {
		checked, err := c.Series(ctx, s, dir)
		a.progress.Clear()
		if err != nil {
			return verdict.Unjudged, nil, fmt.Errorf("series %s, %w", s.Name, err)
		}
		a.github.tell(report.MatrixAnnotations(checked.Matrix)...)
		return checked.Verdict(), checked.Trouble, printCheck(a.github.and(os.Stdout), "series check", checked)
	})
}

// printCheck prints a judged check of one series.
func printCheck(w io.Writer, verb string, c several.Checked) error {
	if c.Trouble != nil {
		report.Trouble(os.Stderr, verb, c.Series, *c.Trouble)
	}
	return report.Checked(w, c)
}

// presubmitVerb asks of some series what a maintainer will: of every patch by
// itself, of the tests without and with the series, and of the lines that it
// changes.
func presubmitVerb(ctx context.Context, a *app, args []string) (int, error) {
	return a.checkEach(ctx, args, "presubmit-", func(c check.Checker, s series.Series, dir string) (verdict.Verdict, *verdict.Trouble, error) {
		sub, err := c.Presubmit(ctx, s, dir, a.commands(s, args))
		a.progress.Clear()
		if err != nil {
			return verdict.Unjudged, nil, fmt.Errorf("series %s, %w", s.Name, err)
		}
		if sub.Trouble == nil {
			if err := report.WriteSubmission(dir, sub); err != nil {
				return verdict.Unjudged, nil, err
			}
		}
		a.github.tell(report.SubmissionAnnotations(sub)...)
		return sub.Verdict(), sub.Trouble, printSubmission(a.github.and(os.Stdout), "presubmit", run.ShortPath(dir), sub)
	})
}

// printSubmission prints a judged presubmit of one series.
func printSubmission(w io.Writer, verb, dir string, s several.Submission) error {
	if s.Trouble == nil {
		return report.Submission(w, dir, s)
	}
	err := report.Matrix(w, s.Matrix)
	report.Trouble(os.Stderr, verb, s.Series, *s.Trouble)
	return err
}

// checkEach checks the series that the command line names, by default all that
// have patches, and stops at the first that has a fault unless it is to go on.
func (a *app) checkEach(ctx context.Context, args []string, what string, one func(check.Checker, series.Series, string) (verdict.Verdict, *verdict.Trouble, error)) (int, error) {
	for _, name := range a.steps {
		if !slices.Contains(check.StepNames(), name) {
			return 0, blame.Usagef("-steps %s: there is no such rule; there are %s", name, strings.Join(check.StepNames(), ","))
		}
	}
	if err := a.OneBase(); err != nil {
		return 0, err
	}
	if name := a.idleFlag(); name != "" {
		return 0, blame.Usagef("-%s would change nothing: none of -steps runs tests; leave it out, or add the rule %s", name, check.Boots)
	}
	if a.Source.Tree != "" && a.Commits == "" && len(args) == 0 {
		return 0, blame.Usagef("-tree %s: name the series to be checked on this tree, or check commits of it by -range BASE..HEAD", a.Source.Tree)
	}
	if a.Commits == "" {
		var err error
		if a.Series, err = a.named(ctx, args); err != nil {
			return 0, err
		}
	} else if len(args) > 0 {
		return 0, blame.Usagef("-range is the series; %s cannot be another one", args[0])
	}
	if err := a.Confine(ctx); err != nil { // now that it is known whose series they are
		return 0, err
	}
	reqs, err := a.Requests(ctx)
	if err != nil {
		return 0, err
	}
	if err := a.Planned(reqs); err != nil {
		return 0, err
	}
	for _, req := range reqs {
		if _, err := check.ExcusesOf(req.Series); err != nil {
			return 0, err
		}
	}
	c, err := check.New(ctx, a.Host, reqs[0], a.keepGoing)
	if err != nil {
		return 0, err
	}
	c.Only = a.steps
	if c.Worker, err = a.worker(); err != nil {
		return 0, err
	}
	if err := a.noteAhead(ctx, reqs); err != nil {
		return 0, err
	}
	dir, err := run.NewFolder(a.Results, what+names(reqs))
	if err != nil {
		return 0, err
	}
	all := taskOf(reqs, a.keepGoing)
	if err := wire.WriteJSON(filepath.Join(dir, several.TaskFile), all); err != nil {
		return 0, err
	}
	var judged []verdict.Verdict
	for _, req := range reqs {
		v, trouble, err := one(c, req.Series, filepath.Join(dir, req.Series.Name))
		if err != nil {
			return 0, err
		}
		judged = append(judged, v)
		if trouble != nil {
			a.github.tell(report.Annotation{Level: report.Error, Title: "vmtest: series " + req.Series.Name, Text: trouble.Text})
		}
		if trouble != nil || all.Ends(v) {
			break
		}
	}
	return all.Verdict(judged).ExitCode(), nil
}

// idleFlag returns the name of a flag that was given for tests which -steps leaves out, or
// "" if there is none.
func (a *app) idleFlag() (name string) {
	if len(a.steps) == 0 || slices.Contains(a.steps, check.Boots) {
		return ""
	}
	var tests flag.FlagSet
	for _, register := range (registrars{suiteFlags, testFlags, bootFlags, (*app).RegisterLane}) {
		register(new(app), &tests)
	}
	tests.VisitAll(func(f *flag.Flag) {
		if name == "" && a.Has(f.Name) {
			name = f.Name
		}
	})
	return name
}

// noteAhead says which of the folders of the series are older than the git trees that
// "series edit" made of them.
func (a *app) noteAhead(ctx context.Context, reqs []run.Request) error {
	for _, req := range reqs {
		if req.Series.Folder == "" {
			continue
		}
		folder, err := filepath.Abs(req.Series.Folder)
		if err != nil {
			return err
		}
		ahead, err := series.Ahead(ctx, a.Host, folder)
		if err != nil {
			return err
		}
		if ahead != "" {
			a.progress.Step("note: %s", ahead)
		}
	}
	return nil
}

// named are the series that the arguments name: without any all that have
// patches.
func (a *app) named(ctx context.Context, args []string) ([]string, error) {
	if len(args) > 0 {
		return args, nil
	}
	names, err := series.Names(a.Checkout.Patches())
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if s, err := series.Load(ctx, a.Host.Sandbox, a.Checkout.Patches(), name); err != nil || len(s.Patches) > 0 {
			args = append(args, name)
		}
	}
	return args, nil
}

// commands are this one and those of its parts. args are the series that this
// one names.
func (a *app) commands(s series.Series, args []string) [][]string {
	given := slices.DeleteFunc(slices.Clone(a.Given), func(arg string) bool {
		name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		return name == "keep-going"
	})
	if a.Commits == "" {
		given = append(given, "-series", a.namedAs(s, args))
	}
	part := func(words ...string) []string { return slices.Concat(os.Args[:1], words, given) }
	return [][]string{slices.Clone(os.Args), part("compare"), part("run", "-coverage")}
}

// namedAs is the argument that stands for a series.
func (a *app) namedAs(s series.Series, args []string) string {
	for _, arg := range args {
		if name := filepath.Base(arg); name == s.Name || name == s.Variant && filepath.Base(filepath.Dir(arg)) == s.Name || strings.TrimSuffix(name, filepath.Ext(name)) == s.Name {
			return arg
		}
	}
	return s.Name
}
