// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"

	"timens-vmtest/tests/mutants/generate"
)

// The files of the variable that selects a mutant.
var (
	//go:embed switch/vmtest_mutant.c
	switchSource string
	//go:embed switch/vmtest_mutant.h
	switchHeader string
)

const (
	switchFile   = "kernel/vmtest_mutant.c"
	headerFile   = "include/" + generate.SwitchHeader
	switchMake   = "kernel/Makefile"
	switchObject = "\nobj-y += vmtest_mutant.o\n"
)

// sleepers are mutants that are put to sleep in the files of one kernel. A mutant is known by its number.
type sleepers struct {
	config    generate.Config
	before    map[string]string            // texts of the files
	files     map[string][]generate.Asleep // by path
	alone     map[int]string               // why a mutant cannot sleep
	jobs      int                          // how many sources are compiled at a time
	compile   compile
	has       func(source string) bool     // whether the kernel has an object of a source
	including func(header string) []string // the sources that include a header
}

// compose returns the files with the mutants asleep. The compiler takes all of them. Mutants for which that cannot be reached
// are in s.alone then.
func (s *sleepers) compose(ctx context.Context) (map[string]string, error) {
	whole := make(map[string]generate.Composed)
	texts := map[string]string{headerFile: switchHeader}
	changed := slices.Sorted(maps.Keys(s.files))
	for {
		written, err := s.write(changed, whole, texts)
		if err != nil {
			return nil, err
		}
		refusals, err := compileAll(ctx, s.compile, s.jobs, s.sources(written), texts)
		if err != nil || len(refusals) == 0 {
			return texts, err
		}
		if changed, err = s.refuse(refusals, whole); err != nil {
			return nil, err
		}
	}
}

// write composes the files that have changed. A mutant that cannot sleep in one of its files sleeps in none: its other files change,
// too. It returns all files that it has composed.
func (s *sleepers) write(changed []string, whole map[string]generate.Composed, texts map[string]string) ([]string, error) {
	written := make(map[string]bool)
	for len(changed) > 0 {
		for _, path := range changed {
			c, err := generate.Compose(generate.Source{Path: path, Text: s.before[path]}, s.config, s.files[path])
			if err != nil {
				return nil, err
			}
			for number, why := range c.Alone {
				s.alone[number] = why
			}
			whole[path], texts[path], written[path] = c, c.Text, true
		}
		changed = s.withdraw()
	}
	return slices.Sorted(maps.Keys(written)), nil
}

// withdraw takes those mutants out of the files that cannot sleep, and returns the files that had some.
func (s *sleepers) withdraw() []string {
	var changed []string
	for _, path := range slices.Sorted(maps.Keys(s.files)) {
		left := slices.DeleteFunc(slices.Clone(s.files[path]), func(m generate.Asleep) bool { return s.alone[m.Number] != "" })
		if len(left) < len(s.files[path]) {
			s.files[path] = left
			changed = append(changed, path)
		}
	}
	return changed
}

// sources returns what has to be compiled when files have changed.
func (s *sleepers) sources(changed []string) []string {
	var all []string
	for _, path := range changed {
		if strings.HasSuffix(path, ".h") {
			all = append(all, s.including(path)...)
		} else if s.has(path) {
			all = append(all, path)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// refuse gives each mutant that may be at fault a larger place, and returns the files that change. A mutant whose
// own edit does not compile cannot sleep.
func (s *sleepers) refuse(refusals []refusal, whole map[string]generate.Composed) ([]string, error) {
	refused := make(map[int]bool)
	changed := make(map[string]bool)
	for _, r := range refusals {
		numbers, edited := whole[r.file].Suspects(r.line, r.column)
		if len(numbers) == 0 {
			return nil, fmt.Errorf("%s:%d:%d: %s; none of the mutants asleep is at fault", r.file, r.line, r.column, r.says)
		}
		for _, n := range numbers {
			if edited && hopelessRE.MatchString(r.says) {
				s.alone[n] = r.says
			}
			refused[n] = true
		}
		changed[r.file] = true
	}
	for path := range changed {
		for i, m := range s.files[path] {
			if refused[m.Number] {
				s.files[path][i].Refused++
			}
		}
	}
	return slices.Sorted(maps.Keys(changed)), nil
}
