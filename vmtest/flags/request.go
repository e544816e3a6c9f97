// SPDX-License-Identifier: BSD-3-Clause

package flags

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/nearest"
	"timens-vmtest/internal/wire"
	"timens-vmtest/kconfig"
	"timens-vmtest/kernel"
	"timens-vmtest/kernel/kbuild"
	"timens-vmtest/kernel/patch"
	"timens-vmtest/kernel/series"
	"timens-vmtest/kernel/source"
	"timens-vmtest/vmtest/run"
	"timens-vmtest/vmtest/verdict"
)

// Requests returns the runs that the flags ask for: one for each base and series. Whatever
// can be wrong with a file that the flags name is found here, before anything is made of it.
func (c *Command) Requests(ctx context.Context) ([]run.Request, error) {
	if err := c.checkBase(ctx); err != nil {
		return nil, err
	}
	return c.requestsOf(ctx, c.meant)
}

// Unchecked returns what Requests returns, without a look at the base. Of a series with variants, it is the
// one in the series' own folder.
func (c *Command) Unchecked(ctx context.Context) ([]run.Request, error) {
	return c.requestsOf(ctx, func(_ context.Context, _ source.Spec, s series.Series) (series.Series, error) { return s, nil })
}

// requestsOf returns the runs that the flags ask for. meant returns the variant of a series
// for a base.
func (c *Command) requestsOf(ctx context.Context, meant func(context.Context, source.Spec, series.Series) (series.Series, error)) ([]run.Request, error) {
	common, err := c.Request()
	if err != nil {
		return nil, err
	}
	var extra []patch.Patch
	for _, path := range c.patches {
		some, err := patch.Load(ctx, c.Host.Sandbox, path)
		if err != nil {
			return nil, err
		}
		for _, p := range some {
			p.Extra = true
			extra = append(extra, p)
		}
	}
	all, err := c.loadSeries(ctx)
	if err != nil {
		return nil, err
	}
	for i, s := range all {
		if slices.ContainsFunc(all[:i], func(other series.Series) bool { return other.Name == s.Name }) {
			return nil, blame.Usagef("-series: there are two series %s", s.Name)
		}
	}
	var reqs []run.Request
	for _, base := range c.sources() { // only now: loading a range has found its commit
		for _, s := range all {
			req := common
			req.Base = base
			if s, err = meant(ctx, base, s); err != nil {
				return nil, err
			}
			if req.Series, err = c.completed(s, extra); err != nil {
				return nil, err
			}
			req.ShareKernel = c.shares(req.Series)
			reqs = append(reqs, req)
		}
	}
	return reqs, nil
}

// completed returns a series with the extra patches on top and with what every kernel gets
// wrong. It refuses a series that cannot be run.
func (c *Command) completed(s series.Series, extra []patch.Patch) (series.Series, error) {
	if _, err := verdict.ParseFloor(s.Floor); err != nil {
		return s, blame.Usagef("series %s: %w", s.Name, err)
	}
	s.Patches = slices.Concat(s.Patches, extra)
	if err := distinct(s.Patches); err != nil {
		return s, err
	}
	if c.coverage && !s.Countable() {
		return s, blame.Usagef("-coverage: the series %s touches no source of the kernel whose lines could be counted", s.Name)
	}
	return c.Checkout.Complete(s)
}

// sources returns the bases that the flags name.
func (c *Command) sources() []source.Spec {
	if len(c.baseSpecs) > 1 {
		return c.baseSpecs
	}
	return []source.Spec{c.Source}
}

// OneBase refuses a list of bases, for verbs that work on one.
func (c *Command) OneBase() error {
	if len(c.Bases) > 1 {
		return blame.Usagef("-base: this verb takes one, not %d; \"vmtest run\" takes several", len(c.Bases))
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
func (c *Command) checkBase(ctx context.Context) error {
	if tree := c.Source.Tree; tree != "" {
		if info, err := os.Stat(tree); errors.Is(err, fs.ErrNotExist) {
			return blame.Usagef("-tree %s: %s", tree, nearest.NoSuchPath(tree))
		} else if err == nil && !info.IsDir() {
			return blame.Usagef("-tree %s is no folder", tree)
		}
	}
	if c.Commits != "" { // BASE is looked at, not what is checked out
		return nil
	}
	for _, base := range c.sources() {
		if err := base.Check(); err != nil {
			return err
		}
	}
	if c.prebuilt != "" {
		version, err := source.TreeVersion(c.Source.Tree)
		if err != nil {
			return err
		}
		return kernel.CheckBuiltFrom(c.prebuilt, c.Source.Tree, version)
	}
	if c.Source.URL == "" {
		return nil
	}
	_, err := c.Source.Fetch(ctx, c.Host)
	return err
}

// Planned refuses requests that select no test, before anything is built for them.
func (c *Command) Planned(reqs []run.Request) error {
	for _, req := range reqs {
		_, err := req.Plan()
		if none, ok := errors.AsType[*run.NothingPlanned](err); ok {
			near := ""
			if name := nearestTest(c.Run, none.Tests); c.Run != "" && name != "" {
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

// Request returns what the flags say of every series.
func (c *Command) Request() (run.Request, error) {
	more := slices.Clone(c.Configs)
	if c.coverage {
		more = append(more, "coverage")
	}
	if c.trace != nil {
		more = append(more, "trace")
	}
	config, err := c.Checkout.Config(more...)
	if err != nil {
		return run.Request{}, err
	}
	if c.prebuilt != "" {
		config = config.Full()
	}
	if c.Start != "" {
		if config, err = onTop(config, c.Start); err != nil {
			return run.Request{}, err
		}
	}
	allow, err := c.Checkout.Allow()
	return run.Request{
		Checkout: c.Checkout, Base: c.Source, Config: config, Make: kbuild.MakeVars(c.MakeVars), Prebuilt: c.prebuilt, Allow: allow, Design: c.Design,
		Tests: c.Tests, Match: c.match, Timeout: c.Timeout, Long: c.Long,
		Lanes: Lanes[c.Lane], Shards: int(c.shards), Accel: c.Accel, Coverage: c.coverage, Forget: c.forget, Order: c.order, FailFast: c.failFast, Verbose: c.verbose,
		Command: os.Args, Guest: c.guest, With: c.with, Share: c.share, BreakPatch: c.patchStop, Vmcore: c.vmcore, Trace: c.trace, Record: c.record,
	}, err
}

// onTop puts the requests on top of a .config or defconfig of the user's.
func onTop(c kconfig.Config, path string) (kconfig.Config, error) {
	text, err := cache.ReadRegular(path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, blame.Usagef("-config-base %s: %s", path, nearest.NoSuchPath(path))
	}
	if err != nil {
		return c, blame.Usagef("-config-base: %w", err)
	}
	if c, err = c.On(kconfig.Start{File: path, Text: text}); err != nil {
		return c, blame.Usagef("-config-base %w", err)
	}
	return c, nil
}

// loadSeries reads the series that the flags name: without any, the tree alone.
func (c *Command) loadSeries(ctx context.Context) ([]series.Series, error) {
	if c.trailers && (c.Commits != "" || len(c.Series) == 0) {
		return nil, blame.Usagef("-trailers: there is no mailbox whose replies could give any; give one by -series, or leave the flag out")
	}
	if c.Commits != "" {
		s, base, err := series.LoadRange(ctx, c.Host, c.Source.Tree, c.Commits)
		c.Source.Commit = base
		if err == nil {
			s.Foreign, err = c.origin("", s)
		}
		return []series.Series{s}, err
	}
	if len(c.Series) == 0 { // a tree that is to be tested as it stands
		if c.coverage {
			return nil, blame.Usagef("-coverage: give the series whose lines are to be counted, by -series or -range")
		}
		tree := series.Series{Name: "tree", InTree: true}
		var err error
		tree.Foreign, err = c.origin("", tree)
		return []series.Series{tree}, err
	}
	var all []series.Series
	for _, which := range c.Series {
		s, err := c.LoadOne(ctx, which)
		if err != nil {
			return nil, err
		}
		c.sayThread(s.Thread)
		if s.Foreign, err = c.origin(which, s); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// OneRequest returns the request of a verb that works on one base and one series. More of
// them are a usage error.
func (c *Command) OneRequest(ctx context.Context) (run.Request, error) {
	if err := c.OneBase(); err != nil {
		return run.Request{}, err
	}
	if len(c.Series) > 1 { // before a base is fetched for their variants
		return run.Request{}, blame.Usagef("-series: this verb takes one, not %d", len(c.Series))
	}
	reqs, err := c.Requests(ctx)
	if err != nil {
		return run.Request{}, err
	}
	return reqs[0], nil
}

// nearestTest is the test that an expression may have been meant for; empty: none is near.
func nearestTest(expression string, tests []wire.TestID) string {
	word := strings.ToLower(strings.Trim(expression, `^$.*()\`))
	best, fewest := "", 1+len(word)/4
	for _, t := range tests {
		if n := nearest.DistanceWithin(word, strings.ToLower(t.String())); n < fewest {
			best, fewest = t.String(), n
		}
	}
	return best
}
