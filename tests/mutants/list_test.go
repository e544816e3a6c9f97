// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"timens-vmtest/kernel/source"
)

// listHere is the path from this folder.
const listHere = "list"

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

// On Linux 7.3, at least nine of ten mutants of the unpatched kernel have a counterpart.
// Each mutant is for one of the kernels.
func TestCounterparts(t *testing.T) {
	old, late := source.Release{6, 12}, source.Release{7, 3}
	all, lost := 0, 0
	for _, m := range listed(t) {
		if m.none[old] != "" && m.none[late] != "" {
			t.Errorf("%v is for no kernel", m)
		}
		if m.series != "control" || m.none[old] != "" {
			continue
		}
		all++
		if m.none[late] != "" {
			lost++
		}
	}
	if lost*10 > all {
		t.Errorf("%d of %d mutants of control have no counterpart on %v, want a tenth or less", lost, all, late)
	}
}

func TestListRefused(t *testing.T) {
	const good = "series a b\n-- x --\nseen s\nrun r\n@@ f.c\n-a\n"
	all, err := parseList(txtar.Parse([]byte(good)))
	if err != nil || len(all) != 2 || all[1].String() != "b/x" {
		t.Fatalf("got %v, %v", all, err)
	}
	for name, bad := range map[string]string{
		"no series":          strings.Replace(good, "series", "serie", 1),
		"no mutant":          "series a\n",
		"a bad name":         strings.Replace(good, "-- x --", "-- x_y --", 1),
		"seen by nobody":     strings.Replace(good, "seen s\n", "", 1),
		"nothing to run":     strings.Replace(good, "run r\n", "", 1),
		"a bad expression":   strings.Replace(good, "run r", "run (", 1),
		"no such member":     strings.Replace(good, "run r", "run r\nwhy y", 1),
		"no edit":            strings.Replace(good, "@@ f.c\n-a\n", "", 1),
		"an edit of none":    strings.Replace(good, "-a\n", " a\n", 1),
		"an edit anywhere":   strings.Replace(good, "-a\n", "+a\n", 1),
		"another line":       strings.Replace(good, "-a\n", "-a\n*b\n", 1),
		"a form of none":     strings.Replace(good, "@@ f.c", "@@ or f.c", 1),
		"a form like none":   good + "@@ or g.c\n a\n",
		"none for no kernel": strings.Replace(good, "run r", "run r\nnone there is no such call", 1),
		"none, not said why": strings.Replace(good, "run r", "run r\nnone 6.12", 1),
	} {
		if all, err := parseList(txtar.Parse([]byte(bad))); err == nil {
			t.Errorf("%s: %q was accepted as %v", name, bad, all)
		}
	}
}

// Each page has a row for every mutant of its series, as make mutants UPDATE=yes writes it.
// The tests that a row names exist, because they run first. Some mutants of the designs have not
// run since the series were written anew; there may be fewer of them on each base.
func TestPages(t *testing.T) {
	mostDue := map[string]int{"6.12": 53, "7.3": 0}
	all := listed(t)
	exist := testNames(t)
	for base, file := range tableFiles {
		page := filepath.Base(file)
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		_, got, _, err := splitPage(string(text))
		if err != nil {
			t.Fatal(err)
		}
		last := parseTables(got)
		if want := formatTables(all, last); got != want {
			t.Errorf("%s is not in step with %s; run make mutants BASE=%s UPDATE=yes", page, listHere, base)
		}
		release, _ := source.ParseRelease(base)
		due := 0
		for _, m := range all {
			caught, ok := last[m.String()]
			again := fmt.Sprintf("run make mutants BASE=%s RUN='^%v$' UPDATE=yes", base, m)
			if !ok {
				due++
			}
			why := m.none[release]
			if ok && why != "" && caught != none+why || why == "" && strings.HasPrefix(caught, nothing) != (ok && m.equivalent != "") {
				t.Errorf("%s says that %v is caught by %s; %s", page, m, caught, again)
			}
			for _, name := range testRE.FindAllString(caught, -1) {
				if !exist[strings.Replace(name, "/386.", ".", 1)] {
					t.Errorf("%s says that %v is caught by %s, which is no test; %s", page, m, name, again)
				}
			}
		}
		if due > mostDue[base] {
			t.Errorf("nobody has run %d mutants of %s, want %d at most; run make mutants BASE=%s UPDATE=yes RUN=...", due, base, mostDue[base], base)
		}
	}
}

// testNames returns the names of all tests for guests, as package.Test.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("../*/*_test.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("tests: %v, %v", files, err)
	}
	names := make(map[string]bool)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllSubmatch(text, -1) {
			names[filepath.Base(filepath.Dir(file))+"."+string(m[1])] = true
		}
	}
	return names
}

func TestTables(t *testing.T) {
	all := []mutant{{series: "0", name: "never", seen: "s"}, {series: "a", name: "x", seen: "p|q"}, {series: "a", name: "y", seen: "s"}, {series: "b", name: "x", seen: "s"}}
	last := map[string]string{"a/x": "timens.TestA, timens.TestB", "b/x": "nothing: a|b"}
	text := formatTables(all, last)
	if got := parseTables(text); len(got) != 2 || got["a/x"] != last["a/x"] || got["b/x"] != last["b/x"] {
		t.Errorf("got %v of\n%s", got, text)
	}
	if strings.Contains(text, "never") {
		t.Errorf("there is a table of a series that never ran:\n%s", text)
	}
	if !slices.Contains(strings.Split(text, "\n"), "| y | s | ? |") {
		t.Errorf("y, which was not run, has no row with ?:\n%s", text)
	}
}

func TestSelects(t *testing.T) {
	for row, want := range map[string]string{
		"":                  "",
		"timens.TestA":      `^(timens\.TestA)$`,
		"nothing: p.TestA":  "",
		"none: like p.Test": "",
		"timens.TestA, timens/386.TestB, timens-offset.TestC, p.TestD and 7 more": `^(timens\.TestA|timens/386\.TestB|timens-offset\.TestC|p\.TestD)$`,
	} {
		if got := selects(row); got != want {
			t.Errorf("%q selects %q, want %q", row, got, want)
		}
	}
}
