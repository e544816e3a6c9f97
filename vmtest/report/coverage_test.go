// SPDX-License-Identifier: BSD-3-Clause

package report

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"timens-vmtest/vmtest/verdict"
)

// tracefile reads a tracefile of lcov, and returns how many tests ran each line. It complains of
// all that the format does not have.
func tracefile(t *testing.T, text []byte) map[string]int {
	t.Helper()
	ran := make(map[string]int)
	file, found, hit, began := "", 0, 0, false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		word, value, _ := strings.Cut(line, ":")
		var number, count int
		switch {
		case word == "TN" && !began && file == "" && value == notInName.ReplaceAllString(value, ""):
			began = true
		case word == "SF" && began && file == "" && value != "":
			file, found, hit = value, 0, 0
		case word == "DA" && file != "":
			if n, err := fmt.Sscanf(value, "%d,%d", &number, &count); n != 2 || err != nil {
				t.Errorf("%q: %v", line, err)
			}
			if found++; count > 0 {
				hit++
			}
			ran[fmt.Sprintf("%s:%d", file, number)] += count
		case line == fmt.Sprintf("LF:%d", found), line == fmt.Sprintf("LH:%d", hit):
		case line == "end_of_record" && found > 0:
			file, began = "", false
		default:
			t.Errorf("%q is no line here: file %q, %d lines, %d of them ran", line, file, found, hit)
		}
	}
	if file != "" || began {
		t.Error("the last section has no end")
	}
	return ran
}

// The tracefile has each line that can be counted, with the number of tests that ran it.
func TestLcov(t *testing.T) {
	for name, want := range map[string]map[string]int{
		"covered": {"kernel/fork.c:12": 4, "kernel/fork.c:13": 0, "kernel/fork.c:40": 1},
		"none":    {},
		"never":   {"a.c:1": 0, "a.c:2": 0},
	} {
		got := tracefile(t, Lcov(coverages()[name]))
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	c := *coverages()["covered"]
	c.Tests = []string{"real timens/386.TestA", "p.TestB", "p.TestC", "p.TestD"}
	if text := string(Lcov(&c)); !strings.HasPrefix(text, "TN:real_timens_386_TestA\nSF:kernel/fork.c\n") || strings.Count(text, "TN:") != 4 {
		t.Errorf("the tests are not named: %s", text)
	}
}

// coverages are what a run may have measured.
func coverages() map[string]*verdict.CoverageResult {
	return map[string]*verdict.CoverageResult{
		"covered": &covered,
		"none":    {Files: []verdict.CoveredFile{{Path: "a.h", Lines: []verdict.CoveredLine{{Op: "+", N: 1, Uncounted: verdict.CommentLine}, {Op: "-"}}}}},
		"never":   {Countable: 2, Tests: []string{"p.TestA"}, Files: []verdict.CoveredFile{{Path: "a.c", Lines: []verdict.CoveredLine{{Op: "+", N: 1}, {Op: "+", N: 2}, {Op: " ", N: 3}}}}},
	}
}

// coberturaRules are the elements of the document type coverage-04.dtd: the attributes, all of
// which it demands here, and the elements that may stand in each.
var coberturaRules = map[string]struct{ attributes, elements string }{
	"coverage": {"line-rate branch-rate lines-covered lines-valid branches-covered branches-valid complexity version timestamp", "sources packages"},
	"sources":  {"", "source"},
	"source":   {"", ""},
	"packages": {"", "package"},
	"package":  {"name line-rate branch-rate complexity", "classes"},
	"classes":  {"", "class"},
	"class":    {"name filename line-rate branch-rate complexity", "methods lines"},
	"methods":  {"", ""},
	"lines":    {"", "line"},
	"line":     {"number hits branch", ""},
}

// holdCobertura complains of all that the document type does not allow. It returns "file:line
// hits" for each line.
func holdCobertura(t *testing.T, text []byte) []string {
	t.Helper()
	var lines, open []string
	file := ""
	next := make([]int, 1) // for each open element, the first of its elements that may follow
	d := xml.NewDecoder(bytes.NewReader(text))
	for {
		token, err := d.Token()
		if err == io.EOF {
			return lines
		}
		if err != nil {
			t.Fatal(err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			rule, known := coberturaRules[e.Name.Local]
			if n := len(open); !known || n == 0 && e.Name.Local != "coverage" {
				t.Errorf("there is an element %s in %v", e.Name.Local, open)
			} else if n > 0 {
				at := slices.Index(strings.Fields(coberturaRules[open[n-1]].elements), e.Name.Local)
				if at < next[n] {
					t.Errorf("%s stands in the wrong place of %v", e.Name.Local, open)
				}
				next[n] = at
			}
			values := make(map[string]string)
			var names []string
			for _, a := range e.Attr {
				names, values[a.Name.Local] = append(names, a.Name.Local), a.Value
			}
			if strings.Join(names, " ") != rule.attributes {
				t.Errorf("%s has the attributes %v, want %s", e.Name.Local, names, rule.attributes)
			}
			if e.Name.Local == "class" {
				file = values["filename"]
			}
			if e.Name.Local == "line" {
				lines = append(lines, file+":"+values["number"]+" "+values["hits"])
			}
			open, next = append(open, e.Name.Local), append(next, 0)
		case xml.EndElement:
			open, next = open[:len(open)-1], next[:len(next)-1]
		}
	}
}

// The report for Cobertura is one that its document type allows, and has each line that can be
// counted, with how often it ran.
func TestCobertura(t *testing.T) {
	for name, want := range map[string]string{
		"covered": "[kernel/fork.c:12 9 kernel/fork.c:13 0 kernel/fork.c:40 1]",
		"none":    "[]",
		"never":   "[a.c:1 0 a.c:2 0]",
	} {
		r := verdict.Result{Run: run, Coverage: coverages()[name]}
		r.Run.Tree, r.Run.Began = &verdict.Tree{Path: "/home/ann/linux & co"}, "2026-11-26T01:02:03Z"
		text, err := Cobertura(r)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(holdCobertura(t, text)); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
		for _, want := range []string{`timestamp="1795654923000"`, "<source>/home/ann/linux &amp; co</source>", fmt.Sprintf(`lines-valid="%d"`, r.Coverage.Countable)} {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s lacks %s:\n%s", name, want, text)
			}
		}
	}
	for want, of := range map[string][2]int{"0": {0, 0}, "1": {3, 3}, "0.6667": {2, 3}, "0.5": {1, 2}} {
		if got := rate(of[0], of[1]); got != want {
			t.Errorf("the rate of %v is %s, want %s", of, got, want)
		}
	}
}
