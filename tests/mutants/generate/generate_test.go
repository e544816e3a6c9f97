// SPDX-License-Identifier: BSD-3-Clause

//go:build cgo

package generate

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/sample.golden")

const sampleFile = "testdata/sample.c"

func sample(t *testing.T) Source {
	t.Helper()
	text, err := os.ReadFile(sampleFile)
	if err != nil {
		t.Fatal(err)
	}
	return Source{"sample.c", string(text)}
}

var sampleConfig = Config{"CONFIG_SAMPLE": "1", "BITS_PER_LONG": "64"}

func generateSample(t *testing.T, scope Scope) Result {
	t.Helper()
	r, err := Generate(sample(t), sampleConfig, scope)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The sample gives exactly the mutants of the golden file, and its edits are of every kind.
func TestGolden(t *testing.T) {
	r := generateSample(t, Scope{})
	var b strings.Builder
	fmt.Fprintf(&b, "defines %s\n", strings.Join(r.Defined, " "))
	for _, l := range r.Left {
		fmt.Fprintf(&b, "left out: %d %s(): %s: %s\n", l.Line, l.Function, l.Why, l.Text)
	}
	for _, m := range r.Mutants {
		fmt.Fprintf(&b, "\n%s\n%d: %s\n-> %s\n", m.Name, m.Line, m.Was, m.Is)
	}
	const file = "testdata/sample.golden"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.String(); got != string(want) {
		t.Errorf("%s differs; go test ./tests/mutants/generate -update, and review the difference:\n%s", file, firstDifference(got, string(want)))
	}
	for _, k := range Kinds {
		if !strings.Contains(string(want), "/"+string(k.Kind)+"/") {
			t.Errorf("%s has no mutant of kind %s", file, k.Kind)
		}
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d: got %q, want %q", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("got %d lines, want %d", len(g), len(w))
}

// No two mutants have the same name or make the same text, and none makes the original.
func TestDistinct(t *testing.T) {
	src := sample(t)
	names, texts := make(map[string]bool), map[string]string{src.Text: "the original"}
	for _, m := range generateSample(t, Scope{}).Mutants {
		if names[m.Name] {
			t.Errorf("two mutants are called %s", m.Name)
		}
		names[m.Name] = true
		text := src.Text[:m.Begin] + m.New + src.Text[m.End:]
		if other := texts[text]; other != "" {
			t.Errorf("%s makes the same text as %s", m.Name, other)
		}
		texts[text] = m.Name
	}
}

// Each mutant keeps its name when lines above it, its neighbours and its indentation change.
// Only the mutants of the statements that change get other names.
func TestNamesSurvive(t *testing.T) {
	src := sample(t)
	before := generateSample(t, Scope{}).Mutants
	src.Text = strings.Replace(src.Text, "#include", "/* new */\n\nint unrelated;\n#include", 1)
	src.Text = strings.Replace(src.Text, "\terr = sample_check(s, flags);\n", "\tother();\n\terr  =\tsample_check(s,\n\t\t\t    flags);\n", 1)
	r, err := Generate(src, sampleConfig, Scope{})
	if err != nil {
		t.Fatal(err)
	}
	after := make(map[string]bool)
	for _, m := range r.Mutants {
		after[m.Name] = true
	}
	for _, m := range before {
		if !after[m.Name] && m.Kind != Reorder { // its old neighbour is no neighbour any more
			t.Errorf("%s is gone: %s", m.Name, m.Was)
		}
	}
	if len(after) <= len(before)-2 {
		t.Errorf("%d mutants, want about %d", len(after), len(before))
	}
}

// With lines as scope, each edit changes one of them, and the other lines are counted.
func TestLines(t *testing.T) {
	src := sample(t)
	at := line(src.Text, strings.Index(src.Text, "s->offset = flags"))
	r := generateSample(t, Scope{Lines: map[int]bool{at: true, 5: true}})
	if len(r.Mutants) == 0 || r.Outside != 1 {
		t.Errorf("%d mutants, %d lines outside of functions; want some, and 1", len(r.Mutants), r.Outside)
	}
	for _, m := range r.Mutants {
		if first, last := line(src.Text, m.Begin), line(src.Text, m.End); first > at || last < at {
			t.Errorf("%s edits the lines %d to %d, want %d", m.Name, first, last, at)
		}
	}
	if want := map[string]int{"sample_get": len(r.Mutants)}; fmt.Sprint(r.Edits) != fmt.Sprint(want) {
		t.Errorf("the functions have %v, want %v", r.Edits, want)
	}
}

// What the parser does not read is said, and the rest of the function still gets mutants.
func TestLeft(t *testing.T) {
	for name, c := range map[string]struct{ body, left, still string }{
		"an operator as argument": {"if (a)\n\t\treturn 1;\n\terr = order(a, <, b);", "err = order(a, <, b);", "(!a)"},
		"a broken condition":      {"if (order(a, <, b))\n\t\ta++;", "if (order(a, <, b))", "a--;"},
		"a print":                 {"pr_info(\"hello\");\n\tput(a);", `pr_info("hello");`, ";"},
		"a directive":             {"f(a,\n#ifdef A\n\t  1);\n#else\n\t  2);\n#endif\n\ta++;", "f(a, #ifdef A 1); #else 2);", "a--;"},
	} {
		r, err := Generate(Source{"f.c", "void f(int a, int b)\n{\n\t" + c.body + "\n}\n"}, Config{}, Scope{})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(r.Left, func(l Left) bool { return strings.HasPrefix(l.Text, c.left) && l.Function == "f" && l.Why != "" }) {
			t.Errorf("%s: left out is %+v, want %q", name, r.Left, c.left)
		}
		if !slices.ContainsFunc(r.Mutants, func(m Mutant) bool { return m.Is == c.still }) {
			t.Errorf("%s: no mutant is %q: %+v", name, c.still, r.Mutants)
		}
		for _, m := range r.Mutants {
			if strings.Contains(m.New, "<,") {
				t.Errorf("%s: %s edits what the parser does not read", name, m.Name)
			}
		}
	}
}

// What only looks like one statement to a person is one to the parser.
func TestMask(t *testing.T) {
	config := Config{"A": "1", "N": "3"}
	for name, c := range map[string]struct{ text, want string }{
		"comments":      {"a /* if */ b // c\nd \"/* e */\"", "a          b     \nd \"/* e */\""},
		"taken":         {"#ifdef A\na\n#else\nb\n#endif\n", "        \na\n     \n \n      \n"},
		"elif":          {"#if N < 3\na\n#elif N == 3 && !defined(B)\nb\n#else\nc\n#endif\n", "         \n \n                           \nb\n     \n \n      \n"},
		"nested":        {"#ifdef B\n#ifndef B\na\n#endif\n#endif\n", "        \n         \n \n      \n      \n"},
		"long":          {"#if defined A && \\\n    N\na\n#endif\n", "                  \n     \na\n      \n"},
		"macro":         {"#define F(x) \\\n  x\na\n", "              \n   \na\n"},
		"attributes":    {"int __user *a __free(put) = b;", "int        *a             = b;"},
		"types":         {"container_of(a, struct b, c)", "container_of(a, struct_b, c)"},
		"a first type":  {"min_t(unsigned long, a, b)", "min_t(unsigned_long, a, b)"},
		"an only type":  {"new_obj(struct b)", "new_obj(struct_b)"},
		"a cast":        {"f((struct b *)a)", "f((struct b *)a)"},
		"a system call": {"SYSCALL_DEFINE2(a, int, b,\n\tint, c)\n{\n}", "int sys_a()               \n        \n{\n}"},
		"a loop":        {"\tfor_each_thing(a) {\n", "\twhile         (a) {\n"},
		"without block": {"\tfor_each_thing(a)\n\t\tb();\n", "\twhile         (a)\n\t\tb();\n"},
		"a call":        {"\tfor_each_thing(a);\n", "\tfor_each_thing(a);\n"},
		"do and while":  {"\tdo_each_thing(a) {\n\t} while_each_thing();\n", "\tdo               {\n\t} while(0)          ;\n"},
		"a range":       {"case 1 ... 2:", "case 1      :"},
	} {
		code, _, err := mask(c.text, &conditions{config, make(map[string]bool)})
		if err != nil || string(code) != c.want {
			t.Errorf("%s: got %q, %v, want %q", name, code, err, c.want)
		}
	}
	for _, bad := range []string{"#if F(1)\n#endif\n", "#else\n", "#if A &&\n#endif\n"} {
		if _, _, err := mask(bad, &conditions{config, make(map[string]bool)}); err == nil || !strings.Contains(err.Error(), "line 1: #") {
			t.Errorf("%q: got error %v, want one that has the line", bad, err)
		}
	}
}

// What conditions ask for is known, and no more: B is in a part that is left out.
func TestAsked(t *testing.T) {
	r, err := Generate(Source{"f.c", "#ifdef A\n#ifdef N\n#endif\n#else\n#ifdef B\n#endif\n#endif\n"}, Config{"A": "1"}, Scope{})
	if got := fmt.Sprint(r.Asked); err != nil || got != "map[A:true N:false]" {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestList(t *testing.T) {
	const good = "# comment\ndefine CONFIG_SAMPLE BITS_PER_LONG=64@6.12\nfile sample.c\nin sample_get~put_sample sample_check\nout sys_sample old@6.11 # not yet\nin *\n"
	l, err := ParseList(good)
	if err != nil {
		t.Fatal(err)
	}
	if got := l.Config("7.3"); len(got) != 1 || got["CONFIG_SAMPLE"] != "1" {
		t.Errorf("the macros on 7.3 are %v", got)
	}
	r, out, err := l.Generate(sample(t), "6.12")
	if err != nil || len(out) != 1 || out[0] != (Out{"sample.c", "sys_sample", "not yet"}) {
		t.Errorf("got %v, %v", out, err)
	}
	for _, m := range r.Mutants {
		if m.Function == "sys_sample" || m.Function == "sample_get" && !strings.Contains(m.Was, "put_sample") {
			t.Errorf("%s is a mutant of %q", m.Name, m.Was)
		}
	}
	if r.Edits["sample_get"] == 0 || r.Edits["sample_check"] == 0 || r.Edits["first"] == 0 {
		t.Errorf("the functions have %v", r.Edits)
	}
	for name, c := range map[string]struct{ list, want string }{
		"another kernel":    {strings.Replace(good, "old@6.11", "old", 1), `sample.c of linux-6.12 does not define old`},
		"no such function":  {strings.Replace(good, "sample_check", "sample_chek", 1), "does not define sample_chek"},
		"one unmentioned":   {strings.Replace(good, "in *\n", "", 1), "the list says nothing about first() of sample.c"},
		"no reason":         {strings.Replace(good, " # not yet", "", 1), "line 5: \"out sys_sample old@6.11\" lacks a reason"},
		"no file":           {strings.Replace(good, "file sample.c\n", "", 1), `line 3: there is no line "file" above`},
		"another word":      {strings.Replace(good, "in *", "all *", 1), `line 6: "all" is none of`},
		"a word alone":      {strings.Replace(good, "in *", "in", 1), `line 6: "in" names nothing`},
		"a file of another": {strings.Replace(good, "file sample.c", "file sample.c@7.3", 1), "the list does not have sample.c"},
	} {
		l, err := ParseList(c.list)
		if err == nil {
			_, _, err = l.Generate(sample(t), "6.12")
		}
		if got := fmt.Sprint(err); !strings.Contains(got, c.want) {
			t.Errorf("%s: got error %s, want %s", name, got, c.want)
		}
	}
}
