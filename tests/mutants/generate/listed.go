// SPDX-License-Identifier: BSD-3-Clause

package generate

import (
	"slices"
	"strings"
)

// maxListed is how many bytes of statements are copied for one mutant of a list. There are few of
// them, so that any function can be copied.
const maxListed = 40000

// lists are the nodes that have statements one after the other.
var lists = set("compound_statement", "case_statement", "labeled_statement")

// listedPlaces returns the places for an edit that Diff has found, the smallest first. The edit may give a value another type,
// which the other operand of ?: would change again. So the place of a value is always a whole statement.
func (f *file) listedPlaces(m Mutant, edits []Asleep) []place {
	if isInclude(m) {
		return []place{{m.Begin, m.End, asInclude}}
	}
	at := smallest(f.root, m.Begin, m.End)
	var all []place
	add := func(p place) {
		if f.standsTwice(p, edits) {
			all = append(all, p)
		}
	}
	switch {
	case lists[at.kind] && m.Begin == m.End:
		add(place{m.Begin, m.End, asInsertion})
	case lists[at.kind] && (at.kind != "compound_statement" || at.begin < m.Begin):
		add(place{m.Begin, m.End, asStatement})
	}
	for ; at.parent != nil; at = at.parent {
		switch {
		case f.constant(at):
			all = nil // what is smaller is constant
		case expressions[at.kind] && f.isValue(at) && f.formOf(at) == asTruth && !broken(at) && !strings.Contains(f.text(at), "\n#"):
			all = append(all, place{at.begin, at.end, asTruth})
		case statements[at.kind] && at.parent.kind != "parenthesized_expression":
			add(place{at.begin, at.end, asStatement})
		}
	}
	return all
}

func broken(n *node) bool {
	return slices.ContainsFunc(n.all(), func(n *node) bool { return n.broken })
}

// standsTwice says whether the statements of a place can stand in the file without and with the edits of a mutant. What they
// declare must not be needed after them, no goto elsewhere may go to their labels, and each of their gotos needs a label.
func (f *file) standsTwice(p place, edits []Asleep) bool {
	var within []Mutant
	for _, e := range edits {
		if p.begin <= e.Begin && e.End <= p.end {
			within = append(within, e.Mutant)
		}
	}
	byPlace(within)
	for _, text := range []string{f.src.Text[p.begin:p.end], replaced(f.src.Text, p.begin, p.end, within)} {
		if len(text) > maxListed || !balanced(text) {
			return false
		}
		part, err := f.fragment(text)
		if err != nil || len(part.root.kids) != 1 || part.root.kids[0].role("body") == nil {
			return false
		}
		body := part.root.kids[0].role("body")
		for _, e := range elements(body) {
			if e.node != nil && (e.node.kind == "declaration" || part.scoped(e.node)) {
				return false
			}
		}
		labels := part.labelsIn(0, len(part.src.Text))
		if !part.free(body, false) || !f.closed(p.begin, p.end, labels) {
			return false
		}
		for _, l := range f.labels {
			if f.beside(l, p.begin, p.end) {
				labels = append(labels, l.label)
			}
		}
		if slices.ContainsFunc(part.gotos, func(g jump) bool { return !slices.Contains(labels, g.label) }) {
			return false
		}
	}
	return true
}

// element is a statement of a list, or a label in the list.
type element struct {
	begin, end int
	node       *node  // nil: it is a label
	text       string // its tokens
}

// elements returns the statements and labels of a list, those after a label included.
func elements(list *node) []element {
	var all []element
	for _, k := range list.kids {
		if k.named {
			all = append(all, flatten(k)...)
		}
	}
	return all
}

// flatten returns a statement, or the labels before it and the statements after them.
func flatten(n *node) []element {
	colon := -1
	if n.kind == "labeled_statement" || n.kind == "case_statement" {
		colon = slices.IndexFunc(n.kids, func(k *node) bool { return k.kind == ":" })
	}
	if colon < 0 {
		return []element{{begin: n.begin, end: n.end, node: n}}
	}
	all := []element{{begin: n.begin, end: n.kids[colon].end}}
	for _, k := range n.kids[colon+1:] {
		all = append(all, flatten(k)...)
	}
	return all
}
