// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"os"
	"slices"

	"timens-vmtest/internal/reasons"
)

// survivorsFile lists the mutants that no test notices, each with the reason.
const survivorsFile = "tests/mutants/harness/survivors"

// The words with which an entry of survivorsFile begins.
const (
	equivalentWord = "equivalent" // no test can notice the mutant
	outsideWord    = "outside"    // a test could, and none has to
)

var survivorKind = reasons.Kind{Name: survivorsFile, Form: "equivalent|outside NAME # reason", Mark: " # "}

// survivor is one entry of survivorsFile.
type survivor struct {
	reasons.Entry
	equivalent bool
	name       string
}

// readSurvivors reads survivorsFile.
func readSurvivors() ([]survivor, error) {
	text, err := os.ReadFile(survivorsFile)
	if err != nil {
		return nil, err
	}
	return parseSurvivors(text)
}

func parseSurvivors(text []byte) ([]survivor, error) {
	entries, err := survivorKind.Parse(text)
	if err != nil {
		return nil, err
	}
	var all []survivor
	for _, e := range entries {
		words, err := e.Words(2)
		if err != nil {
			return nil, err
		}
		if words[0] != equivalentWord && words[0] != outsideWord {
			return nil, e.Malformed()
		}
		s := survivor{e, words[0] == equivalentWord, words[1]}
		if slices.ContainsFunc(all, func(o survivor) bool { return o.name == s.name }) {
			return nil, e.Errorf("%s stands there twice; leave one out", s.name)
		}
		all = append(all, s)
	}
	return all, nil
}

// knows returns the entry for a mutant, if there is one.
func knows(all []survivor, name string) (survivor, bool) {
	i := slices.IndexFunc(all, func(s survivor) bool { return s.name == name })
	if i < 0 {
		return survivor{}, false
	}
	return all[i], true
}

// stale returns an error for each entry about a mutant of a run that did not survive, or that is
// none. ran reports whether the run had the mutants that a name could be of.
func stale(all []survivor, ran func(name string) bool, survived map[string]bool) []error {
	var wrong []error
	for _, s := range reasons.Unmatched(all, func(s survivor) bool { return !ran(s.name) || survived[s.name] }) {
		wrong = append(wrong, s.Errorf("%w", fmt.Errorf("no mutant %s survives; leave out the line", s.name)))
	}
	return wrong
}
