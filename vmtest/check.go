package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"timens-vmtest/kconfig"
	"timens-vmtest/kernel"
	"timens-vmtest/vmtest/report"
	"timens-vmtest/vmtest/verdict"
)

func (f *flags) registerCheck(set *flag.FlagSet) {
	f.registerConfig(set)
	f.registerLane(set)
	set.StringVar(&f.results, "results", "", "`DIR` that takes one folder a check (default results/ of the checkout)")
	set.BoolVar(&f.keepGoing, "keep-going", false, "do not stop at the first fault")
}

// seriesCheckVerb holds every patch of some series to the rules for patches.
func seriesCheckVerb(ctx context.Context, a *app, args []string) (int, error) {
	return a.checkEach(ctx, args, "check-", func(ctx context.Context, c checker, s kernel.Series) (verdict.Verdict, error) {
		began := time.Now()
		m, err := c.fill(ctx, s)
		fmt.Printf("series %s on linux-%s\n", s.Name, c.base.Version)
		if werr := report.Matrix(os.Stdout, m); werr != nil {
			return verdict.Unjudged, werr
		}
		if err != nil {
			return verdict.Unjudged, fmt.Errorf("series %s, %w", s.Name, interrupted(ctx, err))
		}
		report.Checked(os.Stdout, m, time.Since(began))
		return m.Verdict(), nil
	})
}

// checker holds one series to the rules.
type checker struct {
	*app
	in       inputs
	base     kernel.Base
	timeless kconfig.Config        // without time namespaces
	control  []verdict.Expectation // of the base
	dir      string                // takes the evidence
	excuses  []kernel.Excuse
	sources  []string // that any of the patches touches
}

// checkEach checks the series that the command line names, by default all that
// have patches, and stops at the first that has a fault unless it is to go on.
func (a *app) checkEach(ctx context.Context, args []string, what string, check func(context.Context, checker, kernel.Series) (verdict.Verdict, error)) (int, error) {
	if a.commits == "" {
		var err error
		if a.series, err = a.named(ctx, args); err != nil {
			return 0, err
		}
	} else if len(args) > 0 {
		return 0, usagef("-range is the series; %s cannot be another one", args[0])
	}
	ctx, err := a.confine(ctx) // now that it is known whose series they are
	if err != nil {
		return 0, err
	}
	c, err := a.newChecker(ctx)
	if err != nil {
		return 0, err
	}
	dir, err := newFolder(a.results, what+c.in.names())
	if err != nil {
		return 0, err
	}
	all := verdict.Passed
	for _, s := range c.in.series {
		s, err := a.settle(ctx, c.in, s)
		if err != nil {
			return 0, err
		}
		one, err := c.of(s, filepath.Join(dir, s.Name))
		if err != nil {
			return 0, err
		}
		v, err := check(ctx, one, s)
		if err != nil {
			return 0, err
		}
		if all = all.Worse(v); all != verdict.Passed && !a.keepGoing {
			break
		}
	}
	return all.ExitCode(), nil
}

// named are the series that the arguments name: without any all that have
// patches.
func (a *app) named(ctx context.Context, args []string) ([]string, error) {
	if len(args) > 0 {
		return args, nil
	}
	names, err := kernel.Names(a.patchesDir())
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if s, err := kernel.LoadSeries(ctx, a.patchesDir(), name); err != nil || len(s.Patches) > 0 {
			args = append(args, name)
		}
	}
	return args, nil
}

// newChecker reads what the checks of all series have in common.
func (a *app) newChecker(ctx context.Context) (checker, error) {
	c := checker{app: a}
	var err error
	if c.in, err = a.loadInputs(ctx); err != nil {
		return c, err
	}
	for _, s := range c.in.series {
		if _, err := excusesOf(s); err != nil {
			return c, err
		}
	}
	if c.timeless, err = kconfig.Load(filepath.Join(a.root, "kconfig", "no-timens.config")); err != nil {
		return c, err
	}
	control, err := a.loadControl(ctx, c.in)
	if err != nil {
		return c, err
	}
	if c.control, err = verdict.ParseExpect(control.Expect); err != nil {
		return c, err
	}
	c.base, err = a.source.Fetch(ctx, a.cache, a.progress)
	return c, err
}

// of is a checker for one of the series.
func (c checker) of(s kernel.Series, dir string) (checker, error) {
	var err error
	if c.excuses, err = excusesOf(s); err != nil {
		return c, err
	}
	c.dir, c.sources = dir, s.Sources()
	return c, os.MkdirAll(dir, 0o755)
}

// excusesOf are a series' excuses. It refuses those for patches that the series
// does not have, and a series without patches.
func excusesOf(s kernel.Series) ([]kernel.Excuse, error) {
	if len(s.Patches) == 0 {
		return nil, usagef("series %s has no patches to check", s.Name)
	}
	excuses, err := kernel.ParseExcuses(s.Excuses)
	if err != nil {
		return nil, usagef("series %s: %w", s.Name, err)
	}
	for _, e := range excuses {
		if !slices.ContainsFunc(s.Patches, func(p kernel.Patch) bool { return p.Name == e.Patch }) {
			return nil, usagef("series %s: checkpatch:%d names %s, which is no patch of it", s.Name, e.Line, e.Patch)
		}
	}
	return excuses, nil
}

// fill asks all patches all rules.
func (c checker) fill(ctx context.Context, s kernel.Series) (verdict.Matrix, error) {
	m, err := fill(ctx, s, c.steps(), c.keepGoing, func(format string, args ...any) {
		c.progress.Step("%s "+format, append([]any{s.Name}, args...)...)
	})
	c.progress.clear()
	return m, err
}
