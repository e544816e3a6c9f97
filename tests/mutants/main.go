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
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
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

	generated bool   // the mutants are those that a machine makes
	sample    int    // how many mutants are drawn; 0: all
	seed      uint64 // of the sample; 0: another one each time
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
	flag.BoolVar(&o.update, "update", false, "store in the table of the base which tests caught each mutant; with -generated -n, how many mutants are generated")
	flag.StringVar(&o.out, "o", "", "only write the patch of each mutant that a test must notice to a file SERIES/NAME.patch in `DIR`")
	flag.BoolVar(&o.generated, "generated", false, "mutants that a machine makes of the functions in "+functionsFile+" and of the lines that a series adds, instead of the listed ones")
	flag.IntVar(&o.sample, "sample", 0, "only `NUMBER` mutants, drawn at random")
	flag.Uint64Var(&o.seed, "seed", 0, "draw the sample that this `NUMBER` gave before")
	flag.Parse()
	var err error
	if o.run, err = regexp.Compile(*run); err == nil {
		err = o.refuse()
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "mutants: %v\n", err)
		os.Exit(2)
	}
	if err := mutate(ctx, o); err != nil {
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

// refuse returns what is wrong with the options together.
func (o options) refuse() error {
	switch {
	case o.update && o.generated && !o.check:
		return errors.New("-update stores what caught the listed mutants, and with -n how many are generated; add -n, or leave out -generated")
	case o.update && o.sample > 0, o.update && o.generated && o.series != "":
		return errors.New("-update stores the results or the numbers of all mutants; leave out -sample, and -series of generated ones")
	case o.sample < 0:
		return fmt.Errorf("-sample %d: want a number above 0", o.sample)
	case o.seed != 0 && o.sample == 0:
		return errors.New("-seed is of a sample; add -sample NUMBER")
	}
	if _, tabled := tableFiles[o.base]; o.update && !tabled {
		return fmt.Errorf("-update: there is no table for -base %s", o.base)
	}
	return nil
}

// mutate makes patches of mutants, listed or generated, and runs each.
func mutate(ctx context.Context, o options) error {
	listed, err := loadLists(listFolder)
	if err != nil {
		return err
	}
	spec, err := source.Named(o.base)
	if err != nil {
		return err
	}
	kept, err := cache.DefaultCache()
	if err != nil {
		return err
	}
	h := host.Host{Cache: kept, Report: new(reporter)}
	all, made := listed, (*generation)(nil)
	if o.generated {
		base, err := spec.Fetch(ctx, h)
		if err != nil {
			return err
		}
		if made, err = generateAll(ctx, h, base, o.names(listed)); err != nil {
			return err
		}
		all = made.mutants
	}
	chosen := o.choose(all)
	if len(chosen) == 0 {
		return errors.New("no mutant matches")
	}
	patches, results, err := makePatches(ctx, h, spec, chosen)
	if err != nil {
		return err
	}
	if o.check {
		if !o.generated {
			return nil
		}
		if made.print(os.Stdout, chosen); !o.update {
			return nil
		}
		return made.updateCounts(countsFile, o.base)
	}
	if o.out != "" {
		return writePatches(o.out, patches)
	}
	r, err := newRunner(h, o)
	if err != nil {
		return err
	}
	r.made = made
	ran, err := r.runAll(ctx, patches)
	results = append(results, ran...)
	if o.update {
		err = errors.Join(err, updateTables(tableFiles[o.base], listed, results), updateBreaks(listed))
	}
	if err != nil {
		return err
	}
	return summary(results, r)
}

// names returns the series whose mutants are generated: those of -series, or those that have
// listed mutants.
func (o options) names(listed []mutant) []string {
	if o.series != "" {
		return strings.Split(o.series, ",")
	}
	var names []string
	for _, m := range listed {
		if !slices.Contains(names, m.series) {
			names = append(names, m.series)
		}
	}
	return names
}

// choose returns the mutants that the options choose.
func (o options) choose(all []mutant) []mutant {
	chosen := slices.DeleteFunc(slices.Clone(all), func(m mutant) bool {
		return !o.run.MatchString(m.String()) || o.series != "" && !slices.Contains(strings.Split(o.series, ","), m.series)
	})
	if o.sample == 0 || o.sample >= len(chosen) {
		return chosen
	}
	if o.seed == 0 {
		o.seed = rand.Uint64N(1e9) + 1
	}
	say("a sample of %d of %d mutants; for the same again, type SAMPLE=%d SEED=%d", o.sample, len(chosen), o.sample, o.seed)
	return draw(chosen, o.sample, o.seed)
}

// summary prints the table and returns what is wrong with the results of a runner.
func summary(results []result, from runner) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	var wrong []error
	equivalent, none, unbuilt := 0, 0, 0
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
		case r.unbuilt != "":
			unbuilt++
		case r.equivalent != "":
			equivalent++
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	caught := len(results) - equivalent - none - unbuilt - len(wrong)
	fmt.Printf("%d mutants: %d caught, %d equivalent, %d without a counterpart, %d wrong\n", len(results), caught, equivalent, none, len(wrong))
	if from.made != nil {
		fmt.Printf("%d of them do not compile; of the others, %s are caught\n", unbuilt, share(caught, caught+len(wrong)))
	}
	return errors.Join(wrong...)
}

// share returns a part of a number in percent.
func share(part, of int) string {
	if of == 0 {
		return "none"
	}
	return fmt.Sprintf("%.1f %%", 100*float64(part)/float64(of))
}

// say prints progress.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "mutants: "+format+"\n", args...)
}

// reporter is a host.Reporter that prints progress.
type reporter struct {
	noted sync.Map // what has been said once
}

func (*reporter) Step(format string, args ...any) { say(format, args...) }

func (r *reporter) Note(text string) {
	if _, again := r.noted.LoadOrStore(text, true); !again {
		say("%s", text)
	}
}

func (*reporter) Count(string, int, int, string) {}
