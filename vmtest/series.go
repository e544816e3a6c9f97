// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"

	"timens-vmtest/internal/blame"
	"timens-vmtest/kernel/series"
)

// seriesListVerb lists the series of this project.
func seriesListVerb(ctx context.Context, a *app, args []string) (int, error) {
	if len(args) > 0 {
		return 0, blame.Usagef("it takes no arguments; \"vmtest series show %s\" says more of one", args[0])
	}
	names, err := series.Names(a.checkout.Patches())
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		s, err := series.Load(ctx, a.host.Sandbox, a.checkout.Patches(), name)
		if err != nil {
			return 0, err
		}
		about, _, _ := strings.Cut(s.About, ". ")
		fmt.Printf("%-15s %d patches, design %s: %s\n", name, len(s.Patches), cmp.Or(s.Design, "by its headers"), strings.TrimSuffix(about, "."))
	}
	return 0, nil
}

// seriesShowVerb lists the patches of one series.
func seriesShowVerb(ctx context.Context, a *app, args []string) (int, error) {
	if len(args) != 1 {
		return 0, blame.Usagef("give one series: a name, a folder or a mailbox")
	}
	s, err := a.loadOne(ctx, args[0])
	if err != nil {
		return 0, err
	}
	fmt.Printf("%s, design %s\n", s.Name, cmp.Or(s.Design, "by its headers"))
	if s.About != "" {
		fmt.Println(s.About)
	}
	for i, p := range s.Patches {
		fmt.Printf("\n%d/%d %s%s\n", i+1, len(s.Patches), p.Subject, from(s.Thread, i))
		for _, c := range p.Changes() {
			fmt.Printf("    %-60s %+5d %+5d\n", c.Path, c.Added, -c.Deleted)
		}
	}
	printThread(os.Stdout, s.Thread)
	return 0, nil
}
