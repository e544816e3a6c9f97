// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "store the mutants of the sample as the expected ones")

// module writes the files of an archive to a folder.
func module(t *testing.T, archive string) (root string) {
	t.Helper()
	a, err := txtar.ParseFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	root = t.TempDir()
	for _, f := range a.Files {
		name := filepath.Join(root, f.Name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func loadFrom(t *testing.T, root, folder string) *source {
	t.Helper()
	s, err := load(t.Context(), root, folder)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The sample has a statement for each kind of edit. Two runs make the same mutants.
func TestGenerate(t *testing.T) {
	root := module(t, filepath.Join("testdata", "sample.txtar"))
	var texts []string
	seen := make(map[kind]bool)
	for range 2 {
		var b strings.Builder
		for _, m := range loadFrom(t, root, "sample").generate() {
			seen[m.kind] = true
			fmt.Fprintf(&b, "%s\n\t%d: %s\n\t%d: %s\n", m.name, m.line, m.was, m.line, m.is)
		}
		texts = append(texts, b.String())
	}
	if texts[0] != texts[1] {
		t.Error("the same source gives other mutants")
	}
	for _, k := range kinds {
		if !seen[k.kind] {
			t.Errorf("the sample has no mutant of the kind %s", k.kind)
		}
	}
	golden := filepath.Join("testdata", "sample.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(texts[0]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if texts[0] != string(want) {
		t.Errorf("the mutants of the sample are others; type \"go test ./tests/mutants/harness -update\" and read the git diff. Got\n%s", texts[0])
	}
}

// Names are unique, because entries of the list of survivors use them.
func TestNamesAreUnique(t *testing.T) {
	seen := make(map[string]bool)
	for _, what := range targets {
		for _, m := range loadFrom(t, "../../..", what.folder).generate() {
			if seen[m.name] {
				t.Errorf("two mutants have the name %s", m.name)
			}
			seen[m.name] = true
		}
	}
	known, err := knownSurvivors()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range known {
		if !seen[s.name] {
			t.Error(s.Errorf("there is no mutant %s", s.name))
		}
	}
}

func knownSurvivors() ([]survivor, error) {
	text, err := os.ReadFile(filepath.Base(survivorsFile))
	if err != nil {
		return nil, err
	}
	return parseSurvivors(text)
}

// The project "weak" has tests that notice some mutants and not others.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	checkout := module(t, filepath.Join("testdata", "weak.txtar"))
	for _, args := range [][]string{{"init", "-q"}, {"add", "."}} {
		if out, err := exec.Command("git", append([]string{"-C", checkout}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	t.Chdir(checkout)
	before := contents(t, checkout)
	tr, err := copyTree(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	tr.patience = 0
	every := func(*mutant) bool { return true }
	what := target{"weak", []string{"weak", "user"}}
	s := loadFrom(t, tr.root, "weak")
	all := s.generate()
	r, uncompiled, err := newRunner(t.Context(), tr, 2, what, s, all, every)
	if err != nil {
		t.Fatal(err)
	}
	results, err := r.runAll(t.Context(), all, every, uncompiled)
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != len(all) {
		t.Errorf("%d of %d mutants have a result", len(results), len(all))
	}
	for is, want := range map[string]string{ // what became of the mutant whose line this is
		"if n <= 10 {":             survives, // no test has n = 10
		"if n >= 10 {":             "TestSmall",
		"for i := 0; i < n; i-- {": timedOut,
		"func Untested() int { return 0; return 7 }": survives,    // no test runs it
		"const width = (8 + 1)":                      "TestWidth", // it is built alone
		`second = ""`:                                "TestWords",
		"const Spare = (1 + 1)":                      survives,
		`var words = []string{"", "b"}`:              "TestWords",
		"return a + b*(1 + 1)*0":                     equal,
		"return limit * (2 + 1)":                     "TestLimit", // of another package
		"_ = total":                                  refused,     // the end of a function that returns
	} {
		i := slices.IndexFunc(results, func(o outcome) bool { return o.is == is })
		if i < 0 {
			t.Errorf("no mutant is %q", is)
			continue
		}
		if got := results[i].became(); got != want {
			t.Errorf("%q: %s, want %s", is, got, want)
		}
	}
	if after := contents(t, checkout); after != before {
		t.Errorf("the checkout was %s and is %s", before, after)
	}
}

// contents returns the names and texts of the files in a folder, less those of git.
func contents(t *testing.T, root string) string {
	t.Helper()
	var b strings.Builder
	for _, pattern := range []string{"*", "*/*"} {
		names, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if text, err := os.ReadFile(name); err == nil && filepath.Base(filepath.Dir(name)) != ".git" {
				fmt.Fprintf(&b, "%s %q\n", name, text)
			}
		}
	}
	return b.String()
}
