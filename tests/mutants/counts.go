// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"timens-vmtest/tests/mutants/generate"
)

// print writes what the generator made: each of the mutants chosen with its edit, what was
// left out, and the counts.
func (g *generation) print(w io.Writer, chosen []mutant) {
	for _, m := range chosen {
		from := g.from[m.String()]
		fmt.Fprintf(w, "%v\n\t%s:%d: %s\n\t-> %s\n", m, from.File, from.Line, from.Was, from.Is)
	}
	fmt.Fprint(w, "\n")
	for _, series := range slices.Sorted(maps.Keys(g.left)) {
		for _, l := range g.left[series] {
			fmt.Fprintf(w, "left out: %s: %s:%d %s(): %s: %s\n", series, l.File, l.Line, l.Function, l.Why, l.Text)
		}
	}
	for i := 0; i < len(g.out); {
		first, names := g.out[i], []string(nil)
		for ; i < len(g.out) && g.out[i].File == first.File && g.out[i].Reason == first.Reason; i++ {
			names = append(names, g.out[i].Function)
		}
		fmt.Fprintf(w, "left out: %s: %s: %d functions, which %s: %s\n", unpatched, first.File, len(names), first.Reason, strings.Join(names, ", "))
	}
	for _, series := range slices.Sorted(maps.Keys(g.outside)) {
		fmt.Fprintf(w, "%s adds %d lines outside of functions, such as declarations and macros, which get no mutants\n", series, g.outside[series])
	}
	fmt.Fprintf(w, "\n%s\n%s", g.byFunction(), g.byKind())
}

// countsFile is the page with the numbers of generated mutants.
const countsFile = "tests/mutants/generated.md"

// updateCounts stores the numbers of a base in the page.
func (g *generation) updateCounts(file, base string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	begin := fmt.Sprintf("<!-- make mutants BASE=%s GENERATED=yes UPDATE=yes ARGS=-n rewrites this -->\n", base)
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, ended := strings.Cut(rest, tableEnd)
	if !ok || !ended {
		return fmt.Errorf("%s lacks %q or %q", file, begin, tableEnd)
	}
	return os.WriteFile(file, []byte(before+begin+"\n"+g.byKind()+"\n"+g.byFunction()+"\n"+tableEnd+after), 0o644)
}

// byFunction returns a table with the number of mutants of each function.
func (g *generation) byFunction() string {
	var b strings.Builder
	b.WriteString("| series | file | mutants | functions |\n|---|---|--:|---|\n")
	type file struct{ series, file string }
	functions := make(map[file][]string)
	sums := make(map[file]int)
	for _, p := range slices.SortedFunc(maps.Keys(g.edits), comparePlaces) {
		f := file{p.series, p.file}
		functions[f] = append(functions[f], fmt.Sprintf("%s %d", p.function, g.edits[p]))
		sums[f] += g.edits[p]
	}
	for _, f := range slices.SortedFunc(maps.Keys(sums), func(a, b file) int {
		return cmp.Or(cmp.Compare(a.series, b.series), cmp.Compare(a.file, b.file))
	}) {
		fmt.Fprintf(&b, "| %s | %s | %d | %s |\n", f.series, f.file, sums[f], strings.Join(functions[f], ", "))
	}
	return b.String()
}

func comparePlaces(a, b place) int {
	return cmp.Or(cmp.Compare(a.series, b.series), cmp.Compare(a.file, b.file), cmp.Compare(a.function, b.function))
}

// byKind returns a table with the number of mutants of each kind in each series.
func (g *generation) byKind() string {
	series := slices.Sorted(maps.Keys(g.asked))
	count := make(map[string]map[generate.Kind]int)
	sum := make(map[string]int)
	for _, m := range g.mutants {
		if count[m.series] == nil {
			count[m.series] = make(map[generate.Kind]int)
		}
		count[m.series][g.from[m.String()].Kind]++
		sum[m.series]++
	}
	var b strings.Builder
	fmt.Fprintf(&b, "| kind | %s | what the edit does |\n|---|%s---|\n", strings.Join(series, " | "), strings.Repeat("--:|", len(series)))
	for _, k := range generate.Kinds {
		fmt.Fprintf(&b, "| %s |", k.Kind)
		for _, s := range series {
			fmt.Fprintf(&b, " %d |", count[s][k.Kind])
		}
		fmt.Fprintf(&b, " %s |\n", strings.ReplaceAll(k.Does, "|", `\|`))
	}
	b.WriteString("| all |")
	for _, s := range series {
		fmt.Fprintf(&b, " %d |", sum[s])
	}
	b.WriteString(" |\n")
	return b.String()
}
