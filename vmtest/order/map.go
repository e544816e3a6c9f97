// SPDX-License-Identifier: BSD-3-Clause

package order

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Map says which functions of a kernel each test reaches. NewMap makes one. A Map is kept as
// JSON, and old ones are read for ever. The zero value is a map of nothing.
type Map struct {
	Schema int      `json:"schema"`
	Base   string   `json:"base"`   // version of the kernel's base
	Series string   `json:"series"` // name of its series
	Tests  []string `json:"tests"`  // package.Name

	// Reach has, by the name of a function, which of Tests reach it: numbers and ranges
	// such as "0,4-7". A function that no test reaches is left out.
	Reach map[string]string `json:"reach"`
}

// MapSchema is the version of the format of a Map.
const MapSchema = 1

// NewMap makes a Map. reached has the functions that each test reaches, by package.Name.
func NewMap(base, series string, reached map[string][]string) Map {
	m := Map{Schema: MapSchema, Base: base, Series: series, Tests: slices.Sorted(maps.Keys(reached)), Reach: make(map[string]string)}
	by := make(map[string][]int) // indices of tests, by function
	for i, test := range m.Tests {
		for _, name := range distinct(reached[test]) {
			by[name] = append(by[name], i)
		}
	}
	for name, tests := range by {
		m.Reach[name] = ranges(tests)
	}
	return m
}

// Check returns an error if a map that was read cannot be used.
func (m Map) Check() error {
	if m.Schema != MapSchema {
		return fmt.Errorf("the map has schema %d, and not %d", m.Schema, MapSchema)
	}
	for name, text := range m.Reach {
		if _, err := m.parse(text); err != nil {
			return fmt.Errorf("the map says of %s: %w", name, err)
		}
	}
	return nil
}

// reach returns the tests that reach a function; nil if that is not known.
func (m Map) reach(name string) []string {
	tests, err := m.parse(m.Reach[name])
	if err != nil {
		return nil // Check tells the user
	}
	return tests
}

// ranges writes sorted numbers as parse reads them.
func ranges(numbers []int) string {
	var parts []string
	for i := 0; i < len(numbers); {
		n := i
		for n+1 < len(numbers) && numbers[n+1] == numbers[n]+1 {
			n++
		}
		part := strconv.Itoa(numbers[i])
		if n > i {
			part += "-" + strconv.Itoa(numbers[n])
		}
		parts, i = append(parts, part), n+1
	}
	return strings.Join(parts, ",")
}

// parse returns the tests that a text such as "0,4-7" stands for.
func (m Map) parse(text string) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	var all []string
	for part := range strings.SplitSeq(text, ",") {
		from, to, ranged := strings.Cut(part, "-")
		if !ranged {
			to = from
		}
		first, err := strconv.Atoi(from)
		if err != nil {
			return nil, err
		}
		last, err := strconv.Atoi(to)
		if err != nil {
			return nil, err
		}
		if first < 0 || first > last || last >= len(m.Tests) {
			return nil, fmt.Errorf("%q are no tests of %d", part, len(m.Tests))
		}
		all = append(all, m.Tests[first:last+1]...)
	}
	return all, nil
}
