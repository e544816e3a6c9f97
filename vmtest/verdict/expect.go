// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"fmt"
	"slices"
	"strings"

	"timens-vmtest/internal/reasons"
	"timens-vmtest/internal/wire"
)

// expectKind describes expect files.
var expectKind = reasons.Kind{Name: ExpectFile, Form: "pass|fail|skip package Test [OLD-NEW] # reason", Mark: "#"}

// Expectation is one line of an expect file: the status that a test should have, and why.
type Expectation struct {
	wire.TestID
	Status Status
	Reason string
	Line   int

	// Span says which kernels the line is for; zero: all. On decides what it means for one
	// kernel.
	Span Span

	// Later is the status that the test should have on the later kernels of Span. It is
	// Missing without a Span.
	Later Status

	// Open reports whether the kernel lies between the releases of Span, so that the test
	// may have the status Later as well. On sets it.
	Open bool
}

// ParseExpect reads an expect file. Package reasons describes the lines "pass|fail|skip
// package Test [OLD-NEW] # reason". OLD-NEW is a Span, such as 6.12-7.3. The later kernels pass
// the test, unless the line begins with two statuses, such as skip-fail.
func ParseExpect(text []byte) ([]Expectation, error) {
	entries, err := expectKind.Parse(text)
	if err != nil {
		return nil, err
	}
	var all []Expectation
	seen := make(map[wire.TestID]int)
	for _, entry := range entries {
		word := strings.Fields(entry.What)
		var span Span
		if len(word) == 4 {
			if span, err = parseSpan(word[3]); err != nil {
				return nil, entry.Errorf("%w", err)
			}
			word = word[:3]
		}
		if len(word) != 3 {
			return nil, entry.Malformed()
		}
		e := Expectation{Span: span, TestID: wire.TestID{Package: word[1], Name: word[2]}, Reason: entry.Reason, Line: entry.Line}
		if e.Status, e.Later, err = parseStatuses(word[0], span != (Span{})); err != nil {
			return nil, entry.Errorf("%w", err)
		}
		if first, ok := seen[e.TestID]; ok {
			return nil, entry.Errorf("%s is already on line %d", e.TestID, first)
		}
		seen[e.TestID] = e.Line
		all = append(all, e)
	}
	return all, nil
}

// parseStatuses reads what a test should do: STATUS, or STATUS-STATUS on the older and on the later
// kernels of a Span. later is Missing without a Span.
func parseStatuses(text string, span bool) (status, later Status, err error) {
	older, newer, two := strings.Cut(text, "-")
	if status, err = parseStatus(older); err != nil || !span && !two {
		return status, Missing, err
	}
	later = Pass
	if two {
		later, err = parseStatus(newer)
	}
	switch {
	case err != nil:
		return status, later, err
	case !span:
		return status, later, fmt.Errorf("%q is for a line with two releases, such as 6.12-7.3", text)
	case status == later:
		return status, later, fmt.Errorf("%q says the same of older and later kernels; leave out the releases, and write %s", text, status)
	case two && later == Pass:
		return status, later, fmt.Errorf("%q means what %s means; write that", text, status)
	}
	return status, later, nil
}

func parseStatus(text string) (Status, error) {
	for _, s := range []Status{Pass, Fail, Skip} {
		if text == s.String() {
			return s, nil
		}
	}
	return Missing, fmt.Errorf("%q is not one of pass, fail, skip", text)
}

// JoinExpect joins the expectations for every kernel and those for a series. If both name a
// test, the line of the series is used.
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

// Expected returns the status that a test should have on the kernel that was passed to On.
func Expected(all []Expectation, id wire.TestID) Status { return expectationOf(all, id).Status }

// Expects reports whether a test did what it is to do on the kernel that On was told of.
func Expects(all []Expectation, t TestResult) bool {
	x := expectationOf(all, t.TestID)
	return t.Status == x.Status || x.Open && t.Status == x.Later
}

// expectationOf returns the expectation of a test. If no line names the test, it should pass.
// A line for a package is also valid for its 32-bit build, unless that has its own line.
func expectationOf(all []Expectation, id wire.TestID) Expectation {
	for _, e := range all {
		if e.TestID == id {
			return e
		}
	}
	if name, ok := strings.CutSuffix(id.Package, wire.I386); ok {
		return expectationOf(all, wire.TestID{Package: name, Name: id.Name})
	}
	return Expectation{Status: Pass}
}

// useless returns the expectations that name a test that does not exist.
func useless(all []Expectation, p wire.Plan) []Expectation {
	exists := make(map[wire.TestID]bool)
	for _, t := range p.Tests {
		exists[t.TestID] = true
	}
	for _, id := range p.Filtered {
		exists[id] = true
	}
	return reasons.Unmatched(all, func(e Expectation) bool { return exists[e.TestID] || slices.Contains(p.LeftOut, e.Package) })
}
