package main

import (
	"context"
	"os"
	"strings"

	"timens-vmtest/kernel"
	"timens-vmtest/vmtest/report"
	"timens-vmtest/vmtest/verdict"
	"timens-vmtest/vmtest/vm"
)

// remembered is judgeSeries, unless a run of the same kernel, plan and rest has
// passed before: then its evidence is copied into the empty folder dir, and
// judged again.
func (a *app) remembered(ctx context.Context, in inputs, s kernel.Series, dir string) (verdict.Result, error) {
	key, err := a.runKey(ctx, in, s)
	if err != nil {
		return a.judgeSeries(ctx, in, s, dir) // which leaves the same trouble as evidence
	}
	unlock, err := a.cache.Lock(ctx, "run-"+s.Name, "the same run", a.progress)
	if err != nil {
		return verdict.Result{}, err
	}
	defer unlock()
	if ok, err := a.cache.Kept(key, dir); err != nil {
		return verdict.Result{}, err
	} else if ok {
		e, err := verdict.Load(dir)
		if r := verdict.Judge(e); err == nil && r.Verdict == verdict.Passed {
			return r, report.Write(dir, r)
		}
		// Damaged is as good as absent.
		if err := os.RemoveAll(dir); err != nil {
			return verdict.Result{}, err
		}
		if err := os.Mkdir(dir, 0o755); err != nil {
			return verdict.Result{}, err
		}
	}
	r, err := a.judgeSeries(ctx, in, s, dir)
	if err == nil && r.Verdict == verdict.Passed {
		err = a.cache.Keep(key, dir)
	}
	return r, err
}

// runKey stands for everything that the outcome of a run depends on.
func (a *app) runKey(ctx context.Context, in inputs, s kernel.Series) (string, error) {
	base, err := a.source.Fetch(ctx, a.cache, a.progress)
	if err != nil {
		return "", err
	}
	image, err := kernel.Build(ctx, a.cache, kernel.Spec{Base: base, Series: s, Config: in.config, Coverage: a.coverage}, a.progress)
	if err != nil {
		return "", err
	}
	spec := a.initramfsSpec(s.Design, in.config)
	spec.Files = a.selftests(s, func() (kernel.Base, error) { return base, nil })
	archive, err := a.buildArchive(ctx, spec)
	if err != nil {
		return "", err
	}
	qemu, err := vm.Version(ctx)
	if err != nil {
		return "", err
	}
	parts := []string{"run 2", image.VmlinuxSHA256, image.ConfigSHA256, archive.Plan.ID, qemu, a.lane, a.accel, a.long.String(), string(s.Expect), string(in.allow)}
	if a.coverage { // it is of the lines of the patches
		parts = append(parts, string(s.Floor))
		for _, p := range s.Patches {
			parts = append(parts, string(p.Text))
		}
	}
	return strings.Join(parts, "\n"), nil
}
