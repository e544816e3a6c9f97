// SPDX-License-Identifier: BSD-3-Clause

// Mutants shows that the tests notice what they should: it makes small wrong
// edits to kernels, one at a time, builds and boots each, and reports which
// tests caught it. It exits with 1 if one survives. Run it by "make mutants".
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kernel/source"
)

// options are the command line's.
type options struct {
	base   string // name of the base
	series string
	run    *regexp.Regexp
	check  bool
	all    bool
	jobs   int
	update bool
	out    string // folder for the patches
}

func main() {
	if os.Args[0] == sandbox.Name {
		sandbox.Enter()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var o options
	flag.StringVar(&o.base, "base", source.DefaultRelease, "`NAME` of the kernel that is the base: "+source.Names)
	flag.StringVar(&o.series, "series", "", "only mutants of these `NAMES`, separated by commas")
	run := flag.String("run", "", "only mutants whose series/name matches `REGEXP`")
	flag.BoolVar(&o.check, "n", false, "only check that each mutant applies")
	flag.BoolVar(&o.all, "all", false, "run all tests in both lanes for each mutant, and do not first run those that are likely to notice")
	flag.IntVar(&o.jobs, "j", 2, "`NUMBER` of mutants at a time; kernels of one series are built one after the other, while others boot")
	flag.BoolVar(&o.update, "update", false, "store in the table of the base which tests caught each mutant")
	flag.StringVar(&o.out, "o", "", "only write the patch of each mutant that a test must notice to a file SERIES/NAME.patch in `DIR`")
	flag.Parse()
	var err error
	if o.run, err = regexp.Compile(*run); err == nil {
		err = mutate(ctx, o)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "mutants: %v\n", err)
		os.Exit(1)
	}
}

// Paths relative to the module's folder, in which this program runs.
const (
	listFolder    = "tests/mutants/list"
	patchesFolder = "kernel/patches"
	resultsFolder = "bin/mutants"
)

// mutate reads the lists, makes patches of them, and runs each.
func mutate(ctx context.Context, o options) error {
	listed, err := loadLists(listFolder)
	if err != nil {
		return err
	}
	chosen := slices.DeleteFunc(slices.Clone(listed), func(m mutant) bool {
		return !o.run.MatchString(m.String()) || o.series != "" && !slices.Contains(strings.Split(o.series, ","), m.series)
	})
	if len(chosen) == 0 {
		return errors.New("no mutant matches")
	}
	spec, err := source.Named(o.base)
	if err != nil {
		return err
	}
	if _, tabled := tableFiles[o.base]; o.update && !tabled {
		return fmt.Errorf("-update: there is no table for -base %s", o.base)
	}
	kept, err := cache.DefaultCache()
	if err != nil {
		return err
	}
	h := host.Host{Cache: kept, Report: reporter{}}
	patches, results, err := makePatches(ctx, h, spec, chosen)
	if err != nil || o.check {
		return err
	}
	if o.out != "" {
		return writePatches(o.out, patches)
	}
	r, err := newRunner(h, o)
	if err != nil {
		return err
	}
	ran, err := r.runAll(ctx, patches, o.jobs)
	results = append(results, ran...)
	if o.update {
		err = errors.Join(err, updateTables(tableFiles[o.base], listed, results), updateBreaks(listed))
	}
	if err != nil {
		return err
	}
	return summary(results, r)
}

// summary prints the table and returns what is wrong with the results of a runner.
func summary(results []result, from runner) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	var wrong []error
	equivalent, none := 0, 0
	for _, r := range results {
		fmt.Fprintf(w, "%v\t%s\n", r.mutant, r.says(4))
		switch {
		case r.wrong != nil:
			err := fmt.Errorf("%v %w\nits runs are in %s", r.mutant, r.wrong, filepath.Join(from.results(), r.series, r.name))
			if elsewhere := from.elsewhere[r.String()]; elsewhere != "" {
				err = fmt.Errorf("%w\non %s it is caught by %s", err, source.DefaultRelease, elsewhere)
			}
			wrong = append(wrong, err)
		case r.apart != "":
			none++
		case r.equivalent != "":
			equivalent++
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Printf("%d mutants: %d caught, %d equivalent, %d without a counterpart, %d wrong\n",
		len(results), len(results)-equivalent-none-len(wrong), equivalent, none, len(wrong))
	return errors.Join(wrong...)
}

// say prints progress.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "mutants: "+format+"\n", args...)
}

// reporter is a host.Reporter that prints progress.
type reporter struct{}

func (reporter) Step(format string, args ...any) { say(format, args...) }

func (reporter) Count(string, int, int, string) {}
