// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"timens-vmtest/internal/host"
	"timens-vmtest/kernel"
	"timens-vmtest/kernel/patch"
	"timens-vmtest/kernel/source"
	"timens-vmtest/tests/mutants/generate"
)

// functionsFile says which functions of the unpatched kernels get generated mutants.
const functionsFile = "tests/mutants/functions"

// unpatched is the series without patches. Its mutants are those of functionsFile; those of
// any other series edit the lines that the series adds.
const unpatched = "control"

// generation is what the generator made for some series.
type generation struct {
	mutants []mutant
	from    map[string]generate.Mutant // by series/name
	edits   map[place]int              // how many mutants each function has
	left    map[string][]generate.Left // by series
	out     []generate.Out
	outside map[string]int             // lines of a series that are in no function
	asked   map[string]map[string]bool // by series: generate.Result.Asked
	config  generate.Config            // of the base
}

// place is a function of a series.
type place struct{ series, file, function string }

// readFunctions reads functionsFile.
func readFunctions() (generate.List, error) {
	text, err := os.ReadFile(functionsFile)
	if err != nil {
		return generate.List{}, err
	}
	list, err := generate.ParseList(string(text))
	if err != nil {
		return generate.List{}, fmt.Errorf("%s: %w", functionsFile, err)
	}
	return list, nil
}

// generateAll makes the mutants of some series on a base. A series that does not apply gets none.
func generateAll(ctx context.Context, h host.Host, base source.Base, names []string) (*generation, error) {
	list, err := readFunctions()
	if err != nil {
		return nil, err
	}
	g := &generation{
		from: make(map[string]generate.Mutant), edits: make(map[place]int), left: make(map[string][]generate.Left),
		outside: make(map[string]int), asked: make(map[string]map[string]bool),
		config: list.Config(source.ReleaseOf(base.Version).String()),
	}
	for _, name := range names {
		tree, misfit, err := apply(ctx, h, base, name)
		if err != nil {
			return nil, err
		}
		if misfit != "" {
			say("%s: %s", name, misfit)
			continue
		}
		g.asked[name] = make(map[string]bool)
		if len(tree.Series.Patches) == 0 {
			err = g.listed(tree, list)
		} else {
			err = g.added(ctx, tree)
		}
		if err != nil {
			return nil, err
		}
	}
	return g, nil
}

// listed makes the mutants of the functions that the list names.
func (g *generation) listed(tree kernel.Tree, list generate.List) error {
	release := source.ReleaseOf(tree.Base.Version).String()
	for _, path := range list.Files(release) {
		text, err := tree.Read(path)
		if err != nil {
			return fmt.Errorf("%s names %s: %w", functionsFile, path, err)
		}
		r, out, err := list.Generate(generate.Source{Path: path, Text: string(text)}, release)
		if err != nil {
			return fmt.Errorf("%s: %w", functionsFile, err)
		}
		g.out = append(g.out, out...)
		if err := g.add(tree.Series.Name, path, string(text), r); err != nil {
			return err
		}
	}
	return nil
}

// added makes the mutants of the lines that a series adds.
func (g *generation) added(ctx context.Context, tree kernel.Tree) error {
	all, err := tree.Added(ctx)
	if err != nil {
		return err
	}
	lines := make(map[string]map[int]bool)
	for _, a := range all {
		if ext := filepath.Ext(a.Path); ext != ".c" && ext != ".h" || !patch.InKernel(a.Path) {
			continue
		}
		if lines[a.Path] == nil {
			lines[a.Path] = make(map[int]bool)
		}
		lines[a.Path][a.N] = true
	}
	name := tree.Series.Name
	for _, path := range slices.Sorted(maps.Keys(lines)) {
		text, err := tree.Read(path)
		if err != nil {
			return err
		}
		r, err := generate.Generate(generate.Source{Path: path, Text: string(text)}, g.config, generate.Scope{Lines: lines[path]})
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		g.outside[name] += r.Outside
		if err := g.add(name, path, string(text), r); err != nil {
			return err
		}
	}
	return nil
}

// add takes what the generator made of a file of a series.
func (g *generation) add(series, path, text string, r generate.Result) error {
	for _, m := range r.Mutants {
		e, err := editOf(m, text)
		if err != nil {
			return err
		}
		made := mutant{series: series, name: m.Name, generated: true, seen: fmt.Sprintf("%s becomes %s", m.Was, m.Is), changes: []change{{e}}}
		g.mutants = append(g.mutants, made)
		g.from[made.String()] = m
	}
	for function, n := range r.Edits {
		g.edits[place{series, path, function}] += n
	}
	g.left[series] = append(g.left[series], r.Left...)
	maps.Copy(g.asked[series], r.Asked)
	return nil
}

// editOf returns the edit of a mutant. It has as many lines around those that change as its
// place needs to be unique.
func editOf(m generate.Mutant, text string) (edit, error) {
	want := text[:m.Begin] + m.New + text[m.End:]
	begin := strings.LastIndexByte(text[:m.Begin], '\n') + 1
	end := m.End
	if end == m.Begin || text[end-1] != '\n' {
		end += strings.IndexByte(text[end:], '\n') + 1
	}
	for {
		e := edit{file: m.File, within: m.Head, old: text[begin:end], new: want[begin : end+len(want)-len(text)]}
		for _, e.within = range []string{m.Head, ""} {
			if got, err := e.apply(text); err == nil && got == want {
				return e, nil
			}
		}
		if begin == 0 && end == len(text) {
			return edit{}, fmt.Errorf("%s: the edit has no place that is unique", m.Name)
		}
		begin = strings.LastIndexByte(text[:max(0, begin-1)], '\n') + 1
		if next := strings.IndexByte(text[end:], '\n'); next >= 0 {
			end += next + 1
		} else {
			end = len(text)
		}
	}
}

// draw returns n of the mutants, in their order. Equal seeds draw equal samples.
func draw(all []mutant, n int, seed uint64) []mutant {
	if n >= len(all) {
		return all
	}
	drawn := rand.New(rand.NewPCG(seed, 0)).Perm(len(all))[:n]
	slices.Sort(drawn)
	sample := make([]mutant, n)
	for i, at := range drawn {
		sample[i] = all[at]
	}
	return sample
}

// verify compares what the list says of the configuration with what is set in the kernel of a
// series.
func (g *generation) verify(series string, set map[string]string) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(g.asked[series])) {
		is := set[name] != ""
		if strings.HasPrefix(name, "CONFIG_") && is != g.asked[series][name] {
			does := map[bool]string{true: "sets", false: "does not set"}
			errs = append(errs, fmt.Errorf("the kernel of %s %s %s, and %s says that it %s it; mend its lines \"define\"", series, does[is], name, functionsFile, does[!is]))
		}
	}
	return errors.Join(errs...)
}
