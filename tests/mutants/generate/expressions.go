// SPDX-License-Identifier: BSD-3-Clause

package generate

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// expression edits one node of an expression. Those within it are edited by calls of their own.
func (g *generator) expression(n *node) {
	switch n.kind {
	case "binary_expression":
		g.binary(n)
	case "unary_expression":
		if op := n.role("operator"); op != nil && op.kind == "-" {
			g.replace(Sign, n, g.text(n.role("argument")))
			if errnoRE.MatchString(g.text(n.role("argument"))) {
				g.replace(Success, n, "0")
			}
		}
	case "update_expression":
		if op := n.role("operator"); op != nil {
			g.replace(Arith, op, map[string]string{"++": "--", "--": "++"}[op.kind])
		}
	case "assignment_expression":
		g.assignment(n)
	case "init_declarator":
		if v := n.role("value"); v != nil && g.wide[g.text(n.role("declarator"))] {
			g.narrow(v)
		}
	case "conditional_expression":
		g.condition(n.role("condition"), true)
	case "call_expression":
		g.call(n)
	case "subscript_expression":
		if i := n.role("index"); i != nil && i.kind != "number_literal" {
			g.replace(OffByOne, i, g.text(i)+" + 1")
		}
	case "sizeof_expression":
		if n.parent.kind == "argument_list" {
			g.replace(OffByOne, n, g.text(n)+" - 1")
		}
	case "initializer_pair":
		g.dropMember(n)
	case "number_literal":
		g.number(n)
	case "true":
		g.replace(Constant, n, "false")
	case "false":
		g.replace(Constant, n, "true")
	case "identifier", "field_identifier":
		g.identifier(n)
	}
}

var (
	boundary = map[string]string{"<": "<=", "<=": "<", ">": ">=", ">=": ">"}
	inverse  = map[string]string{"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
	swapped  = map[string]string{"+": "-", "-": "+", "*": "/", "/": "*", "%": "/", "<<": ">>", ">>": "<<", "&": "|", "|": "&", "^": "|",
		"+=": "-=", "-=": "+=", "*=": "/=", "/=": "*=", "<<=": ">>=", ">>=": "<<=", "|=": "&=", "&=": "|="}
)

func (g *generator) binary(n *node) {
	left, op, right := n.role("left"), n.role("operator"), n.role("right")
	if left == nil || op == nil || right == nil {
		return
	}
	switch op.kind {
	case "&&", "||":
		g.replace(Logic, op, map[string]string{"&&": "||", "||": "&&"}[op.kind])
		g.replace(Logic, n, g.text(left))
		g.replace(Logic, n, g.text(right))
		for _, side := range []*node{left, right} {
			if side = bare(side); operator(side) != "&&" && operator(side) != "||" {
				g.negate(side)
			}
		}
	case "<", "<=", ">", ">=":
		g.replace(Compare, op, boundary[op.kind])
	case "==", "!=":
		g.replace(Compare, op, inverse[op.kind])
	case "|":
		g.replace(Mask, n, g.text(left))
		if operator(left) != "|" {
			g.replace(Mask, n, g.text(right))
		}
		if !constantRE.MatchString(g.text(right)) {
			g.replace(Arith, op, "&")
		}
	default:
		if op.kind != "&" || !tested(n) {
			g.replace(Arith, op, swapped[op.kind])
		}
		if slices.Contains([]string{"-", "/", "%", "<<", ">>"}, op.kind) {
			g.replace(Operands, n, g.text(right)+" "+op.kind+" "+g.text(left))
		}
	}
}

// tested says whether an expression is a condition, or a part of one that "&&" or "||" joins.
func tested(n *node) bool {
	for p := n.parent; p != nil; n, p = p, p.parent {
		op := ""
		if o := p.role("operator"); o != nil {
			op = o.kind
		}
		switch {
		case n.field == "condition" || op == "&&" || op == "||" || op == "!":
			return true
		case p.kind != "parenthesized_expression":
			return false
		}
	}
	return false
}

// operator returns the operator of a binary expression; "" for other nodes.
func operator(n *node) string {
	if n.kind != "binary_expression" || n.role("operator") == nil {
		return ""
	}
	return n.role("operator").kind
}

// bare returns what is in parentheses.
func bare(n *node) *node {
	for n.kind == "parenthesized_expression" && len(n.names()) == 1 {
		n = n.names()[0]
	}
	return n
}

// condition edits a condition as a whole. It is made false, too, if both is set.
func (g *generator) condition(n *node, both bool) {
	if n == nil {
		return
	}
	n = bare(n)
	if n.kind == "number_literal" || n.kind == "true" || n.kind == "false" {
		return
	}
	g.negate(n)
	text := g.text(n)
	if n.kind != "call_expression" && n.kind != "identifier" && n.kind != "field_expression" && n.kind != "unary_expression" {
		text = "(" + text + ")"
	}
	g.replace(Force, n, text+" || 1")
	if both {
		g.replace(Force, n, text+" && 0")
	}
}

// negate makes the opposite of a condition.
func (g *generator) negate(n *node) {
	text := g.text(n)
	op := ""
	if o := n.role("operator"); o != nil {
		op = o.kind
	}
	switch {
	case n.kind == "call_expression" && (g.callee(n) == "likely" || g.callee(n) == "unlikely"):
		if args := n.role("arguments").names(); len(args) == 1 {
			g.negate(bare(args[0]))
		}
	case n.kind == "unary_expression" && op == "!":
		g.replace(Negate, n, g.text(n.role("argument")))
	case n.kind == "binary_expression" && inverse[op] != "":
		g.replace(Negate, n.role("operator"), inverse[op])
	case n.kind == "call_expression", n.kind == "identifier", n.kind == "field_expression":
		g.replace(Negate, n, "!"+text)
	default:
		g.replace(Negate, n, "!("+text+")")
	}
}

func (g *generator) assignment(n *node) {
	left, op, right := n.role("left"), n.role("operator"), n.role("right")
	if left == nil || op == nil || right == nil {
		return
	}
	if to, ok := swapped[op.kind]; ok {
		g.replace(Arith, op, to)
	}
	name := left
	if f := left.role("field"); f != nil {
		name = f
	}
	if op.kind == "=" && (name == left && g.wide[g.text(left)] || name != left && wideFieldRE.MatchString(g.text(name))) {
		g.narrow(right)
	}
}

var (
	wideRE      = regexp.MustCompile(`^(const )?(u64|s64|__u64|__s64|ktime_t|time64_t|loff_t|long|unsigned long|size_t|ssize_t|unsigned long long|long long)$`)
	wideFieldRE = regexp.MustCompile(`^(tv_sec|flags|expires|offset|stack|stack_size|tls|start_time|start_boottime|limit)$`)
	errnoRE     = regexp.MustCompile(`^E[A-Z0-9]{2,}$`)
	constantRE  = regexp.MustCompile(`^[A-Z][A-Z0-9_]*_[A-Z0-9_]*$`)
	numberRE    = regexp.MustCompile(`^(0[xX][0-9a-fA-F]+|[0-9]+)([uUlL]*)$`)
)

// wideNames returns the variables and parameters that have 64 bits.
func (g *generator) wideNames() map[string]bool {
	wide := make(map[string]bool)
	for _, n := range g.node.all() {
		t := n.role("type")
		if n.kind != "declaration" && n.kind != "parameter_declaration" || t == nil || !wideRE.MatchString(oneLine(g.text(t))) {
			continue
		}
		for _, k := range n.kids {
			if k.kind == "init_declarator" {
				k = k.role("declarator")
			}
			if k != nil && k.kind == "identifier" {
				wide[g.text(k)] = true
			}
		}
	}
	return wide
}

// narrow cuts a value that may need more than 32 bits.
func (g *generator) narrow(n *node) {
	switch n = bare(n); n.kind {
	case "number_literal", "null", "true", "false", "unary_expression", "string_literal", "initializer_list":
		return
	}
	if text := g.text(n); !constantRE.MatchString(text) {
		g.replace(Narrow, n, "(u32)("+text+")")
	}
}

// number changes a number by one.
func (g *generator) number(n *node) {
	m := numberRE.FindStringSubmatch(g.text(n))
	if m == nil {
		return
	}
	value, err := strconv.ParseUint(m[1], 0, 64)
	if err != nil {
		return
	}
	write := func(v uint64) {
		text := strconv.FormatUint(v, 10)
		if strings.HasPrefix(strings.ToLower(m[1]), "0x") {
			text = "0x" + strconv.FormatUint(v, 16)
		}
		g.replace(Constant, n, text+m[2])
	}
	if op := operator(n.parent); value == 0 && boundary[op] != "" {
		return // the other boundary is the same
	}
	if value > 0 {
		write(value - 1)
	}
	if value+1 > value {
		write(value + 1)
	}
}

func (g *generator) call(n *node) {
	args := n.role("arguments")
	if args == nil {
		return
	}
	name, list := g.callee(n), args.names()
	if len(list) == 1 && n.parent.kind != "expression_statement" && kindOfCall(name) == LoseGet {
		g.replace(LoseGet, n, g.text(list[0]))
	}
	for i := 1; i < len(list); i++ {
		a, b := list[i-1], list[i]
		if g.plain(a) && g.plain(b) {
			g.add(Operands, n, a.begin, b.end, g.text(b)+g.src.Text[a.end:b.begin]+g.text(a))
		}
	}
}

// plain says whether an argument is a variable or a member of one. The name of a type is
// none.
func (g *generator) plain(n *node) bool {
	before := strings.TrimRight(g.src.Text[:n.begin], " \t\n")
	if !strings.HasSuffix(before, "(") && !strings.HasSuffix(before, ",") {
		return false
	}
	return n.kind == "field_expression" || n.kind == "identifier" && !constantRE.MatchString(g.text(n))
}

// neighbours are parts of names that are taken for each other. Those of names and locals have to
// be whole names, and the function must have both locals.
var (
	neighbours = [][2]string{{"monotonic", "boottime"}, {"MONOTONIC", "BOOTTIME"}, {"ktime_add", "ktime_sub"}, {"timens_add", "timens_sub"}}
	names      = [][2]string{{"time_ns", "time_ns_for_children"}, {"tv_sec", "tv_nsec"}, {"real_parent", "parent"}, {"start_time", "start_boottime"}}
	locals     = [][2]string{{"old_ns", "new_ns"}, {"old", "new"}}
	taskRE     = regexp.MustCompile(`struct task_struct \*(\w+)\b`)
)

// neighbour returns the name that is likely to be mistaken for one; "" if there is none.
func (g *generator) neighbour(name string) string {
	text := g.src.Text[g.node.begin:g.node.end]
	for _, pair := range slices.Concat(names, locals) {
		for i, one := range pair {
			if name == one && (!slices.Contains(locals, pair) || regexp.MustCompile(`\b`+pair[1-i]+`\b`).MatchString(text)) {
				return pair[1-i]
			}
		}
	}
	for _, pair := range neighbours {
		for i, part := range pair {
			if strings.Contains(name, part) {
				return strings.Replace(name, part, pair[1-i], 1)
			}
		}
	}
	if name == "current" {
		if m := taskRE.FindStringSubmatch(text); m != nil && m[1] != name {
			return m[1]
		}
	}
	return ""
}

// identifier edits a name: it takes a neighbour, another error code or another constant.
func (g *generator) identifier(n *node) {
	name := g.text(n)
	switch parent := n.parent; {
	case parent.kind == "unary_expression" && errnoRE.MatchString(name):
		other := "EINVAL"
		if name == other {
			other = "EPERM"
		}
		g.replace(Errno, n, other)
		return
	case strings.HasSuffix(parent.kind, "declarator") && n.field == "declarator" || parent.kind == "parameter_declaration" || parent.kind == "declaration":
		return // its definition
	}
	if other := g.neighbour(name); other != "" {
		g.replace(Neighbour, n, other)
		return
	}
	if constantRE.MatchString(name) && n.kind == "identifier" && g.counts(n) {
		g.replace(OffByOne, n, "("+name+" + 1)")
	}
}

var nameOnlyRE = regexp.MustCompile(`^(__)?(GFP_|KERN_|NULL$|CONFIG_|RLIMIT_)`)

// counts says whether a constant is one of a row or a bound, and no flag of a mask.
func (g *generator) counts(n *node) bool {
	if nameOnlyRE.MatchString(g.text(n)) {
		return false
	}
	for at := n; at.parent != nil; at = at.parent {
		switch p := at.parent; p.kind {
		case "binary_expression":
			if op := operator(p); op == "|" || op == "&" {
				return false
			}
		case "unary_expression", "parenthesized_expression":
			if op := p.role("operator"); op != nil && op.kind == "~" {
				return false
			}
		case "assignment_expression":
			op := p.role("operator")
			return op == nil || op.kind != "|=" && op.kind != "&="
		case "argument_list":
			return at == n && !strings.HasPrefix(g.callee(p.parent), "IS_")
		case "case_statement", "call_expression":
			return false
		case "return_statement", "expression_statement", "subscript_expression", "initializer_pair", "init_declarator":
			return true
		default:
			return !strings.HasSuffix(p.kind, "_statement") || p.kind == "if_statement"
		}
	}
	return false
}
