// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/host/hosttest"
)

// A report of two lanes: one test fails as expected, one fails unexpectedly,
// one never started, and there are two splats.
const noticedReport = `{"verdict": "fail", "findings": [{"text": "p.TestB: fail\nmore"}], "lanes": [
	{"lane": "real", "splats": [{"text": "WARNING", "test": "p.TestC"}, {"text": "known", "test": "p.TestA", "allowed": "reason"}, {"text": "late"}],
	 "tests": [{"package": "p", "name": "TestA", "status": "fail", "expected": "fail"},
	           {"package": "p", "name": "TestB", "status": "fail", "expected": "pass"},
	           {"package": "p", "name": "TestC", "status": "pass", "expected": "pass"},
	           {"package": "p", "name": "TestD", "status": "missing", "expected": "pass"}]},
	{"lane": "virtual", "tests": [{"package": "p", "name": "TestB", "status": "timeout", "expected": "pass"}]}]}`

func TestNoticed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "report.json")
	if err := os.WriteFile(file, []byte(noticedReport), 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := readReport(file)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := r.noticed(), []string{"p.TestB", "p.TestC"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := r.headline(); got != "p.TestB: fail" {
		t.Errorf("the headline is %q", got)
	}
}

func TestJudge(t *testing.T) {
	plain, equivalent := mutant{}, mutant{equivalent: "reason"}
	some := []string{"p.TestA"}
	for _, c := range []struct {
		m       mutant
		verdict string
		caught  []string
		want    string
	}{
		{plain, "fail", some, ""},
		{plain, "pass", nil, "survives"},
		{plain, "build", nil, "does not build"},
		{plain, "fail", nil, "failed, but no test caught it"}, // the guest did not boot
		{equivalent, "pass", nil, ""},
		{equivalent, "fail", some, "is not equivalent"},
		{equivalent, "fail", nil, "failed, but no test caught it"},
		{equivalent, "build", nil, "does not build"},
	} {
		got := ""
		if err := c.m.judge(outcome{Verdict: c.verdict, Caught: c.caught}); err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%s with %v of %+v is judged %q, want %q", c.verdict, c.caught, c.m, got, c.want)
		}
	}
}

// A generated mutant that does not build is counted apart, and one that does not boot is caught.
func TestGeneratedResult(t *testing.T) {
	m := mutant{series: "s", name: "f.c/f/negate/a", generated: true}
	for _, c := range []struct {
		o    outcome
		want string
	}{
		{outcome{Verdict: "build", Headline: "f.c:1: error"}, "does not build: f.c:1: error"},
		{outcome{Verdict: "fail", Headline: "panic"}, "caught by the run: panic"},
		{outcome{Verdict: "fail", Caught: []string{"p.TestA"}}, "caught by p.TestA"},
		{outcome{Verdict: "pass"}, "IS WRONG: it survives"},
	} {
		if got := m.result(c.o).says(3); got != c.want {
			t.Errorf("%+v: got %q, want %q", c.o, got, c.want)
		}
	}
}

func TestAnswersAreKept(t *testing.T) {
	r := runner{host: host.Host{Cache: cache.Cache{Dir: t.TempDir()}, Report: new(reporter)}, tests: "tests"}
	other := r
	other.tests = "other tests"
	survives := errors.New("survives")
	for _, c := range []struct {
		r     runner
		about string
		err   error // what ask returns
		want  string
	}{
		{r, "a", survives, "asked"}, // an error is not kept
		{r, "a", nil, "asked"},
		{r, "a", nil, "kept"},
		{r, "b", nil, "asked"},
		{other, "a", nil, "asked"},
		{r, "a", nil, "kept"},
	} {
		got := "kept"
		o, err := c.r.answer(t.Context(), []string{c.about}, func() (outcome, error) {
			got = "asked"
			return outcome{Caught: []string{"p.TestA"}}, c.err
		})
		if got != c.want || err != c.err || !slices.Equal(o.Caught, []string{"p.TestA"}) {
			t.Errorf("of %s, with %s: %s, %v, %v; want %+v", c.about, c.r.tests, got, o, err, c)
		}
	}
}

// The tests that noticed last time run first, up to the first that notices. A new record
// begins with those that noticed on the default base.
func TestWays(t *testing.T) {
	m := mutant{series: "s", name: "m", run: "Likely"}
	const all, likely = "-lane both", "-run Likely -lane virtual"
	row := func(text string) map[string]string { return map[string]string{m.String(): text} }
	for name, c := range map[string]struct {
		r    runner
		want string
	}{
		"nothing known":        {runner{first: true}, likely + " -fail-fast; " + all},
		"known":                {runner{first: true, here: row("p.TestA")}, `-run ^(p\.TestA)$ -lane virtual -fail-fast; ` + likely + " -fail-fast; " + all},
		"record":               {runner{here: row("p.TestA")}, likely + "; " + all},
		"all":                  {runner{all: true, here: row("p.TestA")}, all},
		"other base":           {runner{first: true, elsewhere: row("p.TestB")}, `-run ^(p\.TestB)$ -lane virtual -fail-fast; ` + likely + " -fail-fast; " + all},
		"both bases":           {runner{first: true, here: row("p.TestA"), elsewhere: row("p.TestB")}, `-run ^(p\.TestA)$ -lane virtual -fail-fast; ` + likely + " -fail-fast; " + all},
		"record of other base": {runner{here: row("p.TestA"), elsewhere: row("p.TestB")}, `-run ^(p\.TestB)$ -lane virtual; ` + likely + "; " + all},
	} {
		var got []string
		for _, way := range c.r.ways(m) {
			got = append(got, strings.Join(way, " "))
		}
		if strings.Join(got, "; ") != c.want {
			t.Errorf("%s: got %q, want %q", name, strings.Join(got, "; "), c.want)
		}
	}
	for _, r := range []runner{{first: true}, {first: true, all: true}} {
		want := map[bool]int{false: 2, true: 1}[r.all]
		if got := r.ways(mutant{series: "s", name: "f.c/f/negate/a", generated: true}); len(got) != want || !slices.Equal(got[want-1], allTests) {
			t.Errorf("a generated mutant is run as %v, want %d ways of which the last runs all tests", got, want)
		}
	}
	m.tests = "tests/p"
	if got, want := len((runner{here: row("p.TestA")}).ways(m)), 3; got != want {
		t.Errorf("a mutant with folders of tests has %d ways, want %d", got, want)
	}
}

// The digest covers what is in a guest or judges it, and no test of the host.
func TestDigest(t *testing.T) {
	files := map[string]string{
		"vmtest/a.go": "1", "vmtest/a_test.go": "1", "vmtest/testdata/x": "1",
		"tests/timens/a_test.go": "1", "tests/mutants/list/x": "1", "tests/canary/a_test.go": "1",
	}
	digest := func() string {
		t.Helper()
		t.Chdir(hosttest.Folder(t, files))
		d, err := digestOf("tests", "vmtest")
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	before := digest()
	for name := range files {
		files[name] = "2"
		covered := name == "vmtest/a.go" || name == "tests/timens/a_test.go"
		if got := digest() != before; got != covered {
			t.Errorf("the digest changes with %s: %v, want %v", name, got, covered)
		}
		files[name] = "1"
	}
}
