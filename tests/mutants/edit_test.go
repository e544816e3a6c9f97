// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

const sourceText = `int declared(int a,
	     int b);

static int first(int a)
{
	a++;
	return a;
}

static int declared(int a,
		    int b)
{
	if (a)
		return b;
	a++;
	return a;
}
`

func TestEdit(t *testing.T) {
	for _, c := range []struct {
		name, hunk, want string // want: what replaces what, or what the error says
	}{
		{"lines", "@@ f.c declared(\n-\ta++;\n+\ta--;\n", "\t\treturn b;\n\ta++; -> \t\treturn b;\n\ta--;"},
		{"context", "@@ f.c\n \t\treturn b;\n-\ta++;\n", "\t\treturn b;\n\ta++;\n -> \t\treturn b;\n"},
		{"added", "@@ f.c first(\n {\n+\tint c;\n", "first(int a)\n{\n -> first(int a)\n{\n\tint c;\n"},
		{"twice", "@@ f.c\n-\ta++;\n", "there 2 times"},
		{"nowhere", "@@ f.c first(\n-\t\treturn b;\n", "there 0 times"},
		{"end of a line", "@@ f.c\n-b;\n", "there 0 times"},
		{"no function", "@@ f.c third(\n-\ta++;\n", "0 definitions"},
		{"a declaration is none", "@@ f.c int declared(int a,\n-\treturn a;\n", "\ta++;\n\treturn a;\n}\n -> "},
		{"two functions", "@@ f.c static int \n-\ta++;\n", "2 definitions"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := parseMutant(txtar.File{Name: "x", Data: []byte("seen s\nrun r\n" + c.hunk)})
			if err != nil {
				t.Fatal(err)
			}
			got, err := m.edits[0].apply(sourceText)
			old, replaced, ok := strings.Cut(c.want, " -> ")
			if !ok {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Fatalf("got error %v, want one with %q", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if replaced == "" {
				replaced = strings.Replace(old, "\treturn a;\n", "", 1)
			}
			if want := replaceLast(sourceText, old, replaced); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func replaceLast(s, old, new string) string {
	at := strings.LastIndex(s, old)
	return s[:at] + new + s[at+len(old):]
}

func TestPatch(t *testing.T) {
	m, err := parseMutant(txtar.File{Name: "x", Data: []byte("seen s\nrun r\n@@ f.c first(\n-\ta++;\n@@ f.c declared(\n-\ta++;\n+\ta--;\n")})
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.patch(map[string][]byte{"f.c": []byte(sourceText)})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"x: s\n\n", "\n--- a/f.c\n+++ b/f.c\n@@ ", "\n-\ta++;\n", "\n+\ta--;\n"} {
		if !strings.Contains(string(got), want) {
			t.Errorf("the patch lacks %q:\n%s", want, got)
		}
	}
}
