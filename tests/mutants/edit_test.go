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
		{"nowhere", "@@ f.c first(\n-\t\treturn b;\n", "not there"},
		{"end of a line", "@@ f.c\n-b;\n", "not there"},
		{"no function", "@@ f.c third(\n-\ta++;\n", "no definition has"},
		{"a declaration is none", "@@ f.c int declared(int a,\n-\treturn a;\n", "\ta++;\n\treturn a;\n}\n -> "},
		{"two functions", "@@ f.c static int \n-\ta++;\n", "2 definitions"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := parseMutant(txtar.File{Name: "x", Data: []byte("seen s\nrun r\n" + c.hunk)})
			if err != nil {
				t.Fatal(err)
			}
			got, err := m.changes[0][0].apply(sourceText)
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
	const first, again = "@@ f.c first(\n-\ta++;\n", "@@ f.c declared(\n-\ta++;\n+\ta--;\n"
	for name, c := range map[string]struct {
		hunks string
		want  []string // parts of the patch, or of the error if it begins with "error"
	}{
		"two hunks":            {first + again, []string{"x: s\n\n", "\n--- a/f.c\n+++ b/f.c\n@@ ", "\n-\ta++;\n", "\n+\ta--;\n"}},
		"the other form":       {"@@ f.c first(\n-\tb++;\n@@ or f.c first(\n-\ta++;\n+\tb++;\n", []string{"\n+\tb++;\n"}},
		"a file of the others": {"@@ g.c\n-\tb++;\n@@ or f.c first(\n-\ta++;\n+\tb++;\n", []string{"\n+++ b/f.c\n"}},
		"the third place":      {"@@ g.c\n-\ta++;\n+\tb++;\n@@ or f.c third(\n@@ or f.c first(\n", []string{"\n+\tb++;\n"}},
		"one change of two":    {"@@ f.c first(\n-\tb++;\n@@ or f.c first(\n-\ta++;\n" + again, []string{"\n+\ta--;\n"}},
		"a second step":        {"@@ f.c first(\n-\ta++;\n+\tb++;\n@@ f.c first(\n-\tb++;\n+\tc++;\n", []string{"\n+\tc++;\n"}},
		"both forms":           {first + "@@ or f.c first(\n-\treturn a;\n", []string{"error", "2 forms of one edit apply, not once: f.c first(; f.c first("}},
		"neither form":         {"@@ g.c\n-\ta++;\n@@ or f.c first(\n-\tb++;\n", []string{"error", "g.c: the tree has no such file", "f.c first(: these lines are not there"}},
		"one form in two":      {"@@ f.c\n-\ta++;\n@@ or f.c first(\n-\treturn a;\n", []string{"error", "there 2 times, not once"}},
		"one function in two":  {"@@ f.c static int \n-\ta++;\n@@ or f.c first(\n-\treturn a;\n", []string{"error", "2 definitions"}},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := parseMutant(txtar.File{Name: "x", Data: []byte("seen s\nrun r\n" + c.hunks)})
			if err != nil {
				t.Fatal(err)
			}
			patch, err := m.patch(map[string]string{"f.c": sourceText})
			got := string(patch)
			if err != nil {
				got = "error: " + err.Error()
			}
			for _, want := range c.want {
				if !strings.Contains(got, want) {
					t.Errorf("got no %q in\n%s", want, got)
				}
			}
			if (c.want[0] == "error") != (err != nil) {
				t.Errorf("got error %v", err)
			}
		})
	}
}
