// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// Paths from this folder.
const (
	listHere   = "list"
	readmeHere = "README.md"
)

func listed(t *testing.T) []mutant {
	t.Helper()
	all, err := loadLists(listHere)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestLists(t *testing.T) {
	count := make(map[string]int)
	for _, m := range listed(t) {
		if m.equivalent == "" {
			count[m.series]++
		}
	}
	for series, least := range map[string]int{"control": 40, "timens-offset": 15, "inline-ns": 15, "namespaces": 15} {
		if count[series] < least {
			t.Errorf("%s has %d mutants that a test has to catch, want %d and more", series, count[series], least)
		}
	}
}

func TestListRefused(t *testing.T) {
	const good = "series a b\n-- x --\nseen s\nrun r\n@@ f.c\n-a\n"
	all, err := parseList(txtar.Parse([]byte(good)))
	if err != nil || len(all) != 2 || all[1].String() != "b/x" {
		t.Fatalf("got %v, %v", all, err)
	}
	for name, bad := range map[string]string{
		"no series":        strings.Replace(good, "series", "serie", 1),
		"no mutant":        "series a\n",
		"a bad name":       strings.Replace(good, "-- x --", "-- x_y --", 1),
		"seen by nobody":   strings.Replace(good, "seen s\n", "", 1),
		"nothing to run":   strings.Replace(good, "run r\n", "", 1),
		"a bad expression": strings.Replace(good, "run r", "run (", 1),
		"no such member":   strings.Replace(good, "run r", "run r\nwhy y", 1),
		"no edit":          strings.Replace(good, "@@ f.c\n-a\n", "", 1),
		"an edit of none":  strings.Replace(good, "-a\n", " a\n", 1),
		"an edit anywhere": strings.Replace(good, "-a\n", "+a\n", 1),
		"another line":     strings.Replace(good, "-a\n", "-a\n*b\n", 1),
	} {
		if all, err := parseList(txtar.Parse([]byte(bad))); err == nil {
			t.Errorf("%s: %q was accepted as %v", name, bad, all)
		}
	}
}

// The README has a row for every mutant, as make mutants UPDATE=yes writes it.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile(readmeHere)
	if err != nil {
		t.Fatal(err)
	}
	_, got, _, err := splitReadme(string(text))
	if err != nil {
		t.Fatal(err)
	}
	all := listed(t)
	last := parseTables(got)
	if want := formatTables(all, last); got != want {
		t.Errorf("%s is not in step with %s; make mutants UPDATE=yes", readmeHere, listHere)
	}
	for _, m := range all {
		caught, ok := last[m.String()]
		if !ok {
			t.Errorf("%s does not say what catches %v; run make mutants RUN='^%v$' UPDATE=yes", readmeHere, m, m)
		}
		if m.equivalent != "" && caught != "nothing: "+m.equivalent {
			t.Errorf("%s says that %v is caught by %s", readmeHere, m, caught)
		}
	}
}

func TestTables(t *testing.T) {
	all := []mutant{{series: "a", name: "x", seen: "p|q"}, {series: "a", name: "y", seen: "s"}, {series: "b", name: "x", seen: "s"}}
	last := map[string]string{"a/x": "timens.TestA, timens.TestB", "b/x": "nothing: a|b"}
	text := formatTables(all, last)
	if got := parseTables(text); len(got) != 2 || got["a/x"] != last["a/x"] || got["b/x"] != last["b/x"] {
		t.Errorf("got %v of\n%s", got, text)
	}
	if !slices.Contains(strings.Split(text, "\n"), "| y | s | ? |") {
		t.Errorf("y, which was not run, has no row with ?:\n%s", text)
	}
}
