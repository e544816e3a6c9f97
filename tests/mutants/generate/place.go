// SPDX-License-Identifier: BSD-3-Clause

package generate

import (
	"regexp"
	"slices"
	"strings"
)

// place is a part of a file that can stand twice in it, without and with an edit, so that a
// switch selects one of both.
type place struct {
	begin, end int
	form       form
}

// form says how a switch is written.
type form int

const (
	asInsertion form = iota // a statement is added at begin
	asStatement             // statements, from begin to end
	asValue                 // an expression
	asTruth                 // an expression of which only matters whether it is 0
	asInclude               // a line that is added at begin, whoever is awake
)

// maxCopy is how many bytes of statements are copied for one mutant. A function of the usual
// size fits. Without a bound a kernel of hundreds of mutants would become several times as large.
const maxCopy = 6000

// places returns the places for an edit, the smallest first. No place holds what must be constant for
// the compiler, and none is the operand of an operator that needs an object in memory. The edits are all
// those of the mutant in the file.
func (f *file) places(m Mutant, edits []Asleep) []place {
	if m.Kind == Listed {
		return f.listedPlaces(m, edits)
	}
	at := smallest(f.root, m.Begin, m.End)
	var all []place
	switch {
	case m.Begin == m.End && at.kind == "compound_statement":
		all = append(all, place{m.Begin, m.End, asInsertion})
	case m.Kind == Reorder && f.copies(m.Begin, m.End) && !slices.ContainsFunc(at.kids, func(k *node) bool { return m.Begin <= k.begin && k.end <= m.End && f.scoped(k) }):
		all = append(all, place{m.Begin, m.End, asStatement})
	}
	for ; at.parent != nil; at = at.parent {
		if f.constant(at) {
			all = nil // what is smaller is constant
			continue
		}
		switch {
		case expressions[at.kind] && f.isValue(at) && !strings.Contains(f.text(at), "\n#"):
			all = append(all, place{at.begin, at.end, f.formOf(at)})
		case statements[at.kind] && f.isCopied(at):
			all = append(all, place{at.begin, at.end, asStatement})
		}
	}
	return all
}

// smallest returns the smallest node that holds a part of the text. What is added where a node
// begins is not in it.
func smallest(n *node, begin, end int) *node {
	for _, k := range n.kids {
		if k.begin <= begin && end <= k.end && (begin < end || k.begin < begin && end < k.end) {
			return smallest(k, begin, end)
		}
	}
	return n
}

func set(words ...string) map[string]bool {
	s := make(map[string]bool)
	for _, w := range words {
		s[w] = true
	}
	return s
}

var (
	expressions = set("identifier", "number_literal", "char_literal", "true", "false", "null", "field_expression", "call_expression", "binary_expression", "unary_expression",
		"pointer_expression", "subscript_expression", "conditional_expression", "cast_expression", "assignment_expression", "update_expression", "sizeof_expression",
		"comma_expression", "compound_literal_expression")
	statements = set("expression_statement", "if_statement", "for_statement", "while_statement", "do_statement", "switch_statement", "return_statement", "goto_statement",
		"break_statement", "continue_statement", "compound_statement")
	// These macros and operators do not evaluate their arguments, or only when the kernel is compiled.
	unevaluated = set("typeof", "__typeof__", "offsetof", "offsetofend", "sizeof_field", "container_of", "BUILD_BUG_ON", "BUILD_BUG_ON_MSG", "BUILD_BUG_ON_ZERO", "static_assert",
		"__builtin_constant_p", "__builtin_choose_expr", "__same_type", "ARRAY_SIZE", "IS_ENABLED", "IS_BUILTIN", "IS_REACHABLE", "fallthrough")
	// These take a condition.
	takesTruth = set("likely", "unlikely", "WARN_ON", "WARN_ON_ONCE", "BUG_ON", "WARN", "WARN_ONCE")
	scopedRE   = regexp.MustCompile(`^(guard|CLASS|DEFINE_\w+|DECLARE_\w+)\b`)
)

// constant says whether the expressions within a node have to be constant, or are not evaluated.
func (f *file) constant(n *node) bool {
	switch p := n.parent; {
	case n.kind == "declaration":
		return isStatic(f, n) || !inFunction(n)
	case n.kind == "enumerator", n.kind == "bitfield_clause":
		return true
	case n.field == "size" && strings.HasSuffix(p.kind, "array_declarator"):
		return true
	case n.field == "value" && (p.kind == "case_statement" || p.kind == "sizeof_expression"):
		return true
	case n.kind == "argument_list" && unevaluated[f.callee(p)]:
		return true
	case n.field == "condition" && f.loops[p.begin]: // arguments of a macro
		return true
	}
	return false
}

func isStatic(f *file, declaration *node) bool {
	return slices.ContainsFunc(declaration.kids, func(k *node) bool {
		return k.kind == "storage_class_specifier" && (f.text(k) == "static" || f.text(k) == "extern")
	})
}

func inFunction(n *node) bool {
	for ; n != nil; n = n.parent {
		if n.kind == "function_definition" {
			return true
		}
	}
	return false
}

// outer returns the node without parentheses around it, and with them.
func outer(n *node) *node {
	for n.parent != nil && n.parent.kind == "parenthesized_expression" {
		n = n.parent
	}
	return n
}

// use returns a node with the parentheses around it, what it is a part of, and the operator of that;
// "": it has none.
func use(n *node) (whole, parent *node, op string) {
	whole = outer(n)
	if o := whole.parent.role("operator"); o != nil {
		op = o.kind
	}
	return whole, whole.parent, op
}

// isValue says whether only the value of an expression is used. What is assigned to, or has its
// address taken, is none; nor is what may be a part of that.
func (f *file) isValue(n *node) bool {
	n, p, op := use(n)
	switch p.kind {
	case "assignment_expression":
		return n.field != "left"
	case "update_expression":
		return false
	case "pointer_expression":
		return op != "&"
	case "field_expression":
		return op == "->"
	case "subscript_expression":
		return n.field != "argument"
	case "call_expression":
		return n.field != "function"
	case "comma_expression", "initializer_list", "initializer_pair", "init_declarator":
		return n.field != "designator" && n.field != "declarator"
	case "declaration", "parameter_declaration", "function_declarator", "pointer_declarator", "subscript_designator", "field_designator":
		return false
	}
	return true
}

// formOf says whether only the truth of an expression matters.
func (f *file) formOf(n *node) form {
	n, p, op := use(n)
	switch {
	case n.field == "condition" && p.kind != "switch_statement" && (p.kind != "conditional_expression" || p.role("consequence") != nil),
		op == "!", op == "&&", op == "||",
		p.kind == "argument_list" && takesTruth[f.callee(p.parent)] && p.names()[0] == n:
		return asTruth
	}
	return asValue
}

// isCopied says whether a statement can stand twice. One with a label that others jump to cannot, nor one
// with a variable that both copies have to share.
func (f *file) isCopied(n *node) bool {
	if n.parent.kind == "parenthesized_expression" || f.scoped(n) || !f.copies(n.begin, n.end) {
		return false
	}
	return f.free(n, false) && f.closed(n.begin, n.end, f.labelsIn(n.begin, n.end))
}

// scoped says whether a statement has an effect up to the end of its block.
func (f *file) scoped(n *node) bool {
	return n.kind == "expression_statement" && scopedRE.MatchString(f.callee(n))
}

// free says whether a node has no case of a switch outside, and nothing in it is unread or static.
func (f *file) free(n *node, inSwitch bool) bool {
	switch n.kind {
	case "case_statement":
		if !inSwitch {
			return false
		}
	case "switch_statement":
		inSwitch = true
	case "declaration":
		if isStatic(f, n) {
			return false
		}
	}
	if n.broken || n.kind == "ERROR" {
		return false
	}
	return !slices.ContainsFunc(n.kids, func(k *node) bool { return !f.free(k, inSwitch) })
}

var conditionRE = regexp.MustCompile(`(?m)^[ \t]*#[ \t]*(\w+)`)

// copies says whether a part of the text is short enough, and has both ends of each #if.
func (f *file) copies(begin, end int) bool {
	return end-begin <= maxCopy && balanced(f.src.Text[begin:end])
}

// balanced says whether a text has both ends of each #if.
func balanced(text string) bool {
	depth := 0
	for _, m := range conditionRE.FindAllStringSubmatch(text, -1) {
		switch m[1] {
		case "if", "ifdef", "ifndef":
			depth++
		case "endif":
			depth--
		default:
			if depth == 0 {
				return false
			}
		}
		if depth < 0 {
			return false
		}
	}
	return depth == 0
}
