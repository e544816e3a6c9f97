// SPDX-License-Identifier: BSD-3-Clause

//go:build cgo

package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/kernel/source"
	"timens-vmtest/tests/mutants/generate"
)

const generatedText = `#ifdef CONFIG_A
int first(int a)
{
	if (a)
		return -EINVAL;
	a++;
	a++;
	return a;
}
#endif

int second(int a)
{
	a++;
	a++;
	return a;
}
`

// generateHere makes the mutants of two series on a tree of one file.
func generateHere(t *testing.T, list string) (*generation, source.Base, error) {
	t.Helper()
	hosttest.NeedSandbox(t)
	t.Chdir(hosttest.Folder(t, map[string]string{
		"kernel/patches/control/series":  "# no patches\n",
		"kernel/patches/patched/series":  "a.patch\n",
		"kernel/patches/patched/a.patch": "--- a/f.c\n+++ b/f.c\n@@ -13,4 +13,5 @@\n {\n \ta++;\n+\ta--;\n \ta++;\n \treturn a;\n",
		functionsFile:                    list,
	}))
	h := hosttest.New(t)
	spec := source.Spec{Tree: hosttest.Folder(t, map[string]string{"Makefile": "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 1\nEXTRAVERSION =\n", "f.c": generatedText})}
	base, err := spec.Fetch(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	g, err := generateAll(t.Context(), h, base, []string{"control", "patched"})
	if err != nil {
		return nil, base, err
	}
	patches, apart, err := makePatches(t.Context(), h, spec, g.mutants)
	if err != nil || len(patches) != len(g.mutants) || len(apart) > 0 {
		t.Errorf("%d of %d mutants apply: %v", len(patches), len(g.mutants), err)
	}
	return g, base, nil
}

const generatedList = "define CONFIG_A\nfile f.c\nin first\nout second # like the first\n"

// A generated mutant is one as the lists have it: its edit applies by its text, also where the
// same lines are there twice.
func TestGenerated(t *testing.T) {
	g, _, err := generateHere(t, generatedList)
	if err != nil {
		t.Fatal(err)
	}
	if g.edits[place{"control", "f.c", "first"}] == 0 || g.edits[place{"control", "f.c", "second"}] != 0 {
		t.Errorf("the functions have %v", g.edits)
	}
	for _, m := range g.mutants {
		from := g.from[m.String()]
		if from.Function != map[string]string{"control": "first", "patched": "second"}[m.series] {
			t.Errorf("%v is a mutant of %s()", m, from.Function)
		}
		if m.series == "patched" && from.Line != 15 && from.Kind != generate.Reorder {
			t.Errorf("%v edits line %d, want 15, which the series adds", m, from.Line)
		}
		text := generatedText
		if m.series == "patched" {
			continue
		}
		got, err := m.changes[0][0].apply(text)
		if want := text[:from.Begin] + from.New + text[from.End:]; err != nil || got != want {
			t.Errorf("%v gives, %v\n%s\nwant\n%s", m, err, got, want)
		}
		if want := []string{"first"}; !slices.Equal(m.functions(), want) {
			t.Errorf("%v edits %v, want %v", m, m.functions(), want)
		}
	}
	var out bytes.Buffer
	g.print(&out, g.mutants[:1])
	for _, want := range []string{
		"control/f.c/first/early/return-0-", "\tf.c:4: ", "left out: control: f.c: 1 functions, which like the first: second\n",
		"| control | f.c | ", "| first 1", "\n| negate | 1 | 0 |", "\n| all | ",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the counts lack %q:\n%s", want, out.String())
		}
	}
	const page, begin = "counts.md", "<!-- make mutants BASE=6.12 GENERATED=yes UPDATE=yes ARGS=-n rewrites this -->\n"
	if err := os.WriteFile(page, []byte("a\n"+begin+"old\n"+tableEnd+"b\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := g.updateCounts(page, "6.12"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(page)
	if want := "a\n" + begin + "\n" + g.byKind() + "\n" + g.byFunction() + "\n" + tableEnd + "b\n"; err != nil || string(text) != want {
		t.Errorf("the page is, %v\n%s\nwant\n%s", err, text, want)
	}
	if err := g.updateCounts(page, "7.3"); err == nil || !strings.Contains(err.Error(), "lacks \"<!-- make mutants BASE=7.3") {
		t.Errorf("the page has no table of 7.3: %v", err)
	}
	if err := g.verify("control", map[string]string{"CONFIG_A": "y", "CONFIG_B": "y"}); err != nil {
		t.Errorf("the list agrees with the configuration: %v", err)
	}
	if err := g.verify("control", nil); err == nil || !strings.Contains(err.Error(), "the kernel of control does not set CONFIG_A") {
		t.Errorf("CONFIG_A is not set: %v", err)
	}
}

func TestGeneratedRefused(t *testing.T) {
	for name, c := range map[string]struct{ list, want string }{
		"no such function": {strings.Replace(generatedList, "in first", "in frist", 1), "the list says nothing about first() of f.c"},
		"no such file":     {strings.Replace(generatedList, "f.c", "g.c", 1), functionsFile + " names g.c: "},
		"a bad line":       {generatedList + "perhaps third\n", functionsFile + `: line 5: "perhaps" is none of`},
	} {
		if _, _, err := generateHere(t, c.list); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got error %v, want one with %q", name, err, c.want)
		}
	}
}

// The list of this checkout is well-formed, and gives a reason for whatever it leaves out.
func TestFunctionsFile(t *testing.T) {
	text, err := os.ReadFile("functions")
	if err != nil {
		t.Fatal(err)
	}
	list, err := generate.ParseList(string(text))
	if err != nil {
		t.Fatal(err)
	}
	for release, least := range map[string]int{"6.12": 28, "7.3": 33} {
		if got := len(list.Files(release)); got < least {
			t.Errorf("the list has %d files of %s, want %d and more", got, release, least)
		}
		if list.Config(release)["CONFIG_TIME_NS"] != "1" {
			t.Errorf("CONFIG_TIME_NS is not set on %s", release)
		}
	}
}

// Equal seeds draw the same sample, in the order of the mutants; another seed draws another.
func TestDraw(t *testing.T) {
	var all []mutant
	for i := range 1000 {
		all = append(all, mutant{name: fmt.Sprint(i)})
	}
	names := func(seed uint64) (list []string) {
		for _, m := range draw(all, 100, seed) {
			list = append(list, m.name)
		}
		return list
	}
	first := names(1)
	if len(first) != 100 || !slices.Equal(first, names(1)) || slices.Equal(first, names(2)) {
		t.Errorf("seed 1: %v, again: %v, seed 2: %v", first, names(1), names(2))
	}
	at := -1
	for _, name := range first {
		next := slices.IndexFunc(all, func(m mutant) bool { return m.name == name })
		if next <= at {
			t.Fatalf("%s is out of order or drawn twice: %v", name, first)
		}
		at = next
	}
	if got := draw(all[:3], 3, 1); len(got) != 3 {
		t.Errorf("a sample of all has %d of 3", len(got))
	}
}

func TestRefuse(t *testing.T) {
	for _, c := range []struct {
		o    options
		want string
	}{
		{options{base: "6.12", update: true}, "<nil>"},
		{options{base: "6.12", generated: true, sample: 5, seed: 1}, "<nil>"},
		{options{base: "6.12", generated: true, update: true}, "-update stores what caught the listed mutants"},
		{options{base: "6.12", generated: true, update: true, check: true}, "<nil>"},
		{options{base: "6.12", generated: true, update: true, check: true, series: "control"}, "leave out -sample, and -series"},
		{options{base: "6.12", sample: 5, update: true}, "leave out -sample"},
		{options{base: "6.13", update: true}, "no table for -base 6.13"},
		{options{base: "6.12", sample: -1}, "-sample -1: want a number above 0"},
		{options{base: "6.12", seed: 7}, "add -sample NUMBER"},
	} {
		if got := fmt.Sprint(c.o.refuse()); !strings.Contains(got, c.want) {
			t.Errorf("%+v: got %s, want %s", c.o, got, c.want)
		}
	}
}
