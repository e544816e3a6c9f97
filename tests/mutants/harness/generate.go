// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"regexp"
	"slices"
	"strings"
)

// mutant is one wrong edit of a file.
type mutant struct {
	name string // FOLDER/FILE/FUNCTION/KIND/WORDS-DIGEST; unique
	kind kind
	file *file
	in   *definition

	begin, end int // the bytes of the file that new replaces
	new        string
	line       int // from 1

	was, is string // the lines of the edit without and with it, in one line
}

// definition is a function, or a variable or a constant of a package with its value.
type definition struct {
	name       string // with the type of a method
	begin, end int    // of its text: the inside of the body of a function, or the value

	function bool
	constant bool
	results  string // of a function, as it writes them
	typ      string // of the value of a variable; "" if it cannot be written

	root  ast.Node
	stack []ast.Node // what is around root
}

// sleeps reports whether its mutants can sleep in the package: see asleep.
func (d *definition) sleeps() bool { return d.function || d.typ != "" }

// definitions returns the definitions of a file.
func (s *source) definitions(f *file) []*definition {
	var all []*definition
	for _, decl := range f.syntax.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			if decl.Body == nil {
				continue
			}
			d := &definition{name: decl.Name.Name, begin: s.offset(decl.Body.Lbrace) + 1, end: s.offset(decl.Body.Rbrace), function: true, root: decl.Body, stack: []ast.Node{decl}}
			if r := decl.Recv; r != nil {
				of := f.text[s.offset(r.List[0].Type.Pos()):s.offset(r.List[0].Type.End())]
				d.name = strings.NewReplacer("*", "", " ", "").Replace(of) + "." + d.name
			}
			if r := decl.Type.Results; r != nil {
				d.results = f.text[s.offset(r.Pos()):s.offset(r.End())]
			}
			all = append(all, d)
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				v, ok := spec.(*ast.ValueSpec)
				if !ok {
					continue
				}
				for i, value := range v.Values {
					d := &definition{constant: decl.Tok == token.CONST, name: v.Names[i].Name, begin: s.offset(value.Pos()), end: s.offset(value.End()), root: value, stack: []ast.Node{v}}
					if (!d.constant || s.softened[decl]) && len(v.Names) == len(v.Values) {
						if name, ok := s.typeText(f, types.Default(s.info.Defs[v.Names[i]].Type())); ok {
							d.typ = name
						}
					}
					all = append(all, d)
				}
			}
		}
	}
	return all
}

// generator makes the mutants of one definition.
type generator struct {
	*source
	file *file
	in   *definition

	edits []edit
}

// edit is a mutant in the making.
type edit struct {
	kind       kind
	begin, end int
	new        string
}

// generate returns the mutants of a package in the order of its files and their text. No two
// make the same text. The same source gives the same mutants.
func (s *source) generate() []*mutant {
	var all []*mutant
	for _, f := range s.files {
		named := make(map[string]int)
		for _, d := range s.definitions(f) {
			g := generator{source: s, file: f, in: d}
			if d.function {
				g.leave(d.stack, s.offset(d.root.Pos())+1)
			}
			ast.PreorderStack(d.root, d.stack, g.visit)
			for _, m := range g.mutants() {
				if named[m.name]++; named[m.name] > 1 {
					m.name = fmt.Sprintf("%s-%d", m.name, named[m.name])
				}
				all = append(all, m)
			}
		}
	}
	return all
}

func (g *generator) mutants() []*mutant {
	slices.SortStableFunc(g.edits, func(a, b edit) int { return cmp.Compare(a.begin, b.begin) })
	source := g.file.text
	made := map[string]bool{source[g.in.begin:g.in.end]: true}
	var all []*mutant
	for _, e := range g.edits {
		whole := source[g.in.begin:e.begin] + e.new + source[e.end:g.in.end]
		if made[whole] {
			continue
		}
		made[whole] = true
		m := &mutant{kind: e.kind, file: g.file, in: g.in, begin: e.begin, end: e.end, new: e.new}
		m.line, _ = g.file.line(e.begin)
		from, to := strings.LastIndexByte(source[:e.begin], '\n')+1, len(source)
		if n := strings.IndexByte(source[e.end:], '\n'); n >= 0 {
			to = e.end + n
		}
		m.was, m.is = oneLine(source[from:to]), oneLine(source[from:e.begin]+e.new+source[e.end:to])
		digest := sha256.Sum256([]byte(m.was + "\x00" + m.is))
		m.name = fmt.Sprintf("%s/%s/%s/%s/%s-%s", g.folder, g.file.name, g.in.name, m.kind, slug(source[e.begin:e.end], e.new, m.was), hex.EncodeToString(digest[:3]))
		all = append(all, m)
	}
	return all
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

var notSlugRE = regexp.MustCompile(`[^a-z0-9_]+`)

// slug returns the words of the first text that has some.
func slug(texts ...string) string {
	for _, s := range texts {
		s = strings.Trim(notSlugRE.ReplaceAllString(strings.ToLower(oneLine(s)), "-"), "-")
		if len(s) > 32 {
			s = strings.TrimRight(s[:32], "-")
		}
		if s != "" {
			return s
		}
	}
	return "text"
}

// add adds an edit that replaces a part of the file.
func (g *generator) add(k kind, begin, end int, new string) {
	g.edits = append(g.edits, edit{k, begin, end, new})
}

// replace adds an edit that replaces a node.
func (g *generator) replace(k kind, n ast.Node, new string) {
	g.add(k, g.offset(n.Pos()), g.offset(n.End()), new)
}

// text returns the text of a node.
func (g *generator) text(n ast.Node) string { return g.file.text[g.offset(n.Pos()):g.offset(n.End())] }
