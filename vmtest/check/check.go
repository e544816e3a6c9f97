// SPDX-License-Identifier: BSD-3-Clause

// Package check asks of a series what a maintainer asks. Of every patch: does it keep to
// the form, apply, build without warnings and boot? Of the whole series: which tests prove
// it, and which of its lines do they run?
package check

import (
	"context"
	"slices"
	"sync"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/reasons"
	"timens-vmtest/kconfig"
	"timens-vmtest/kernel"
	"timens-vmtest/kernel/patch"
	"timens-vmtest/kernel/series"
	"timens-vmtest/kernel/source"
	"timens-vmtest/vmtest/run"
	"timens-vmtest/vmtest/several"
	"timens-vmtest/vmtest/verdict"
	"timens-vmtest/vmtest/worker"
)

// Checker checks series against the rules.
type Checker struct {
	host.Host
	Request   run.Request   // for the run of a whole series; its Series is replaced
	KeepGoing bool          // do not stop at the first fault
	Only      []string      // names of the rules that are checked, see StepNames; nil: all
	Worker    worker.Worker // asks the questions about a series

	base     source.Base
	timeless kconfig.Config        // the configuration without time namespaces
	control  []verdict.Expectation // expectations of the unpatched kernel
}

// New returns a Checker. It reads what the checks of all series share.
func New(ctx context.Context, h host.Host, req run.Request, keepGoing bool) (Checker, error) {
	c := Checker{Host: h, Request: req, KeepGoing: keepGoing}
	without, err := req.Checkout.Fragment("no-timens")
	if err != nil {
		return c, err
	}
	c.timeless = req.Config.Merge(without)
	control, err := req.Checkout.Control(ctx, h)
	if err != nil {
		return c, err
	}
	if c.control, err = verdict.ParseExpect(control.Expect); err != nil {
		return c, err
	}
	c.base, err = req.Base.Fetch(ctx, h)
	return c, err
}

// Base returns the version of the base.
func (c Checker) Base() string { return c.base.Version }

// Series checks all patches of a series against all rules and judges the evidence. It makes
// the folder dir for the evidence. An error means that there is nothing to judge.
func (c Checker) Series(ctx context.Context, s series.Series, dir string) (several.Checked, error) {
	one, err := c.of(s, dir)
	if err != nil {
		return several.Checked{}, err
	}
	if err := one.begin(false); err != nil {
		return several.Checked{}, err
	}
	if err := one.trouble(ctx, one.ask(ctx)); err != nil {
		return several.Checked{}, err
	}
	e, err := several.LoadCheck(run.ShortPath(dir))
	return several.JudgeCheck(e), err
}

// checking is the check of one series.
type checking struct {
	Checker
	series   series.Series
	dir      string // where the evidence goes
	evidence evidence
	steps    []step
	leftOut  []string      // rules that are not checked
	plan     several.Check // has these steps
	excuses  []excuse
	sources  []string // C files that the patches touch
	trees    trees
}

// trees are the trees with the first n patches applied, by n.
type trees struct {
	sync.Mutex
	made map[int]kernel.Tree
}

// of returns the check of one series, before its first question.
func (c Checker) of(s series.Series, dir string) (*checking, error) {
	excuses, err := ExcusesOf(s)
	if err != nil {
		return nil, err
	}
	one := &checking{Checker: c, series: s, dir: dir, excuses: excuses, sources: s.Sources(), trees: trees{made: make(map[int]kernel.Tree)}}
	one.steps = one.rules()
	return one, one.leaveOut()
}

// ask finds out the design of the series, and then asks all questions.
func (c *checking) ask(ctx context.Context) error {
	c.Request.Series = c.series
	var err error
	if c.Request, err = c.Request.Settle(ctx, c.Host); err != nil {
		return err
	}
	c.series = c.Request.Series
	return c.fill(ctx)
}

// tree returns the base with the patches up to one of them. It makes each tree once.
func (c *checking) tree(ctx context.Context, at prefix) (kernel.Tree, error) {
	c.trees.Lock()
	defer c.trees.Unlock()
	n := len(at.series.Patches)
	if t, ok := c.trees.made[n]; ok {
		return t, nil
	}
	t, err := kernel.Apply(ctx, at.on, c.base, at.series)
	if err == nil {
		c.trees.made[n] = t
	}
	return t, err
}

// ExcusesOf returns a series' excuses. It refuses a series without patches, and an excuse
// for a patch that the series does not have.
func ExcusesOf(s series.Series) ([]excuse, error) {
	if len(s.Patches) == 0 {
		return nil, blame.Usagef("series %s has no patches to check; \"vmtest series export %s\" writes the commits of its git tree there", s.Name, s.Name)
	}
	excuses, err := parseExcuses(s.Excuses)
	if err != nil {
		return nil, blame.Usagef("series %s: %w", s.Name, err)
	}
	has := func(e excuse) bool {
		return slices.ContainsFunc(s.Patches, func(p patch.Patch) bool { return p.Name == e.Patch })
	}
	for _, e := range reasons.Unmatched(excuses, has) {
		return nil, blame.Usagef("series %s: %s names %s, which is not a patch of this series", s.Name, e.Place(), e.Patch)
	}
	return excuses, nil
}
