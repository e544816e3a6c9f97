// SPDX-License-Identifier: BSD-3-Clause

package order

import (
	_ "embed"
	"encoding/json"
	"fmt"
)

// Breaks says which tests noticed that a function was broken, by the name of the function.
type Breaks map[string]Noticed

// Noticed says how many breaks of a function were tried, and how many of them each test
// noticed, by package.Name. Of each break only the first tests that noticed are counted.
type Noticed struct {
	Breaks int            `json:"breaks"`
	Tests  map[string]int `json:"tests"`
}

// BreaksFile is the file with KnownBreaks, in the folder of this package. The breaks are
// those of tests/mutants; "go test ./tests/mutants -update" writes the file.
const BreaksFile = "breaks.json"

//go:embed breaks.json
var breaks []byte

// KnownBreaks returns what the breaks of tests/mutants have shown.
func KnownBreaks() (Breaks, error) {
	var b Breaks
	if err := json.Unmarshal(breaks, &b); err != nil {
		return nil, fmt.Errorf("%s: %w", BreaksFile, err)
	}
	return b, nil
}

// Add adds a break of some functions, and the tests that noticed it.
func (b Breaks) Add(functions, tests []string) {
	for _, name := range distinct(functions) {
		n := b[name]
		if n.Tests == nil {
			n.Tests = make(map[string]int)
		}
		n.Breaks++
		for _, t := range tests {
			n.Tests[t]++
		}
		b[name] = n
	}
}
