// SPDX-License-Identifier: BSD-3-Clause

package docs

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"timens-vmtest/vmtest/verdict"
)

const (
	kernelsPage   = "kernels.md"
	kernelsExpect = "../kernel/expect"
	kernelsEnd    = "<!-- end -->\n"
	kernelsBegin  = "<!-- from kernel/expect and the tests; go test ./docs -update rewrites it -->\n"
)

// kernels are the columns of the table.
var kernels = []struct{ name, version string }{{"6.12", "6.12.117"}, {"7.3", "7.3.4"}}

// The page lists the tests that do not pass on every kernel, with what each shows.
func TestKernelsPage(t *testing.T) {
	text, err := os.ReadFile(kernelsPage)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(text), kernelsBegin)
	got, after, ok2 := strings.Cut(rest, kernelsEnd)
	if !ok1 || !ok2 {
		t.Fatalf("%s lacks %q or %q", kernelsPage, kernelsBegin, kernelsEnd)
	}
	want := testsByKernel(t)
	switch {
	case got == want:
	case *update:
		if err := os.WriteFile(kernelsPage, []byte(before+kernelsBegin+want+kernelsEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("the table of %s is not that of %s: go test ./docs -update", kernelsPage, kernelsExpect)
	}
}

// testsByKernel has a row for each line of kernel/expect.
func testsByKernel(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(kernelsExpect)
	if err != nil {
		t.Fatal(err)
	}
	all, err := verdict.ParseExpect(text)
	if err != nil {
		t.Fatal(err)
	}
	out := "| test | what it shows |"
	rule := "|---|---|"
	for _, k := range kernels {
		out, rule = out+fmt.Sprintf(" %s |", k.name), rule+"---|"
	}
	out += " why |\n" + rule + "---|\n"
	summaries := make(map[string]map[string]string)
	for _, e := range all {
		if summaries[e.Package] == nil {
			summaries[e.Package] = summariesOf(t, e.Package)
		}
		summary, ok := summaries[e.Package][e.Name]
		if !ok || summary == "" {
			t.Errorf("%s: tests/%s has no %s with a comment", kernelsExpect, e.Package, e.Name)
		}
		out += fmt.Sprintf("| `%s.%s` | %s |", e.Package, e.Name, summary)
		for _, k := range kernels {
			out += fmt.Sprintf(" %v |", verdict.Expected(verdict.On(all, k.version, false), e.TestID))
		}
		out += fmt.Sprintf(" %s |\n", e.Reason)
	}
	return out
}

// summariesOf returns the first sentence of the comment of each test of a package.
func summariesOf(t *testing.T, pkg string) map[string]string {
	t.Helper()
	files, err := filepath.Glob("../tests/" + pkg + "/*_test.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("tests/%s: %d files, %v", pkg, len(files), err)
	}
	out := make(map[string]string)
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range parsed.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil {
				out[f.Name.Name] = new(doc.Package).Synopsis(f.Doc.Text())
			}
		}
	}
	return out
}
