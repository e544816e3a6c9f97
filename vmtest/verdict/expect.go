// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"fmt"
	"slices"
	"strings"

	"timens-vmtest/internal/wire"
)

// Expectation is one line of an expect file: that a test does not pass, or
// does, and why.
type Expectation struct {
	wire.TestID
	Status Status
	Reason string
	Line   int
}

// ParseExpect reads an expect file: lines "pass|fail|skip package Test #
// reason", empty lines, and comments that begin in column one.
func ParseExpect(text []byte) ([]Expectation, error) {
	var all []Expectation
	seen := make(map[wire.TestID]int)
	for i, line := range strings.Split(string(text), "\n") {
		n := i + 1
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		what, reason, _ := strings.Cut(line, "#")
		word := strings.Fields(what)
		if len(word) != 3 {
			return nil, fmt.Errorf("expect:%d: %q is not \"pass|fail|skip package Test # reason\"", n, line)
		}
		e := Expectation{TestID: wire.TestID{Package: word[1], Name: word[2]}, Reason: strings.TrimSpace(reason), Line: n}
		switch word[0] {
		case "pass":
			e.Status = Pass
		case "fail":
			e.Status = Fail
		case "skip":
			e.Status = Skip
		default:
			return nil, fmt.Errorf("expect:%d: %q is none of pass, fail, skip", n, word[0])
		}
		if e.Reason == "" {
			return nil, fmt.Errorf("expect:%d: %s has no reason; write it behind a #", n, e.TestID)
		}
		if first, ok := seen[e.TestID]; ok {
			return nil, fmt.Errorf("expect:%d: %s stands on line %d already", n, e.TestID, first)
		}
		seen[e.TestID] = n
		all = append(all, e)
	}
	return all, nil
}

// JoinExpect puts what is expected of every kernel before what is expected of a
// series. Where both name a test the series has the last word.
func JoinExpect(every, series []byte) ([]byte, error) {
	general, err := ParseExpect(every)
	if err != nil {
		return nil, fmt.Errorf("of every kernel: %w", err)
	}
	special, err := ParseExpect(series)
	if err != nil {
		return nil, err
	}
	lines := slices.Collect(strings.Lines(string(every)))
	for _, g := range general {
		if slices.ContainsFunc(special, func(s Expectation) bool { return s.TestID == g.TestID }) {
			lines[g.Line-1] = "\n"
		}
	}
	return []byte(strings.Join(lines, "") + "\n" + string(series)), nil
}

// Expected is the status that a test is to have. What is said of a package holds
// for its 32-bit build as well, unless that is named itself.
func Expected(all []Expectation, id wire.TestID) Status {
	for _, e := range all {
		if e.TestID == id {
			return e.Status
		}
	}
	if name, ok := strings.CutSuffix(id.Package, wire.I386); ok {
		return Expected(all, wire.TestID{Package: name, Name: id.Name})
	}
	return Pass
}

// useless lists expectations that name no test that exists.
func useless(all []Expectation, p wire.Plan) []Expectation {
	exists := make(map[wire.TestID]bool)
	for _, t := range p.Tests {
		exists[t.TestID] = true
	}
	for _, id := range p.Filtered {
		exists[id] = true
	}
	var none []Expectation
	for _, e := range all {
		if !exists[e.TestID] && !slices.Contains(p.LeftOut, e.Package) {
			none = append(none, e)
		}
	}
	return none
}
