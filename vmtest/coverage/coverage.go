// SPDX-License-Identifier: BSD-3-Clause

// Package coverage says, for each line that a series changes, during which tests it ran. It
// reads what a kernel with CONFIG_GCOV_KERNEL counted. Package verdict judges whether
// enough lines ran.
package coverage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sync/errgroup"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/wire"
	"timens-vmtest/kernel"
	"timens-vmtest/kernel/patch"
	"timens-vmtest/vmtest/verdict"
)

// Boot is one boot of a kernel that counts.
type Boot struct {
	Dir  string // folder of the boot's evidence
	Lane string // put before the names of the boot's tests; "" if the run has one lane
}

// test says which lines ran during one test.
type test struct {
	name  string
	lines Lines
}

// Measure reads the counts of all tests that ended in these boots of image, and says for
// every line of changes which tests ran it, or why it cannot be counted. It is an error
// if a test that ended lacks counts of a profiled source, or if the notes of image are
// damaged.
func Measure(ctx context.Context, h host.Host, image kernel.Image, changes []patch.FileDiff, boots []Boot) (verdict.Coverage, error) {
	config, err := os.ReadFile(image.Config)
	if err != nil {
		return verdict.Coverage{}, err
	}
	tmp, err := os.MkdirTemp("", "vmtest-gcov-")
	if err != nil {
		return verdict.Coverage{}, err
	}
	defer cache.RemoveAll(tmp)
	counts, err := newCounts(h, image, tmp)
	if err != nil {
		return verdict.Coverage{}, err
	}
	var tests []test
	for _, b := range boots {
		records, err := os.ReadFile(filepath.Join(b.Dir, wire.RecordsFile))
		if err != nil {
			return verdict.Coverage{}, err
		}
		more, err := read(ctx, counts, records)
		if err != nil {
			return verdict.Coverage{}, fmt.Errorf("%s: %w", filepath.Join(b.Dir, wire.RecordsFile), err)
		}
		for _, t := range more {
			if b.Lane != "" {
				t.name = b.Lane + " " + t.name
			}
			tests = append(tests, t)
		}
	}
	return attribute(changes, tests, image.Profiled, options(config)), nil
}

// read returns the lines that ran in each test of a record stream.
func read(ctx context.Context, counts *Counts, records []byte) ([]test, error) {
	return each(ctx, counts, records, func(ctx context.Context, id wire.TestID, gcda map[string][]byte) (test, error) {
		lines, err := counts.Lines(ctx, gcda)
		return test{id.String(), lines}, err
	})
}

// each calls ask for each test of a record stream that has ended, with the counters of each profiled source,
// for several tests at the same time. It returns the answers in the order of the tests. It stops at a record
// that cannot be parsed: the judge reports that.
func each[T any](ctx context.Context, counts *Counts, records []byte, ask func(context.Context, wire.TestID, map[string][]byte) (T, error)) ([]T, error) {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(cap(counts.dirs))
	var answers []*T
	err := counts.eachTest(records, func(id wire.TestID, gcda map[string][]byte) {
		answer := new(T)
		answers = append(answers, answer)
		group.Go(func() (err error) {
			if *answer, err = ask(ctx, id, gcda); err != nil {
				return fmt.Errorf("%s: %w", id, err)
			}
			return nil
		})
	})
	if err := errors.Join(err, group.Wait()); err != nil {
		return nil, err
	}
	var all []T
	for _, answer := range answers {
		all = append(all, *answer)
	}
	return all, nil
}

// eachTest calls do for each test of a record stream that has ended, one after the other.
func (c *Counts) eachTest(records []byte, do func(wire.TestID, map[string][]byte)) error {
	var gcda map[string][]byte
	for line := range bytes.Lines(records) {
		r, err := wire.ParseRecord(bytes.TrimSuffix(line, []byte("\n")))
		if err != nil {
			break
		}
		switch r.Type {
		case wire.TypeStart:
			gcda = make(map[string][]byte)
		case wire.TypeCounts:
			source, err := c.source(r.Path)
			if err != nil {
				return err
			}
			if gcda[source] != nil {
				return fmt.Errorf("%s: the counts of %s came twice", r.TestID, source)
			}
			if gcda[source], err = wire.Unpack(r.Data, maxCounts); err != nil {
				return fmt.Errorf("%s: %w", r.TestID, err)
			}
		case wire.TypeEnd:
			if r.End.Again {
				continue
			}
			if has, want := slices.Sorted(maps.Keys(gcda)), c.sources(); !slices.Equal(has, want) {
				return fmt.Errorf("%s: counts of %v came, want counts of %v", r.TestID, has, want)
			}
			do(*r.TestID, gcda)
		}
	}
	return nil
}

// maxCounts is how many bytes the counts of one source may have. Those of the largest have some
// hundred thousand, and a test may have forged them.
const maxCounts = 64 << 20

// attribute says for each added line which tests ran it, or why it cannot be counted.
// profiled and enabled describe the kernel: its profiled sources, and the options that
// its configuration sets.
func attribute(changes []patch.FileDiff, tests []test, profiled map[string]string, enabled map[string]bool) verdict.Coverage {
	var c verdict.Coverage
	for _, t := range tests {
		c.Tests = append(c.Tests, t.name)
	}
	for _, change := range changes {
		f := verdict.CoveredFile{Path: change.Path}
		whole := wholeFile(change.Path, profiled)
		source := parseSource(change.After, enabled)
		for _, l := range change.Lines {
			line := verdict.CoveredLine{Op: string(l.Op), N: l.N, Text: l.Text}
			switch {
			case l.Op != '+':
			case whole != "":
				line.Uncounted = whole
			default:
				count(&line, change.Path, source, tests)
			}
			f.Lines = append(f.Lines, line)
		}
		c.Files = append(c.Files, f)
	}
	return c
}

// count fills in how often the line ran and in which tests, or why it cannot be counted.
func count(line *verdict.CoveredLine, path string, source source, tests []test) {
	countable, wholly := false, false
	for i, t := range tests {
		ran, ok := t.lines[path][line.N]
		countable = countable || ok
		if ran.Count == 0 {
			continue
		}
		line.Count += ran.Count
		line.Tests = append(line.Tests, i)
		wholly = wholly || !ran.Partly
	}
	line.Partly = line.Count > 0 && !wholly
	if line.Count == 0 {
		line.Uncounted = source.uncounted(line.N, countable)
	}
}
