// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"

	"timens-vmtest/internal/blame"
	"timens-vmtest/kernel/patch"
	"timens-vmtest/kernel/series"
	"timens-vmtest/vmtest/run"
	"timens-vmtest/vmtest/verdict"
)

// requests are the runs that the flags ask for, one for each series. Whatever can be
// wrong with a file that the flags name is found here, before anything is made of it.
func (a *app) requests(ctx context.Context) ([]run.Request, error) {
	if err := a.checkBase(ctx); err != nil {
		return nil, err
	}
	return a.unchecked(ctx)
}

// unchecked is requests of a base that was not looked at.
func (a *app) unchecked(ctx context.Context) ([]run.Request, error) {
	common, err := a.request()
	if err != nil {
		return nil, err
	}
	var extra []patch.Patch
	for _, path := range a.patches {
		some, err := patch.Load(ctx, a.host.Sandbox, path)
		if err != nil {
			return nil, err
		}
		for _, p := range some {
			p.Extra = true
			extra = append(extra, p)
		}
	}
	all, err := a.loadSeries(ctx)
	if err != nil {
		return nil, err
	}
	common.Base = a.source // loading a range has found its commit
	var reqs []run.Request
	for _, s := range all {
		if slices.ContainsFunc(reqs, func(r run.Request) bool { return r.Series.Name == s.Name }) {
			return nil, blame.Usagef("-series: there are two series %s", s.Name)
		}
		if _, err := verdict.ParseFloor(s.Floor); err != nil {
			return nil, blame.Usagef("series %s: %w", s.Name, err)
		}
		s.Patches = append(s.Patches, extra...)
		if err := distinct(s.Patches); err != nil {
			return nil, err
		}
		if a.coverage && !s.Countable() {
			return nil, blame.Usagef("-coverage: the series %s touches no source of the kernel whose lines could be counted", s.Name)
		}
		req := common
		if req.Series, err = a.checkout.Complete(s); err != nil {
			return nil, err
		}
		reqs = append(reqs, req)
	}
	return reqs, nil
}

// distinct makes sure that no two patches have one file name: a run keeps them in one
// folder.
func distinct(patches []patch.Patch) error {
	seen := make(map[string]bool)
	for _, p := range patches {
		if seen[p.Name] {
			return blame.Usagef("-patch: there are two patches %s; copy one to another name", p.Name)
		}
		seen[p.Name] = true
	}
	return nil
}

// checkBase finds what is wrong with the flags of the base. Only a download shows that
// a tarball has another digest; it stays in the cache.
func (a *app) checkBase(ctx context.Context) error {
	if tree := a.source.Tree; tree != "" {
		if info, err := os.Stat(tree); errors.Is(err, fs.ErrNotExist) {
			return blame.Usagef("-tree %s: %s", tree, noSuchPath(tree))
		} else if err == nil && !info.IsDir() {
			return blame.Usagef("-tree %s is no folder", tree)
		}
	}
	if a.commits != "" { // BASE is looked at, not what is checked out
		return nil
	}
	if err := a.source.Check(); err != nil || a.source.URL == "" {
		return err
	}
	_, err := a.source.Fetch(ctx, a.host)
	return err
}

// planned refuses requests that select no test, before anything is built for them.
func (a *app) planned(reqs []run.Request) error {
	for _, req := range reqs {
		_, err := req.Plan()
		if none, ok := errors.AsType[*run.NothingPlanned](err); ok {
			near := ""
			if name := nearestTest(a.run, none.Tests); a.run != "" && name != "" {
				near = "; did you mean " + name + "?"
			}
			return blame.Usagef("%w%s", err, near)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// request is what the flags say of every series.
func (a *app) request() (run.Request, error) {
	more := slices.Clone(a.configs)
	if a.coverage {
		more = append(more, "coverage")
	}
	config, err := a.checkout.Config(more...)
	if err != nil {
		return run.Request{}, err
	}
	allow, err := a.checkout.Allow()
	return run.Request{
		Checkout: a.checkout, Base: a.source, Config: config, Allow: allow, Design: a.design,
		Tests: a.tests, Match: a.match, Timeout: a.timeout, Long: a.long,
		Lanes: lanes[a.lane], Accel: a.accel, Coverage: a.coverage, Forget: a.forget, Verbose: a.verbose,
		Command: os.Args,
	}, err
}

// loadSeries reads the series that the flags name: without any, the tree alone.
func (a *app) loadSeries(ctx context.Context) ([]series.Series, error) {
	if a.commits != "" {
		s, base, err := series.LoadRange(ctx, a.host, a.source.Tree, a.commits)
		a.source.Commit = base
		if err == nil {
			s.Foreign, err = a.origin("", s)
		}
		return []series.Series{s}, err
	}
	if len(a.series) == 0 { // a tree that is to be tested as it stands
		if a.coverage {
			return nil, blame.Usagef("-coverage: give the series whose lines are to be counted, by -series or -range")
		}
		tree := series.Series{Name: "tree", InTree: true}
		var err error
		tree.Foreign, err = a.origin("", tree)
		return []series.Series{tree}, err
	}
	var all []series.Series
	for _, which := range a.series {
		s, err := series.Load(ctx, a.host.Sandbox, a.checkout.Patches(), which)
		if err != nil {
			return nil, err
		}
		if s.Foreign, err = a.origin(which, s); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// oneRequest is requests where one series only can be meant.
func (a *app) oneRequest(ctx context.Context) (run.Request, error) {
	reqs, err := a.requests(ctx)
	if err != nil {
		return run.Request{}, err
	}
	if len(reqs) != 1 {
		return run.Request{}, blame.Usagef("-series: this verb takes one, not %d", len(reqs))
	}
	return reqs[0], nil
}

// names are those of the requests' series, for a folder.
func names(reqs []run.Request) string {
	var all []string
	for _, r := range reqs {
		all = append(all, r.Series.Name)
	}
	return strings.Join(all, "+")
}
