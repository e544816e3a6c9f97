// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"bufio"
	"fmt"
	"os"
	"path"
	"slices"
	"time"
)

// test is a test of a suite, with what it ran when nothing was mutated.
type test struct {
	name string
	took time.Duration // without a mutant
	cpu  time.Duration // of that, the time of a CPU
	ran  []block
}

// block is a part of a file in which either all runs or nothing.
type block struct {
	file     string // without a folder
	from, to spot
}

// spot is a place in a file.
type spot struct{ line, column int } // both from 1; the column in bytes

func (s spot) before(t spot) bool {
	return s.line < t.line || s.line == t.line && s.column < t.column
}

func (b block) has(s spot) bool { return !s.before(b.from) && s.before(b.to) }

// readProfile reads what "go test -coverprofile" has written: all blocks, and those that ran.
func readProfile(name string) (all, ran []block, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		if n == 1 {
			continue // the mode
		}
		at, rest, ok := cutLast(lines.Text(), ':')
		var b block
		var statements, count int
		if _, err := fmt.Sscanf(rest, "%d.%d,%d.%d %d %d", &b.from.line, &b.from.column, &b.to.line, &b.to.column, &statements, &count); !ok || err != nil {
			return nil, nil, fmt.Errorf("%s:%d: %q is no line of a profile", name, n, lines.Text())
		}
		b.file = path.Base(at)
		all = append(all, b)
		if count > 0 {
			ran = append(ran, b)
		}
	}
	return all, ran, lines.Err()
}

// cutLast cuts a text around the last separator.
func cutLast(s string, sep byte) (before, after string, ok bool) {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] == sep {
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

// reach returns the tests that run the place of a mutant. blocks are those of its package.
//
// It is the innermost block that counts, because that of a function literal lies within that of
// the statement around it. The values of a case are in no block: then all tests count that run
// any of the function. What is not in a function runs before all tests.
func reach(m *mutant, blocks []block, tests []test) []test {
	if !m.in.function {
		return tests
	}
	at := func(offset int) spot {
		line, column := m.file.line(offset)
		return spot{line, column}
	}
	here, begin, end := at(m.begin), at(m.in.begin), at(m.in.end)
	var counts []block
	for _, b := range blocks {
		if b.file == m.file.name && b.has(here) && (counts == nil || counts[0].from.before(b.from)) {
			counts = []block{b}
		}
	}
	if counts == nil {
		for _, b := range blocks {
			if b.file == m.file.name && !b.to.before(begin) && b.from.before(end) {
				counts = append(counts, b)
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(tests), func(t test) bool {
		return !slices.ContainsFunc(counts, func(b block) bool { return slices.Contains(t.ran, b) })
	})
}
