// SPDX-License-Identifier: BSD-3-Clause

package run

import (
	"context"
	"os"
	"path/filepath"

	"timens-vmtest/kernel/series"
	"timens-vmtest/vmtest/verdict"
)

// localFile is the file in the folder of a run with the changes of a checkout that are not
// committed. For a range, these changes are the last patch instead.
const localFile = "not-committed.patch"

// writeLocal sets the commit in t, and writes the changes that are not committed to the
// run's folder. t is nil if the run does not test a checkout.
func (r *runner) writeLocal(ctx context.Context, t *verdict.Tree) error {
	if t == nil {
		return nil
	}
	if r.Base.Commit != "" { // the commit is tested, not the files in the tree
		for _, p := range r.Series.Patches {
			if p.Local {
				t.NotCommitted = filepath.Join("patches", p.Name)
			}
		}
		return nil
	}
	commit, changes, err := series.Local(ctx, r.Report, t.Path)
	t.Commit = commit
	if err != nil || len(changes) == 0 {
		return err
	}
	t.NotCommitted = localFile
	return os.WriteFile(filepath.Join(r.dir, localFile), changes, 0o644)
}
