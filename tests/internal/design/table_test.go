// SPDX-License-Identifier: BSD-3-Clause

package design

import (
	"flag"
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of tests by design in docs/designs.md")

const (
	root       = "../../../"
	pageFile   = root + "docs/designs.md"
	expectFile = root + "kernel/patches/control/expect"
	tableBegin = "<!-- from kernel/patches/control/expect and the tests; go test ./tests/internal/design -update rewrites it -->\n"
	tableEnd   = "<!-- end -->\n"
)

// series are the columns of the table.
var series = []Name{TimensOffset, InlineNS, Namespaces}

// expected is a line of an expect file.
var expected = regexp.MustCompile(`(?m)^fail (\S+) (\S+) # (.*)$`)

// The page lists the tests that fail on the unpatched kernel, with what each shows
// and the designs that pass it.
func TestTableOfPage(t *testing.T) {
	text, err := os.ReadFile(pageFile)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(text), tableBegin)
	got, after, ok2 := strings.Cut(rest, tableEnd)
	if !ok1 || !ok2 {
		t.Fatalf("%s lacks %q or %q", pageFile, tableBegin, tableEnd)
	}
	want := table(t)
	switch {
	case got == want:
	case *update:
		if err := os.WriteFile(pageFile, []byte(before+tableBegin+want+tableEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("the table of %s is not that of the tests: go test ./tests/internal/design -update", pageFile)
	}
}

func table(t *testing.T) string {
	t.Helper()
	control, err := os.ReadFile(expectFile)
	if err != nil {
		t.Fatal(err)
	}
	out := "| test | what it shows | `timens-offset` | `inline-ns` | `namespaces` |\n|---|---|---|---|---|\n"
	packages := make(map[string]map[string]string)
	for _, m := range expected.FindAllStringSubmatch(string(control), -1) {
		pkg, name := m[1], m[2]
		if packages[pkg] == nil {
			packages[pkg] = summaries(t, pkg)
		}
		summary, ok := packages[pkg][name]
		if !ok {
			t.Errorf("%s: %s has no %s", expectFile, pkg, name)
		}
		out += fmt.Sprintf("| `%s.%s` | %s |", pkg, name, summary)
		for _, s := range series {
			out += fmt.Sprintf(" %s |", passes(t, s, pkg, name))
		}
		out += "\n"
	}
	return out
}

// passes returns the cell of a series in the row of a test. It is empty if the
// test is not for that series.
func passes(t *testing.T, s Name, pkg, name string) string {
	t.Helper()
	if slices.Contains(series, Name(pkg)) && Name(pkg) != s {
		return ""
	}
	own, err := os.ReadFile(filepath.Join(filepath.Dir(expectFile), "..", string(s), "expect"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, m := range expected.FindAllStringSubmatch(string(own), -1) {
		if m[1] == pkg && m[2] == name {
			return "fails: " + m[3]
		}
	}
	return "pass"
}

// summaries returns the first sentence of each test's doc comment, for one
// package.
func summaries(t *testing.T, pkg string) map[string]string {
	t.Helper()
	out := make(map[string]string)
	files, err := fs.Glob(os.DirFS(root+"tests/"+pkg), "*_test.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("tests/%s: %d files, %v", pkg, len(files), err)
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), root+"tests/"+pkg+"/"+file, nil, parser.ParseComments)
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
