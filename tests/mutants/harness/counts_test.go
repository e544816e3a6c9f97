// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestCount(t *testing.T) {
	known, err := parseSurvivors([]byte("equivalent a # why\noutside b # why\n"))
	if err != nil {
		t.Fatal(err)
	}
	one := func(name string) outcome { return outcome{mutant: &mutant{name: name}} }
	by := func(test string) outcome { o := one("x"); o.by = test; return o }
	no, same := one("x"), one("x")
	no.refused, same.equivalent = "x", true
	got := count([]outcome{one("a"), one("b"), one("c"), by("TestX"), by("TestX"), by(timedOut), no, same}, known)
	if want := (counts{made: 8, refused: 1, same: 1, equivalent: 1, outside: 1, unknown: 1, caught: 3, late: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := got.share(); got != "60.0 %" { // 3 of 5
		t.Errorf("got a share of %s", got)
	}
	if got := (counts{made: 2, refused: 2}).share(); got != "none" {
		t.Errorf("of nothing, got a share of %s", got)
	}
}

// The page has a row for each package, and the kinds of edits as they are.
func TestPage(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, what := range targets {
		page, err := withRow(string(text), what.folder, counts{made: 12345, caught: 1})
		if err != nil {
			t.Error(err)
		} else if !strings.Contains(page, fmt.Sprintf("| `%s` | 12345 | 0 | 0 | 0 | 1 | 0 | 0 | 100.0 %% |", what.folder)) || strings.Count(page, "\n") != strings.Count(string(text), "\n") {
			t.Errorf("the row of %s became\n%s", what.folder, page)
		}
	}
	if page, err := withRow(string(text), "vmtest/none", counts{}); err == nil {
		t.Errorf("a package without a row made the page\n%s", page)
	}
	table := "| kind | what the edit does |\n|---|---|\n"
	for _, k := range kinds {
		table += fmt.Sprintf("| %s | %s |\n", k.kind, strings.ReplaceAll(k.does, "|", `\|`))
	}
	if !strings.Contains(string(text), table) {
		t.Errorf("README.md lacks this table of the kinds:\n%s", table)
	}
}
