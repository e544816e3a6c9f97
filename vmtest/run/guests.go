// SPDX-License-Identifier: BSD-3-Clause

package run

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"timens-vmtest/internal/wire"
	"timens-vmtest/kernel"
	"timens-vmtest/vmtest/verdict"
	"timens-vmtest/vmtest/vm"
)

// lanes returns the named lanes, ready to boot. g is the guest that proved KVM, or would have.
func (r *runner) lanes(ctx context.Context, p prepared, g vm.Guest, choice vm.Choice, names []string) ([]lane, error) {
	expect, err := verdict.ParseExpect(p.tree.Series.Expect)
	if err != nil {
		return nil, err
	}
	expect = verdict.On(expect, p.tree.Base.Version, r.Base.Tree != "")
	allow, err := verdict.ParseAllow(r.Allow)
	if err != nil {
		return nil, err
	}
	planned := 0
	for _, name := range names {
		planned += len(p.archive.Plan.In(name).Tests)
	}
	ended := new(atomic.Int64)
	var all []lane
	for _, name := range names {
		l := lane{
			runner: r, prepared: p, guest: g, plan: p.archive.Plan.In(name), dir: filepath.Join(r.dir, name), ended: ended, of: planned, took: make(map[string]float64),
			expect: expect, allow: allow,
		}
		l.guest.Lane, l.guest.Accel = name, vm.TCG
		// Only now: the guest that proves KVM leaves none.
		if l.guest.Vmcore, err = r.vmcore(ctx, p.image, func() (kernel.Tree, error) { return p.tree, nil }); err != nil {
			return nil, err
		}
		l.guest.Vmcore.One = new(vm.OneVmcore)
		if name == wire.Real {
			l.guest.Accel, l.learn = choice.Accel, choice.Learn
		}
		all = append(all, l)
	}
	return all, nil
}

// announce reports what is about to be booted.
func (l lane) announce(choice vm.Choice) error {
	why, where, split := "", wire.ConsoleFile, ""
	if l.guest.Lane == wire.Real {
		var err error
		if why, err = choice.Said(l.knowsKVM()); err != nil {
			return err
		}
	}
	beside, quiet := l.shards()
	if len(beside) > 1 {
		where, split = filepath.Join("shard*", wire.ConsoleFile), fmt.Sprintf(", %d guests side by side", len(beside))
		if len(quiet) > 0 {
			split += " and then one alone"
		}
	}
	l.Report.Step("boot %d tests in QEMU, lane %s (%s%s)%s; console: %s", len(l.plan.Tests), l.guest.Lane, l.guest.Accel, why, split,
		ShortPath(filepath.Join(l.dir, where)))
	return nil
}

// run boots the guests of a lane: the shards side by side, and on a crowded machine, when all have
// ended, those that no other guest may run beside. guests ends with -fail-fast. Then those that have not begun are still
// booted and ended at once, so that their folders say why their tests are missing.
func (l lane) run(ctx, guests context.Context) error {
	beside, quiet := l.shards()
	defer func() {
		for _, s := range slices.Concat(beside, quiet) {
			maps.Copy(l.took, s.took)
		}
		l.learnSeconds(l.guest.Lane, l.took, len(beside) > 1)
	}()
	if len(beside) > 1 {
		if err := os.MkdirAll(l.dir, 0o755); err != nil {
			return err
		}
		if err := wire.WriteJSON(filepath.Join(l.dir, wire.PlanFile), l.plan); err != nil {
			return err
		}
	}
	side, running := errgroup.WithContext(guests)
	for _, s := range beside {
		side.Go(func() error { return s.boot(ctx, running) })
	}
	if err := side.Wait(); err != nil {
		return err
	}
	for _, s := range quiet {
		if err := s.boot(ctx, guests); err != nil {
			return err
		}
	}
	return nil
}

// shards returns the shards of a lane, or the lane itself if it is not split.
func (l lane) shards() (beside, quiet []*lane) {
	n := len(l.plan.Shards[l.guest.Lane])
	if n == 0 {
		return []*lane{&l}, nil
	}
	for i := 1; i <= n; i++ {
		s := l
		s.guest.Shard, s.plan, s.dir, s.took = i, l.plan.Shard(l.guest.Lane, i), filepath.Join(l.dir, wire.ShardDir(i)), make(map[string]float64)
		if l.crowded && s.plan.QuietIn(l.guest.Lane) {
			quiet = append(quiet, &s)
		} else {
			beside = append(beside, &s)
		}
	}
	return beside, quiet
}
