// SPDX-License-Identifier: BSD-3-Clause

package run

import (
	"os"
	"strings"

	"timens-vmtest/vmtest/verdict"
)

// outcomeKey stands for everything that the outcome of a run depends on.
func (r *runner) outcomeKey(p prepared) string {
	parts := []string{"run 3", p.image.VmlinuxSHA256, p.image.ConfigSHA256, p.archive.Plan.ID, p.qemu,
		strings.Join(r.Lanes, " "), r.Accel, r.Long.String(), string(p.tree.Series.Expect), string(r.Allow)}
	if r.Coverage { // it is of the lines of the patches
		parts = append(parts, string(r.Series.Floor))
		for _, p := range r.Series.Patches {
			parts = append(parts, string(p.Text))
		}
	}
	return strings.Join(parts, "\n")
}

// recall replaces dir by the evidence of an equal run that has passed, if there is
// one. What is kept is judged again, so that damage is as good as absence.
func (r *runner) recall(p prepared) (bool, error) {
	r.key = r.outcomeKey(p)
	kept, err := os.MkdirTemp("", "vmtest-kept-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(kept)
	ok, err := r.Cache.Kept(r.key, kept)
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

// keep keeps the folder of a run that has passed, for recall.
func (r *runner) keep(result verdict.Result) error {
	if !r.remember || r.recalled || result.Verdict != verdict.Passed {
		return nil
	}
	return r.Cache.Keep(r.key, r.dir)
}
