// SPDX-License-Identifier: BSD-3-Clause

// Package coverage maps what the kernel counted during each test to the lines
// that a series changes. It decides nothing.
package coverage

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"timens-vmtest/internal/sandbox"
	"timens-vmtest/internal/wire"
	"timens-vmtest/kernel"
	"timens-vmtest/kernel/patch"
	"timens-vmtest/vmtest/verdict"
)

// Boot is one boot of a kernel that counts.
type Boot struct {
	Dir  string // of its evidence
	Lane string // stands before the names of its tests; "" if there is one lane
}

// test is what ran during one test.
type test struct {
	name  string
	lines Lines
}

// Measure reads the counts of all tests that ended, and says of every line that
// changed whether it ran in one. config is the kernel's .config.
func Measure(ctx context.Context, box sandbox.Box, image kernel.Image, changes []patch.FileDiff, boots []Boot) (verdict.Coverage, error) {
	config, err := os.ReadFile(image.Config)
	if err != nil {
		return verdict.Coverage{}, err
	}
	tmp, err := os.MkdirTemp("", "vmtest-gcov-")
	if err != nil {
		return verdict.Coverage{}, err
	}
	defer os.RemoveAll(tmp)
	counts, err := newCounts(image, box, tmp)
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

// read finds the counts of each test in a record stream. Records that cannot be
// read are for the judge to complain of: here they end the stream.
func read(ctx context.Context, counts *Counts, records []byte) ([]test, error) {
	var tests []test
	gcda := make(map[string][]byte)
	for line := range bytes.Lines(records) {
		r, err := wire.ParseRecord(bytes.TrimSuffix(line, []byte("\n")))
		if err != nil {
			break
		}
		switch r.Type {
		case wire.TypeStart:
			clear(gcda)
		case wire.TypeCounts:
			source, err := counts.source(r.Path)
			if err != nil {
				return nil, err
			}
			if gcda[source] != nil {
				return nil, fmt.Errorf("%s: there are counts of %s twice", r.TestID, source)
			}
			if gcda[source], err = unzip(r.Data); err != nil {
				return nil, fmt.Errorf("%s: %w", r.TestID, err)
			}
		case wire.TypeEnd:
			if has, want := slices.Sorted(maps.Keys(gcda)), counts.sources(); !slices.Equal(has, want) {
				return nil, fmt.Errorf("%s: there are counts of %v, want those of %v", r.TestID, has, want)
			}
			lines, err := counts.Lines(ctx, gcda)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", r.TestID, err)
			}
			tests = append(tests, test{r.TestID.String(), lines})
		}
	}
	return tests, nil
}

func unzip(data []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// attribute says of each added line why it cannot be counted, or what ran it.
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
