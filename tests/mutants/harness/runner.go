// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sync/errgroup"
)

// target is a package that gets mutants.
type target struct {
	folder string
	suites []string // folders of the tests that judge them, its own first
}

// targets are the packages that decide what a run says, on the host and in the guest.
var targets = []target{
	{"internal/wire", []string{"internal/wire", "vmtest/verdict"}},
	{"vmtest/verdict", []string{"vmtest/verdict"}},
	{"initramfs/uinit", []string{"initramfs/uinit"}},
	{"kconfig", []string{"kconfig"}},
	{"kernel/patch", []string{"kernel/patch"}},
}

// outcome is what became of a mutant.
type outcome struct {
	*mutant
	refused    string // why it does not compile
	by         string // the test that noticed; "" if it survives
	equivalent bool   // the compiler makes the same code without it
}

// runner runs the mutants of one package.
type runner struct {
	tree
	jobs   int
	source *source
	suites []suite
}

// newRunner builds the tests with the chosen mutants asleep. Then all of them must pass. It returns why
// some mutants do not compile.
func newRunner(ctx context.Context, t tree, jobs int, what target, s *source, all []*mutant, chosen func(*mutant) bool) (runner, map[*mutant]string, error) {
	r := runner{tree: t, jobs: jobs, source: s}
	for _, folder := range what.suites {
		say("%s: which of its code does each test of %s run?", what.folder, folder)
		one, err := t.listSuite(ctx, folder, s, jobs)
		if err != nil {
			return r, nil, err
		}
		r.suites = append(r.suites, one)
	}
	refused, err := r.build(ctx, all, chosen)
	if err != nil && ctx.Err() == nil {
		s.harden(all) // a test may need that a constant is one
		refused, err = r.build(ctx, all, chosen)
	}
	if err != nil {
		return r, nil, err
	}
	for _, one := range r.suites {
		nobody := &mutant{in: &definition{}} // no test is left out
		if by := one.try(ctx, t, nobody, one.binary, 0, t.work); by != "" {
			return r, nil, fmt.Errorf("%s of %s fails while all mutants of %s sleep, so it cannot judge one", by, one.folder, what.folder)
		}
	}
	return r, refused, nil
}

// build builds the tests of all suites with the chosen mutants asleep.
func (r *runner) build(ctx context.Context, all []*mutant, chosen func(*mutant) bool) (map[*mutant]string, error) {
	texts, refused, err := r.source.asleep(all, chosen)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(r.work, "asleep", r.source.folder)
	flag, err := r.overlay(dir, r.source.folder, texts)
	if err != nil {
		return nil, err
	}
	for i := range r.suites {
		s := &r.suites[i]
		s.binary = filepath.Join(dir, fmt.Sprintf("%d.test", i))
		if _, err := r.golang(ctx, "test", "-c", "-vet=off", flag, "-o", s.binary, "./"+s.folder); err != nil {
			return nil, fmt.Errorf("build the tests of %s with mutants of %s: %w", s.folder, r.source.folder, err)
		}
	}
	return refused, nil
}

// runAll runs those mutants of all that are chosen, several at a time. The number of a mutant is
// its index in all plus one.
func (r runner) runAll(ctx context.Context, all []*mutant, chosen func(*mutant) bool, refused map[*mutant]string) ([]outcome, error) {
	results := make(map[int]outcome)
	total := 0
	for _, m := range all {
		if chosen(m) {
			total++
		}
	}
	var mu sync.Mutex
	survive := 0
	done := func(i int, o outcome) {
		mu.Lock()
		defer mu.Unlock()
		results[i] = o
		if o.became() == survives {
			survive++
			say("no test notices %s", o.show())
		}
		if len(results)%100 == 0 {
			say("%s: %d of %d mutants ran, %d survive", r.source.folder, len(results), total, survive)
		}
	}
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(r.jobs)
	for i, m := range all {
		if !chosen(m) {
			continue
		}
		g.Go(func() error {
			o, err := r.one(within, m, i+1, refused[m])
			if err == nil {
				done(i, o)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	left := make(map[int]*mutant)
	for i, o := range results {
		if o.became() == survives {
			left[i] = o.mutant
		}
	}
	same, err := r.equalCode(ctx, r.source, left)
	if err != nil {
		return nil, err
	}
	var in []outcome
	for _, i := range slices.Sorted(maps.Keys(results)) {
		o := results[i]
		o.equivalent = same[i]
		in = append(in, o)
	}
	return in, nil
}

// one runs one mutant.
func (r runner) one(ctx context.Context, m *mutant, number int, refused string) (outcome, error) {
	o := outcome{mutant: m, refused: refused}
	if refused != "" {
		return o, nil
	}
	dir := filepath.Join(r.work, strconv.Itoa(number))
	tmp := filepath.Join(dir, "tmp")
	if err := os.MkdirAll(tmp, 0o755); err != nil {
		return o, err
	}
	defer os.RemoveAll(dir)
	for n, s := range r.suites {
		binary := s.binary
		if !m.in.sleeps() {
			flag, err := r.overlay(filepath.Join(dir, "alone"), r.source.folder, m.alone())
			if err != nil {
				return o, err
			}
			binary = filepath.Join(dir, "alone.test")
			if _, err := r.golang(ctx, "test", "-c", "-vet=off", flag, "-o", binary, "./"+s.folder); err != nil {
				if ctx.Err() != nil {
					return o, ctx.Err()
				}
				if n == 0 {
					o.refused = err.Error()
					return o, nil
				}
				o.by = s.folder // it does not compile with the mutant
				return o, nil
			}
		}
		if o.by = s.try(ctx, r.tree, m, binary, number, tmp); o.by != "" {
			return o, ctx.Err()
		}
	}
	return o, nil
}
