// SPDX-License-Identifier: BSD-3-Clause

// Package docstest holds the generated tables of pages.
package docstest

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// End is the line of a page below a generated table.
const End = "<!-- end -->\n"

// Parts returns the text of a page up to the line begin, which it includes, the table below
// that, and the rest, which begins with End.
func Parts(t *testing.T, page, begin string) (before, table, after string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	table, after, ended := strings.Cut(rest, End)
	if !ok || !ended {
		t.Fatalf("%s lacks %q, or %q below it", page, begin, End)
	}
	return before + begin, table, End + after
}

// Hold reports an error if the table of a page is not the wanted one. If update is set, it
// writes that one. how is the command that does so.
func Hold(t *testing.T, page, begin, want string, update bool, how string) {
	t.Helper()
	before, got, after := Parts(t, page, begin)
	switch {
	case got == want:
	case update:
		if err := os.WriteFile(page, []byte(before+want+after), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("the table of %s is not that of today: %s", page, how)
	}
}

// Summaries returns the first sentence of the comment of each function in the test files of
// a folder, by the function's name.
func Summaries(t *testing.T, dir string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %d files, %v", dir, len(files), err)
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
