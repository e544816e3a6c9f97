// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"errors"
	"regexp"
	"strings"
	"testing"
)

func TestParseSurvivors(t *testing.T) {
	all, err := parseSurvivors([]byte("# comment\nequivalent a/b.go/F/drop/x-1 # why\noutside a/b.go/F/drop/y#-2 # why not\n"))
	if err != nil || len(all) != 2 || !all[0].equivalent || all[1].equivalent || all[1].name != "a/b.go/F/drop/y#-2" || all[1].Reason != "why not" {
		t.Errorf("got %+v, %v", all, err)
	}
	for _, text := range []string{"equivalent a", "equivalent a # ", "same a # why", "a # why", "outside a b # why", "outside a # why\nequivalent a # why"} {
		if all, err := parseSurvivors([]byte(text)); err == nil || !strings.HasPrefix(err.Error(), survivorsFile+":") {
			t.Errorf("%q was taken for %+v, %v", text, all, err)
		}
	}
}

// A run fails on a survivor without an entry, and on an entry without a survivor. Entries of
// mutants that it did not run are left alone.
func TestCompare(t *testing.T) {
	known, err := parseSurvivors([]byte("equivalent p/a.go/F/drop/x # why\noutside p/a.go/G/drop/y # why\noutside pq/a.go/F/drop/x # why\noutside gone/a.go/F/drop/x # why\n"))
	if err != nil {
		t.Fatal(err)
	}
	f := &file{name: "a.go"}
	x := outcome{mutant: &mutant{name: "p/a.go/F/drop/x", file: f}}
	y := outcome{mutant: &mutant{name: "p/a.go/G/drop/y", file: f}}
	z := outcome{mutant: &mutant{name: "p/a.go/F/drop/z", file: f}}
	caught := func(o outcome) outcome { o.by = "TestX"; return o }
	same := func(o outcome) outcome { o.equivalent = true; return o }
	for name, tc := range map[string]struct {
		run     string
		results []outcome
		want    string // a part of each error, in their order
	}{
		"as listed":           {"", []outcome{x, y, caught(z)}, ""},
		"not listed":          {"", []outcome{x, y, z}, "p/a.go/F/drop/z # REASON"},
		"caught":              {"", []outcome{caught(x), y}, ":1: no mutant p/a.go/F/drop/x survives"},
		"equivalent":          {"", []outcome{x, same(y)}, ":2: no mutant p/a.go/G/drop/y survives"},
		"not there":           {"", []outcome{y}, ":1: no mutant p/a.go/F/drop/x survives"},
		"a part":              {"/G/", []outcome{y}, ""},
		"a part, not as list": {"/G/", []outcome{caught(y)}, ":2: no mutant p/a.go/G/drop/y survives"},
	} {
		o := options{run: regexp.MustCompile(tc.run)}
		err := errors.Join(o.compare(target{folder: "p"}, tc.results, known)...)
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", name, err, tc.want)
		}
	}
	known = known[3:]
	if err := errors.Join(strangers(known)...); err == nil || !strings.Contains(err.Error(), "no mutant gone/a.go/F/drop/x survives") {
		t.Errorf("an entry of no package: got %v", err)
	}
}

func TestRefuse(t *testing.T) {
	for want, o := range map[string]struct {
		options
		run  string
		args []string
	}{
		"":                               {options{jobs: 1}, "x", nil},
		"-jobs 0: want a number above 0": {options{}, "", nil},
		"-run: error parsing regexp":     {options{jobs: 1}, "(", nil},
		`besides flags: ["x"]`:           {options{jobs: 1}, "", []string{"x"}},
		"leave out one of them":          {options{jobs: 1, check: true, update: true}, "", nil},
	} {
		if err := o.refuse(o.run, o.args); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
