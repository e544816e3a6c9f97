// SPDX-License-Identifier: BSD-3-Clause

package generate

import (
	"bytes"
	"errors"
	"regexp"
	"slices"
	"strings"
)

// Listed is the kind of an edit that a person wrote. Diff finds them, and Generate makes none.
const Listed Kind = "listed"

// Diff returns the edits that make another text of a file. Each replaces a whole node of the syntax tree, or statements of one list, or adds
// an #include. An error says why there are no such edits.
func Diff(src Source, config Config, want string) ([]Mutant, error) {
	before, err := read(src, &conditions{config, make(map[string]bool)})
	if err != nil {
		return nil, err
	}
	after, err := read(Source{src.Path, want}, &conditions{config, make(map[string]bool)})
	if err != nil {
		return nil, err
	}
	includes, err := addedIncludes(src, want)
	if err != nil {
		return nil, err
	}
	d := &diff{before: before, after: after, bareBefore: uncommented(src.Text), bareAfter: uncommented(want)}
	d.nodes(before.root, after.root)
	byPlace(d.edits)
	got := replaced(src.Text, 0, len(src.Text), d.edits)
	if withoutIncludes(got) != withoutIncludes(want) {
		return nil, errors.New("it edits what the parser does not read")
	}
	return append(includes, d.edits...), nil
}

// uncommented returns a text whose comments are spaces.
func uncommented(text string) string {
	code := []byte(text)
	blankComments(code)
	return string(code)
}

var tokenRE = regexp.MustCompile(`"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|\w+|[^\w\s]`)

// tokens returns a text without the spaces that mean nothing.
func tokens(text string) string {
	return strings.Join(tokenRE.FindAllString(text, -1), "\n")
}

var includeRE = regexp.MustCompile(`(?m)^[ \t]*#[ \t]*include\b.*$`)

// withoutIncludes returns the tokens of a text, but not those of comments and of #include lines.
func withoutIncludes(text string) string {
	return tokens(includeRE.ReplaceAllString(uncommented(text), ""))
}

// isInclude says whether an edit only adds an #include.
func isInclude(m Mutant) bool { return m.Begin == m.End && strings.HasPrefix(m.New, "#include") }

// addedIncludes returns the edits that add the #include lines that only another text of a file has. It is an error if other
// directives differ.
func addedIncludes(src Source, want string) ([]Mutant, error) {
	other := errors.New("it edits a directive of the preprocessor, such as a macro")
	old, at := directives(src.Text), 0
	var all []Mutant
	for _, d := range directives(want) {
		if at < len(old) && old[at].text == d.text {
			at++
			continue
		}
		if !strings.HasPrefix(d.text, "#include ") {
			return nil, other
		}
		place := 0
		if at < len(old) {
			place = old[at].begin
		} else if at > 0 {
			place = old[at-1].end
		}
		all = append(all, Mutant{File: src.Path, Kind: Listed, Begin: place, End: place, New: d.text + "\n"})
	}
	if at < len(old) {
		return nil, other
	}
	return all, nil
}

// directive is a line for the preprocessor, and those that continue it.
type directive struct {
	begin, end int
	text       string // with single spaces
}

func directives(text string) []directive {
	code := []byte(uncommented(text))
	var all []directive
	for begin := 0; begin < len(code); {
		end := lineEnd(code, begin)
		if directiveRE.Match(code[begin:end]) {
			for bytes.HasSuffix(bytes.TrimRight(code[begin:end], " \t\n"), []byte(`\`)) && end < len(code) {
				end = lineEnd(code, end)
			}
			all = append(all, directive{begin, end, oneLine(string(code[begin:end]))})
		}
		begin = end
	}
	return all
}

// diff compares the syntax trees of two texts of a file.
type diff struct {
	before, after         *file
	bareBefore, bareAfter string
	edits                 []Mutant
}

// nodes finds the edits that make the node b of the node a.
func (d *diff) nodes(a, b *node) {
	switch {
	case a.kind == b.kind && (a.kind == "translation_unit" || a.kind == "compound_statement"):
		d.sequence(a, b)
	case a.kind == b.kind && d.alike(a, b):
		for i, k := range a.kids {
			if d.differ(k, b.kids[i]) {
				d.nodes(k, b.kids[i])
			}
		}
	default:
		d.replace(a.begin, a.end, b.begin, b.end)
	}
}

func (d *diff) differ(a, b *node) bool {
	return tokens(d.bareBefore[a.begin:a.end]) != tokens(d.bareAfter[b.begin:b.end])
}

// alike says whether two nodes differ only in children that have names: their tokens and their attributes are equal.
func (d *diff) alike(a, b *node) bool {
	if len(a.kids) != len(b.kids) || len(a.kids) == 0 {
		return false
	}
	endA, endB := a.begin, b.begin
	for i, k := range a.kids {
		other := b.kids[i]
		if k.field != other.field || (!k.named || !other.named) && (k.kind != other.kind || d.differ(k, other)) {
			return false
		}
		if tokens(d.bareBefore[endA:k.begin]) != tokens(d.bareAfter[endB:other.begin]) {
			return false
		}
		endA, endB = k.end, other.end
	}
	return tokens(d.bareBefore[endA:a.end]) == tokens(d.bareAfter[endB:b.end])
}

// replace adds the edit that replaces a part of the first text by a part of the other.
func (d *diff) replace(begin, end, from, to int) {
	d.edits = append(d.edits, Mutant{File: d.before.src.Path, Kind: Listed, Begin: begin, End: end, New: d.after.src.Text[from:to]})
}

// sequence finds the edits that make one list of statements or definitions of another.
func (d *diff) sequence(a, b *node) {
	old, all := elements(a), elements(b)
	for i := range old {
		old[i].text = tokens(d.bareBefore[old[i].begin:old[i].end])
	}
	for i := range all {
		all[i].text = tokens(d.bareAfter[all[i].begin:all[i].end])
	}
	for _, r := range runs(old, all) {
		if r.paired() {
			for i, e := range r.a {
				d.nodes(e.node, r.b[i].node)
			}
			continue
		}
		begin, end, from, to := 0, 0, 0, 0
		switch {
		case len(r.a) > 0:
			begin, end = r.a[0].begin, r.a[len(r.a)-1].end
		case r.at < len(old):
			begin, end = old[r.at].begin, old[r.at].begin
		case r.at > 0:
			begin, end = old[r.at-1].end, old[r.at-1].end
		default:
			begin, end = a.begin+1, a.begin+1 // after the brace
		}
		if len(r.b) > 0 {
			from, to = r.b[0].begin, r.b[len(r.b)-1].end
		}
		d.replace(begin, end, from, to)
	}
}

// run is a part of two lists in which they differ. In the first list it begins at a place.
type run struct {
	a, b []element
	at   int
}

// paired says whether the run has statements of the same kinds in both lists.
func (r run) paired() bool {
	return slices.EqualFunc(r.a, r.b, func(a, b element) bool { return a.node != nil && b.node != nil && a.node.kind == b.node.kind })
}

// runs returns where two lists differ. What they have in common is as long as possible.
func runs(a, b []element) []run {
	longest := make([][]int, len(a)+1) // what a[i:] and b[j:] have in common
	for i := range longest {
		longest[i] = make([]int, len(b)+1)
	}
	equal := func(i, j int) bool { return i < len(a) && j < len(b) && a[i].text == b[j].text }
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			longest[i][j] = max(longest[i+1][j], longest[i][j+1])
			if equal(i, j) {
				longest[i][j] = longest[i+1][j+1] + 1
			}
		}
	}
	var all []run
	for i, j := 0, 0; i < len(a) || j < len(b); {
		if equal(i, j) {
			i, j = i+1, j+1
			continue
		}
		fromA, fromB := i, j
		for (i < len(a) || j < len(b)) && !equal(i, j) {
			if j == len(b) || i < len(a) && longest[i+1][j] >= longest[i][j+1] {
				i++
			} else {
				j++
			}
		}
		all = append(all, run{a[fromA:i], b[fromB:j], fromA})
	}
	return all
}
