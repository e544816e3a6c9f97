// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"fmt"
	"go/ast"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// equalCode returns those mutants of functions for which the compiler makes the same code as
// without them. All are compiled together: beside each function stands a copy for each of its
// mutants, with another name. The compiler is told not to inline, so that its code is that of one
// function.
func (t tree) equalCode(ctx context.Context, s *source, all map[int]*mutant) (map[int]bool, error) {
	texts := make(map[string]string)
	for _, f := range s.files {
		texts[f.name] = f.text
	}
	for number, m := range all {
		if d, ok := m.in.stack[0].(*ast.FuncDecl); ok && m.in.function {
			name := s.offset(d.Name.End())
			texts[m.file.name] += fmt.Sprintf("\n%s_mutant%d%s}\n", m.file.text[s.offset(d.Pos()):name], number, m.file.text[name:m.begin]+m.new+m.file.text[m.end:m.in.end])
		}
	}
	flag, err := t.overlay(filepath.Join(t.work, "equal"), s.folder, texts)
	if err != nil {
		return nil, err
	}
	compile := exec.CommandContext(ctx, "go", "list", "-trimpath", flag, "-export", "-gcflags=-S -l", "./"+s.folder)
	compile.Dir = t.root
	listing, err := compile.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("compile %s with copies of its functions: %w\n%s", s.folder, err, listing)
	}
	return sameSymbols(string(listing), all), nil
}

var (
	// placeRE matches the source line of an instruction.
	placeRE = regexp.MustCompile(`(?m)^(\t0x[0-9a-f]+ \d+) \(.*?:\d+\)`)
	copyRE  = regexp.MustCompile(`_mutant(\d+)`)
)

// sameSymbols compares the symbols of copies with those of the functions. A function has more
// than one if it has function literals, and their names begin with its name.
func sameSymbols(listing string, all map[int]*mutant) map[int]bool {
	originals := make(map[string]string)
	copies := make(map[string]map[string]string) // by the number
	name := ""
	for line := range strings.Lines(placeRE.ReplaceAllString(listing, "$1")) {
		number := ""
		if !strings.HasPrefix(line, "\t") {
			name, _, _ = strings.Cut(line, " ")
		}
		if m := copyRE.FindStringSubmatch(name); m != nil {
			number = m[1]
		}
		bare := copyRE.ReplaceAllString(name, "")
		if number == "" {
			originals[bare] += line
			continue
		}
		if copies[number] == nil {
			copies[number] = make(map[string]string)
		}
		copies[number][bare] += strings.ReplaceAll(line, "_mutant"+number, "")
	}
	same := make(map[int]bool)
	for number := range all {
		same[number] = isSame(originals, copies[fmt.Sprint(number)])
	}
	return same
}

// isSame reports whether the symbols of a copy are those of the function.
func isSame(originals, of map[string]string) bool {
	first := ""
	for name, text := range of {
		if originals[name] != text {
			return false
		}
		if first == "" || len(name) < len(first) {
			first = name
		}
	}
	for name := range originals {
		if _, has := of[name]; !has && (strings.HasPrefix(name, first+".") || strings.HasPrefix(name, first+"-")) {
			return false
		}
	}
	return first != ""
}
