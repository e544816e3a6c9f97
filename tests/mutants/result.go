// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

// result is the outcome of a mutant.
type result struct {
	mutant
	apart  string   // why it has no counterpart on this kernel; "" if it ran
	caught []string // package.Test, in the plan's order
	// unbuilt is why a generated mutant does not build; "" if it does.
	unbuilt string
	wrong   error // what is wrong with the outcome, or nil
}

// says returns the result in words that follow the mutant's name, with at most n
// tests.
func (r result) says(n int) string {
	if r.wrong != nil {
		line, _, _ := strings.Cut(r.wrong.Error(), "\n")
		return "IS WRONG: it " + line
	}
	if r.apart != "" {
		return "has no counterpart: " + r.apart
	}
	if r.unbuilt != "" {
		return "does not build: " + r.unbuilt
	}
	if r.equivalent != "" {
		return "is equivalent: " + r.equivalent
	}
	return "caught by " + shortened(r.caught, n)
}

// shortened lists at most n names.
func shortened(names []string, n int) string {
	if len(names) <= n {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:n], ", "), len(names)-n)
}

// report is the part of report.json that says which tests noticed.
type report struct {
	Verdict  string
	Findings []struct{ Text string }
	Lanes    []struct {
		Splats []struct{ Text, Test, Allowed string }
		Tests  []struct{ Package, Name, Status, Expected string }
	}
}

func readReport(file string) (report, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return report{}, err
	}
	var r report
	if err := json.Unmarshal(text, &r); err != nil {
		return report{}, fmt.Errorf("%s: %w", file, err)
	}
	return r, nil
}

// headline is the first finding's first line.
func (r report) headline() string {
	if len(r.Findings) == 0 {
		return r.Verdict
	}
	line, _, _ := strings.Cut(r.Findings[0].Text, "\n")
	return line
}

// noticed returns the tests that were not as expected, or during which the
// kernel complained. A test that never started has noticed nothing.
func (r report) noticed() []string {
	var names []string
	add := func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, l := range r.Lanes {
		for _, t := range l.Tests {
			if t.Status != t.Expected && t.Status != "missing" {
				add(t.Package + "." + t.Name)
			}
		}
		for _, s := range l.Splats {
			if s.Allowed == "" && s.Test != "" {
				add(s.Test)
			}
		}
	}
	return names
}
