// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"flag"
	"os"

	"timens-vmtest/internal/blame"
	"timens-vmtest/vmtest/cells"
	"timens-vmtest/vmtest/flags"
)

// submission are the flags of the verbs that hand cells to an engine.
type submission struct {
	throttle int

	only bool // of slurm

	image   string // these are of kubernetes
	volumes flags.List
	cache   string
}

func (a *app) registerThrottle(set *flag.FlagSet) {
	set.IntVar(&a.submit.throttle, "throttle", 0, "run at most `N` cells at the same time (default: as many as the cluster has room for)")
}

// submitted reads the cells on standard input for a verb. options are those for the program of the
// engine.
func (a *app) submitted(verb, program string, options []string) ([]cells.Line, error) {
	if n := len(os.Args) - len(options); len(options) > 0 && os.Args[n-1] != "--" {
		return nil, blame.Usagef("unexpected argument %q; options for %s stand behind \"--\"", options[0], program)
	}
	if a.submit.throttle < 0 {
		return nil, blame.Usagef("-throttle %d is below zero", a.submit.throttle)
	}
	if info, err := os.Stdin.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 { // a terminal
		return nil, blame.Usagef("the cells come on standard input: vmtest cells -out DIR | vmtest %s", verb)
	}
	lines, err := cells.Read(os.Stdin)
	if err != nil {
		return nil, blame.Usagef("standard input: %w", err)
	}
	return lines, nil
}
