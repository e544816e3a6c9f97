// SPDX-License-Identifier: BSD-3-Clause

// Harness shows that the project's own tests notice what they should: it makes small wrong edits
// of the Go code that judges, one at a time, runs the tests of the package, and reports which
// edits no test notices. It exits with 1 if one of them is not listed with a reason. Run it by
// "make harness-mutants".
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
)

// options are the command line's.
type options struct {
	run    *regexp.Regexp
	check  bool
	jobs   int
	update bool
	all    bool
}

// errFound is that mutants survive without a reason, or the other way round.
var errFound = errors.New("the list of survivors is not true")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var o options
	run := flag.String("run", "", "only mutants whose name matches `REGEXP`; a name is FOLDER/FILE/FUNCTION/KIND/WORDS-DIGEST")
	flag.BoolVar(&o.check, "n", false, "only print the mutants")
	flag.IntVar(&o.jobs, "jobs", 2, "`NUMBER` of mutants at a time")
	flag.BoolVar(&o.update, "update", false, "store the numbers of the packages of which all mutants ran in "+pageFile)
	flag.BoolVar(&o.all, "v", false, "print what noticed each mutant, too")
	flag.Parse()
	err := o.refuse(*run, flag.Args())
	if err != nil {
		fmt.Fprintf(os.Stderr, "harness-mutants: %v\n", err)
		os.Exit(2)
	}
	err = mutate(ctx, &o)
	if err != nil {
		fmt.Fprintf(os.Stderr, "harness-mutants: %v\n", err)
	}
	switch {
	case errors.Is(err, errFound):
		stop()
		os.Exit(1)
	case err != nil:
		stop()
		os.Exit(4)
	}
}

// refuse reads the expression, and returns what is wrong with the options.
func (o *options) refuse(run string, args []string) (err error) {
	switch {
	case len(args) > 0:
		return fmt.Errorf("there are no arguments besides flags: %q; -run REGEXP chooses mutants", args)
	case o.jobs < 1:
		return fmt.Errorf("-jobs %d: want a number above 0", o.jobs)
	case o.check && o.update:
		return errors.New("-update stores what ran, and with -n nothing runs; leave out one of them")
	}
	if o.run, err = regexp.Compile(run); err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	return nil
}

// mutate runs the mutants of all packages that the options choose, and compares the survivors
// with their list.
func mutate(ctx context.Context, o *options) error {
	known, err := readSurvivors()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "harness-mutants-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	t, err := copyTree(ctx, dir)
	if err != nil {
		return err
	}
	chosen := func(m *mutant) bool { return o.run.MatchString(m.name) }
	var found []error
	none := true
	for _, what := range targets {
		s, err := load(ctx, t.root, what.folder)
		if err != nil {
			return err
		}
		all := s.generate()
		n := 0
		for _, m := range all {
			if chosen(m) {
				n++
				if o.check {
					fmt.Println(m.name + "\n\t" + m.show())
				}
			}
		}
		if n == 0 {
			continue
		}
		none = false
		if o.check {
			fmt.Printf("%s: %d mutants\n", what.folder, n)
			continue
		}
		r, refused, err := newRunner(ctx, t, o.jobs, what, s, all, chosen)
		if err != nil {
			return err
		}
		results, err := r.runAll(ctx, all, chosen, refused)
		if err != nil {
			return err
		}
		if o.all {
			for _, r := range results {
				fmt.Printf("%s\n\t%s\n\t%s %s\n", r.name, r.show(), r.became(), r.refused)
			}
		}
		sum := count(results, known)
		fmt.Printf("%s: %s\n", what.folder, sum)
		found = append(found, o.compare(what, results, known)...)
		if o.update && n == len(all) {
			if err := updatePage(what.folder, sum); err != nil {
				return err
			}
		}
	}
	if none {
		return errors.New("no mutant matches; \"make harness-mutants ARGS=-n\" prints the names")
	}
	found = append(found, strangers(known)...)
	if found != nil {
		return fmt.Errorf("%w:\n%w", errFound, errors.Join(found...))
	}
	return nil
}

// compare compares what survived of a package with the list.
func (o *options) compare(what target, results []outcome, known []survivor) []error {
	var found []error
	survived := make(map[string]bool)
	for _, r := range results {
		if r.became() != survives {
			continue
		}
		survived[r.name] = true
		if _, listed := knows(known, r.name); !listed {
			found = append(found, fmt.Errorf("%s\n\tsurvives; write a test that notices it, or a line of %s:\n\t%s|%s %s # REASON", r.show(), survivorsFile, equivalentWord, outsideWord, r.name))
		}
	}
	ran := func(name string) bool { return strings.HasPrefix(name, what.folder+"/") && o.run.MatchString(name) }
	return append(found, stale(known, ran, survived)...)
}

// strangers returns an error for each entry that is of no package that gets mutants.
func strangers(known []survivor) []error {
	return stale(known, func(name string) bool {
		for _, what := range targets {
			if strings.HasPrefix(name, what.folder+"/") {
				return false
			}
		}
		return true
	}, nil)
}

// say prints progress.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "harness-mutants: "+format+"\n", args...)
}
