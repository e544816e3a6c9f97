// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"timens-vmtest/internal/blame"
	"timens-vmtest/kernel/kbuild"
	"timens-vmtest/kernel/patch"
	"timens-vmtest/kernel/series"
	"timens-vmtest/kernel/source"
	"timens-vmtest/vmtest/run"
	"timens-vmtest/vmtest/several"
	"timens-vmtest/vmtest/verdict"
)

// requests returns the runs that the flags ask for: one for each base and series. Whatever
// can be wrong with a file that the flags name is found here, before anything is made of it.
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
	bases := a.sources() // only now: loading a range has found its commit
	var reqs []run.Request
	for i, s := range all {
		if slices.ContainsFunc(all[:i], func(other series.Series) bool { return other.Name == s.Name }) {
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
	return onEach(bases, reqs), nil
}

// sources returns the bases that the flags name.
func (a *app) sources() []source.Spec {
	if len(a.baseSpecs) > 1 {
		return a.baseSpecs
	}
	return []source.Spec{a.source}
}

// onEach returns the requests for each of the bases.
func onEach(bases []source.Spec, reqs []run.Request) []run.Request {
	var all []run.Request
	for _, base := range bases {
		for _, req := range reqs {
			req.Base = base
			all = append(all, req)
		}
	}
	return all
}

// oneBase refuses a list of bases, for verbs that work on one.
func (a *app) oneBase() error {
	if len(a.bases) > 1 {
		return blame.Usagef("-base: this verb takes one, not %d; \"vmtest run\" takes several", len(a.bases))
	}
	return nil
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
	for _, base := range a.sources() {
		if err := base.Check(); err != nil {
			return err
		}
	}
	if a.source.URL == "" {
		return nil
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
		Checkout: a.checkout, Base: a.source, Config: config, Make: kbuild.MakeVars(a.makeVars), Prebuilt: a.prebuilt, Allow: allow, Design: a.design,
		Tests: a.tests, Match: a.match, Timeout: a.timeout, Long: a.long,
		Lanes: lanes[a.lane], Accel: a.accel, Coverage: a.coverage, Forget: a.forget, FailFast: a.failFast, Verbose: a.verbose,
		Command: os.Args,
	}, err
}

// loadSeries reads the series that the flags name: without any, the tree alone.
func (a *app) loadSeries(ctx context.Context) ([]series.Series, error) {
	if a.trailers && (a.commits != "" || len(a.series) == 0) {
		return nil, blame.Usagef("-trailers: there is no mailbox whose replies could give any; give one by -series, or leave the flag out")
	}
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
		s, err := a.loadOne(ctx, which)
		if err != nil {
			return nil, err
		}
		a.sayThread(s.Thread)
		if s.Foreign, err = a.origin(which, s); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// oneRequest is requests where one series only can be meant.
func (a *app) oneRequest(ctx context.Context) (run.Request, error) {
	if err := a.oneBase(); err != nil {
		return run.Request{}, err
	}
	reqs, err := a.requests(ctx)
	if err != nil {
		return run.Request{}, err
	}
	if len(reqs) != 1 {
		return run.Request{}, blame.Usagef("-series: this verb takes one, not %d", len(reqs))
	}
	return reqs[0], nil
}

// names returns a name for the folder of some requests: their bases, if there are several,
// and their series.
func names(reqs []run.Request) string {
	var bases, all []string
	for _, r := range reqs {
		if name := r.Base.Name(); !slices.Contains(bases, name) {
			bases = append(bases, name)
		}
		if !slices.Contains(all, r.Series.Name) {
			all = append(all, r.Series.Name)
		}
	}
	name := strings.Join(all, "+")
	if len(bases) > 1 {
		name = strings.Join(bases, "+") + "-" + name
	}
	return name
}

// taskOf returns what is to be done for some requests. Each has a folder: that of its
// series, in that of its base if there are several bases.
func taskOf(reqs []run.Request, keepGoing bool) several.Task {
	t := several.Task{KeepGoing: keepGoing}
	for _, req := range reqs {
		folder := req.Series.Name
		if slices.ContainsFunc(reqs, func(other run.Request) bool { return other.Base != req.Base }) {
			folder = filepath.Join(req.Base.Name(), folder)
		}
		t.Series = append(t.Series, folder)
	}
	return t
}
