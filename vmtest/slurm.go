// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"timens-vmtest/internal/blame"
	"timens-vmtest/vmtest/cells"
	"timens-vmtest/vmtest/nightly"
	"timens-vmtest/vmtest/slurm"
)

// submission are the flags of the verb slurm.
type submission struct {
	throttle int
	only     bool
}

func (a *app) registerSlurm(set *flag.FlagSet) {
	set.IntVar(&a.submit.throttle, "throttle", 0, "run at most `N` cells at the same time (default: as many as the cluster has room for)")
	set.BoolVar(&a.submit.only, "n", false, "write the scripts and print the commands that submit them; submit nothing")
}

// slurmVerb submits the cells on standard input.
func slurmVerb(ctx context.Context, a *app, options []string) (int, error) {
	if n := len(os.Args) - len(options); len(options) > 0 && os.Args[n-1] != "--" {
		return 0, blame.Usagef("unexpected argument %q; options for sbatch stand behind \"--\"", options[0])
	}
	if a.submit.throttle < 0 {
		return 0, blame.Usagef("-throttle %d is below zero", a.submit.throttle)
	}
	if info, err := os.Stdin.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 { // a terminal
		return 0, blame.Usagef("the cells come on standard input: vmtest cells -out DIR | vmtest slurm")
	}
	lines, err := cells.Read(os.Stdin)
	if err != nil {
		return 0, blame.Usagef("standard input: %w", err)
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
