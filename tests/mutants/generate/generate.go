// SPDX-License-Identifier: BSD-3-Clause

// Package generate makes mutants of the C code of a kernel: every simple wrong edit of a
// function, one at a time. It finds the places of the edits on the syntax tree, so an edit
// of a condition is one of the whole condition. The same source gives the same mutants.
package generate

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Source is a C file of a kernel.
type Source struct{ Path, Text string }

// Scope says what of a file is edited.
type Scope struct {
	Functions func(name string) bool // nil: all
	Lines     map[int]bool           // edits must change one of these lines, from 1; nil: all
}

// Mutant is one edit of a file.
type Mutant struct {
	File     string
	Function string // name of the function or variable; of a system call as sys_clone
	Head     string // begin of the first line of its definition, which has the name
	Kind     Kind
	Name     string // FILE/FUNCTION/KIND/TEXT; unique among the mutants of a tree
	Line     int    // of the edit

	Begin, End int // the bytes of the file that New replaces
	New        string

	Was, Is string // the statement or condition without and with the edit, in one line
}

// Left is a statement of which no mutants are made.
type Left struct {
	File, Function string
	Line           int
	Text           string // in one line
	Why            string
}

// Result is what a file gives.
type Result struct {
	Defined []string // names of the functions and variables that the file defines
	Mutants []Mutant // in the order of the text
	Left    []Left
	Edits   map[string]int  // how many mutants each function has that is in the scope
	Outside int             // lines of the scope that are in no function and no variable
	Asked   map[string]bool // the macros that conditions of the preprocessor ask for, and which are defined
}

// Generate makes the mutants of a file.
func Generate(src Source, config Config, scope Scope) (Result, error) {
	known := conditions{config, make(map[string]bool)}
	f, err := read(src, &known)
	if err != nil {
		return Result{}, err
	}
	r := Result{Edits: make(map[string]int), Asked: known.asked}
	inside := make(map[int]bool)
	for _, d := range definitions(f.root, f.code) {
		r.Defined = append(r.Defined, d.name)
		for n := line(src.Text, d.node.begin); scope.Lines != nil && n <= line(src.Text, d.node.end); n++ {
			inside[n] = true
		}
		if scope.Functions != nil && !scope.Functions(d.name) {
			continue
		}
		g := generator{src: src, code: f.code, loops: f.loops, definition: d, lines: scope.Lines}
		g.run()
		mutants := g.mutants()
		if scope.Lines == nil || len(mutants)+len(g.left) > 0 {
			r.Edits[d.name] += len(mutants)
		}
		r.Mutants = append(r.Mutants, mutants...)
		r.Left = append(r.Left, g.left...)
	}
	for n := range scope.Lines {
		if !inside[n] {
			r.Outside++
		}
	}
	return r, nil
}

// definition is a function or a variable with an initializer.
type definition struct {
	name string
	node *node
	body *node // a compound_statement or initializer_list
}

// definitions returns the definitions of a file, those within an ERROR node included.
func definitions(n *node, code []byte) []definition {
	var all []definition
	for _, k := range n.kids {
		switch k.kind {
		case "function_definition":
			if d, ok := define(k, k.role("declarator"), k.role("body"), code); ok {
				all = append(all, d)
			}
		case "declaration":
			for _, i := range k.kids {
				if i.kind != "init_declarator" || i.role("value") == nil || i.role("value").kind != "initializer_list" {
					continue
				}
				if d, ok := define(k, i.role("declarator"), i.role("value"), code); ok {
					all = append(all, d)
				}
			}
		case "ERROR", "linkage_specification", "declaration_list", "translation_unit":
			all = append(all, definitions(k, code)...)
		}
	}
	return all
}

func define(n, declarator, body *node, code []byte) (definition, bool) {
	if declarator == nil || body == nil {
		return definition{}, false
	}
	for _, k := range declarator.all() {
		if k.kind == "identifier" {
			return definition{string(code[k.begin:k.end]), n, body}, true
		}
	}
	return definition{}, false
}

// generator makes the mutants of one definition.
type generator struct {
	src   Source
	code  []byte
	loops map[int]bool
	definition
	lines map[int]bool

	wide  map[string]bool // names of the variables and parameters of 64 bits
	edits []edit
	left  []Left
}

// edit is a mutant in the making.
type edit struct {
	kind       Kind
	begin, end int
	new        string
	unit       *node // the statement or condition that it edits
}

// add adds an edit of a node.
func (g *generator) add(kind Kind, at *node, begin, end int, new string) {
	g.edits = append(g.edits, edit{kind, begin, end, new, unit(at)})
}

// replace adds an edit that replaces a node.
func (g *generator) replace(kind Kind, n *node, new string) { g.add(kind, n, n.begin, n.end, new) }

// text returns the text of a node.
func (g *generator) text(n *node) string { return g.src.Text[n.begin:n.end] }

// unit returns the smallest part of a function that a person would quote.
func unit(n *node) *node {
	for at := n; at.parent != nil; at = at.parent {
		switch at.kind {
		case "expression_statement", "declaration", "return_statement", "goto_statement", "break_statement", "continue_statement", "initializer_pair":
			return at
		}
		if at.field == "condition" || at.field == "initializer" || at.field == "update" {
			return at
		}
	}
	return n
}

// mutants returns the mutants of the edits: those that change one of the lines, with no two
// that make the same text.
func (g *generator) mutants() []Mutant {
	text := g.src.Text
	slices.SortStableFunc(g.edits, func(a, b edit) int { return cmp.Compare(a.begin, b.begin) })
	made := map[[32]byte]bool{sha256.Sum256([]byte(text)): true}
	named := make(map[string]int)
	var all []Mutant
	for _, e := range g.edits {
		if !g.inLines(e.begin, e.end) {
			continue
		}
		if directiveRE.MatchString(text[e.begin:e.end]) || strings.Contains(text[e.begin:e.end], "\n#") {
			g.leave(e.begin, e.end, "it has directives of the preprocessor in it")
			continue
		}
		sum := sha256.Sum256([]byte(text[:e.begin] + e.new + text[e.end:]))
		if made[sum] {
			continue
		}
		made[sum] = true
		m := Mutant{File: g.src.Path, Function: g.name, Head: g.head(), Kind: e.kind, Line: line(text, e.begin), Begin: e.begin, End: e.end, New: e.new}
		begin, end := min(e.begin, e.unit.begin), max(e.end, e.unit.end)
		m.Was = oneLine(text[begin:end])
		m.Is = oneLine(text[begin:e.begin] + e.new + text[e.end:end])
		digest := sha256.Sum256([]byte(m.Was + "\x00" + m.Is))
		m.Name = fmt.Sprintf("%s/%s/%s/%s-%s", m.File, m.Function, m.Kind, slug(text[e.begin:e.end], e.new, m.Was), hex.EncodeToString(digest[:3]))
		if named[m.Name]++; named[m.Name] > 1 {
			m.Name = fmt.Sprintf("%s-%d", m.Name, named[m.Name])
		}
		all = append(all, m)
	}
	return all
}

// inLines reports whether an edit changes one of the lines that count.
func (g *generator) inLines(begin, end int) bool {
	if g.lines == nil {
		return true
	}
	for n := line(g.src.Text, begin); n <= line(g.src.Text, max(begin, end-1)); n++ {
		if g.lines[n] {
			return true
		}
	}
	return false
}

// leave notes that no mutants are made of a part of the text.
func (g *generator) leave(begin, end int, why string) {
	l := Left{File: g.src.Path, Function: g.name, Line: line(g.src.Text, begin), Text: oneLine(g.src.Text[begin:end]), Why: why}
	if g.inLines(begin, end) && !slices.Contains(g.left, l) {
		g.left = append(g.left, l)
	}
}

// head returns the begin of the first line of the definition, up to and with what follows the
// name.
func (g *generator) head() string {
	first, _, _ := strings.Cut(g.src.Text[g.node.begin:], "\n")
	bare := strings.TrimPrefix(strings.TrimPrefix(g.name, "compat_"), "sys_")
	for _, name := range []string{g.name, bare} {
		if at := strings.Index(first, name); at >= 0 && at+len(name) < len(first) {
			return first[:at+len(name)+1]
		}
	}
	return ""
}

func line(text string, at int) int { return 1 + strings.Count(text[:at], "\n") }

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

var notSlugRE = regexp.MustCompile(`[^a-z0-9_]+`)

// slug returns the words of the first text that has some.
func slug(texts ...string) string {
	for _, s := range texts {
		s = strings.ToLower(oneLine(s))
		s = strings.Trim(notSlugRE.ReplaceAllString(s, "-"), "-")
		if len(s) > 32 {
			s = strings.TrimRight(s[:32], "-")
		}
		if s != "" {
			return s
		}
	}
	return "text"
}
