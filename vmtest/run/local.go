// SPDX-License-Identifier: BSD-3-Clause

package run

import (
	"context"
	"os"
	"path/filepath"

	"timens-vmtest/kernel/series"
	"timens-vmtest/vmtest/verdict"
)

// localFile is the file of a run's folder with what a checkout holds beside its commit.
// What is not committed behind a range is the last of the patches instead.
const localFile = "not-committed.patch"

// writeLocal completes what is known of the checkout that the run is of, nil if it is of
// none. It keeps the changes that are not committed in the run's folder.
func (r *runner) writeLocal(ctx context.Context, t *verdict.Tree) error {
	if t == nil {
		return nil
	}
	if r.Base.Commit != "" { // as it was committed there
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
