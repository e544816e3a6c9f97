// SPDX-License-Identifier: BSD-3-Clause

package run

import (
	"context"
	"os"
	"strings"

	"timens-vmtest/vmtest/verdict"
)

// outcomeKey returns a key that covers everything that the outcome of a run depends on.
func (r *runner) outcomeKey(p prepared) string {
	parts := []string{"run 3", p.image.VmlinuxSHA256, p.image.ConfigSHA256, p.planID, p.qemu,
		strings.Join(r.Lanes, " "), r.Accel, r.Long.String(), string(p.tree.Series.Expect), string(r.Allow)}
	parts = append(parts, r.Guest.Flags()...)
	if r.Coverage { // coverage depends on the lines of the patches, and its floor is judged
		parts = append(parts, string(r.Series.Floor))
		for _, p := range r.Series.Patches {
			parts = append(parts, string(p.Text))
		}
	}
	return strings.Join(parts, "\n")
}

// recall looks for an equal run that has passed. If there is one, recall replaces the folder
// of this run by the evidence of that run and returns true. It judges the evidence again:
// damaged evidence does not pass, and the tests run.
func (r *runner) recall(ctx context.Context, p prepared) (bool, error) {
	r.key = r.outcomeKey(p)
	kept, err := os.MkdirTemp("", "vmtest-kept-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(kept)
	ok, err := r.Cache.Kept(ctx, r.key, kept)
	if err != nil || !ok {
		return false, err
	}
	e, err := verdict.Load(kept)
	if err != nil || verdict.Judge(e).Verdict != verdict.Passed {
		return false, nil
	}
	if err := os.RemoveAll(r.dir); err != nil {
		return false, err
	}
	r.recalled = true
	return true, os.CopyFS(r.dir, os.DirFS(kept))
}

// keep copies the folder of a run that has passed to the cache, where recall finds it. It
// does so only if the run is one to be remembered.
func (r *runner) keep(ctx context.Context, result verdict.Result) error {
	if !r.remember || r.recalled || result.Verdict != verdict.Passed {
		return nil
	}
	return r.Cache.Keep(ctx, r.key, "a run of "+r.Series.Name+" that has passed", r.dir)
}
