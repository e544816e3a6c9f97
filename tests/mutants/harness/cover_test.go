// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadProfile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "profile")
	for text, want := range map[string]string{
		"mode: set\nm.example/p/a.go:3.20,5.2 1 0\nm.example/p/b.go:7.1,7.9 2 1\n": "[{a.go {3 20} {5 2}} {b.go {7 1} {7 9}}] [{b.go {7 1} {7 9}}] <nil>",
		"mode: set\n": "[] [] <nil>",
		"mode: set\nm.example/p/a.go:3.20,5.2 1\n": `[] [] NAME:2: "m.example/p/a.go:3.20,5.2 1" is no line of a profile`,
		"mode: set\nx\n": `[] [] NAME:2: "x" is no line of a profile`,
	} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		all, ran, err := readProfile(name)
		if got := fmt.Sprint(all, ran, err); got != strings.ReplaceAll(want, "NAME", name) {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

// The innermost block counts. Where there is none, any block of the function counts.
func TestReach(t *testing.T) {
	f := &file{name: "a.go", text: strings.Repeat("123456789\n", 10)}
	at := func(line, column int) int { return 10*(line-1) + column - 1 }
	outer := block{"a.go", spot{2, 1}, spot{5, 5}}
	inner := block{"a.go", spot{3, 1}, spot{4, 1}}
	last := block{"a.go", spot{6, 1}, spot{6, 5}}
	far := block{"a.go", spot{9, 1}, spot{9, 5}}
	other := block{"b.go", spot{1, 1}, spot{9, 9}}
	tests := []test{{name: "Outer", ran: []block{outer}}, {name: "Inner", ran: []block{outer, inner}}, {name: "Last", ran: []block{last}}, {name: "Far", ran: []block{far}}, {name: "Other", ran: []block{other}}}
	function := &definition{function: true, begin: at(2, 1), end: at(7, 1)}
	for name, tc := range map[string]struct {
		in   *definition
		at   int
		want string
	}{
		"in the outer block":    {function, at(2, 4), "Outer Inner"},
		"at its begin":          {function, at(2, 1), "Outer Inner"},
		"in the inner block":    {function, at(3, 1), "Inner"},
		"behind the inner":      {function, at(4, 1), "Outer Inner"},
		"behind the outer":      {function, at(5, 5), "Outer Inner Last"},
		"in no function at all": {&definition{}, at(1, 1), "Outer Inner Last Far Other"},
	} {
		var names []string
		for _, one := range reach(&mutant{file: f, in: tc.in, begin: tc.at}, []block{outer, inner, last, far, other}, tests) {
			names = append(names, one.name)
		}
		if got := strings.Join(names, " "); got != tc.want {
			t.Errorf("%s: got %s, want %s", name, got, tc.want)
		}
	}
}
