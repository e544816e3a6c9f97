// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"flag"
	"fmt"
	"path/filepath"
	"strings"

	"timens-vmtest/vmtest/nightly"
	"timens-vmtest/vmtest/slurm"
)

func (a *app) registerSlurm(set *flag.FlagSet) {
	set.BoolVar(&a.submit.only, "n", false, "write the scripts and print the commands that submit them; submit nothing")
}

// slurmVerb submits the cells on standard input.
func slurmVerb(ctx context.Context, a *app, options []string) (int, error) {
	lines, err := a.submitted("slurm", "sbatch", options)
	if err != nil {
		return 0, err
	}
	limits, err := slurm.ClusterLimits(ctx)
	if err != nil && !a.submit.only {
		return 0, err
	}
	batch, err := slurm.Arrange(lines, a.Checkout.Root, a.submit.throttle, limits)
	if err != nil {
		return 0, err
	}
	dir := filepath.Join(batch.Folder, nightly.SlurmDir)
	if err := batch.Write(dir); err != nil {
		return 0, err
	}
	for _, s := range batch.Arrays {
		a.progress.Step("%s: %d cells", filepath.Join(dir, s.Name), s.Size)
	}
	if a.submit.only {
		fmt.Println(strings.Join(batch.Commands(dir, options), "\n"))
		return 0, nil
	}
	ids, err := batch.Submit(ctx, dir, options)
	if err != nil {
		return 0, err
	}
	last := len(ids) - 1
	fmt.Printf("submitted %d cells as %s, and %s, which judges them; \"scancel %s\" cancels all\n", len(lines), strings.Join(ids[:last], ", "), ids[last], strings.Join(ids, " "))
	return 0, nil
}
