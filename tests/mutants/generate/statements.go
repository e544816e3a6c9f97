// SPDX-License-Identifier: BSD-3-Clause

package generate

import (
	"regexp"
	"slices"
	"strings"
)

// run makes all edits of the definition.
func (g *generator) run() {
	g.wide = g.wideNames()
	if g.body.kind == "initializer_list" {
		g.initializer()
		return
	}
	g.returnEarly()
	g.visit(g.body)
}

// initializer edits a variable.
func (g *generator) initializer() {
	for _, n := range g.body.all() {
		if n.broken {
			g.leave(g.node.begin, g.node.end, unread)
			return
		}
	}
	for _, n := range g.body.all() {
		g.expression(n)
	}
	for _, member := range g.body.names() {
		if member.kind != "initializer_pair" { // expression has dropped those
			g.dropMember(member)
		}
	}
}

const unread = "the parser does not read it"

// dropMember leaves out a member of an initializer, with the comma after it.
func (g *generator) dropMember(n *node) {
	end := n.end
	if rest := g.src.Text[end:n.parent.end]; strings.HasPrefix(rest, ",") {
		end++
	}
	g.add(Drop, n, n.begin, end, "")
}

// visit edits a statement and those within it. What the parser does not read is left out, but
// not the statements within it that it does read.
func (g *generator) visit(n *node) {
	own, nested := parts(n)
	if n.kind == "ERROR" || slices.ContainsFunc(own, func(n *node) bool { return n.broken }) {
		g.leaveOwn(n, own, nested)
	} else {
		g.statement(n)
		for _, part := range own {
			g.expression(part)
		}
	}
	for _, s := range nested {
		g.visit(s)
	}
}

// leaveOwn notes what of a statement is left out.
func (g *generator) leaveOwn(n *node, own, nested []*node) {
	if n.kind == "compound_statement" {
		for _, part := range own {
			if part.broken && part.parent == n {
				g.leave(part.begin, part.end, unread)
			}
		}
		return
	}
	end := n.end
	if len(nested) > 0 {
		end = nested[0].begin
	}
	g.leave(n.begin, end, unread)
}

// parts returns the nodes that belong to a statement itself, and the statements within it.
func parts(n *node) (own, nested []*node) {
	own = []*node{n}
	for _, k := range n.kids {
		if k.kind == "declaration" || k.kind == "else_clause" || strings.HasSuffix(k.kind, "_statement") {
			nested = append(nested, k)
			continue
		}
		o, s := parts(k)
		own, nested = append(own, o...), append(nested, s...)
	}
	return own, nested
}

// statement edits a statement as a whole.
func (g *generator) statement(n *node) {
	switch n.kind {
	case "compound_statement":
		g.reorder(n.names())
	case "if_statement":
		g.condition(n.role("condition"), !g.dropped(only(n.role("consequence"))) || n.role("alternative") != nil)
	case "while_statement", "for_statement", "do_statement":
		g.loop(n)
	case "case_statement":
		for _, k := range n.kids {
			if k.kind == ":" {
				g.add(DropCase, &node{begin: n.begin, end: k.end}, n.begin, k.end, "")
				break
			}
		}
	case "expression_statement":
		g.drop(n)
	case "goto_statement":
		g.unwind(n)
	case "break_statement", "continue_statement":
		if !sole(n) {
			g.replace(Drop, n, ";")
		}
	case "return_statement":
		if v := n.names(); len(v) == 1 {
			if g.returns() == "bool" {
				g.condition(v[0], true)
			}
			if wideRE.MatchString(g.returns()) {
				g.narrow(v[0])
			}
		}
	}
}

// only returns the one statement of a branch; the branch itself if it has another number.
func only(n *node) *node {
	if n != nil && n.kind == "compound_statement" {
		if list := n.names(); len(list) == 1 {
			return list[0]
		}
	}
	return n
}

// sole says whether a statement is all that an if without else does. Its condition made false
// has the same effect as leaving it out.
func sole(n *node) bool {
	if p := n.parent; p.kind == "compound_statement" && len(p.names()) == 1 {
		n = p
	}
	return n.parent.kind == "if_statement" && n.field == "consequence" && n.parent.role("alternative") == nil
}

// dropped says whether drop leaves out a statement.
func (g *generator) dropped(n *node) bool {
	return n != nil && n.kind == "expression_statement" && !silentRE.MatchString(g.callee(n))
}

// callee returns the name of the function that a statement or an expression calls; "" if it
// does not call one.
func (g *generator) callee(n *node) string {
	if n.kind == "expression_statement" {
		list := n.names()
		if len(list) != 1 {
			return ""
		}
		n = list[0]
	}
	if n.kind != "call_expression" {
		return ""
	}
	return oneLine(g.text(n.role("function")))
}

var (
	lockRE   = regexp.MustCompile(`(^|_)(un)?lock(_|$)|(^|_)(down|up)_(read|write)|rcu_read_|seqcount|seqlock|preempt_(dis|en)able|local_irq|^smp_|^guard\(|write_(begin|end)|_lock_|synchronize_|^barrier$|(spin|mutex)_`)
	putRE    = regexp.MustCompile(`(^|_)(put|dec|k?free|kv?free|drop|release|destroy|uncharge|cleanup|del|delete|unref|exit|cancel|detach|close)(_|$)`)
	getRE    = regexp.MustCompile(`(^|_)(get|tryget|grab|inc|hold|ref|charge)(_|$)`)
	storeRE  = regexp.MustCompile(`^(WRITE_ONCE|rcu_assign_pointer|RCU_INIT_POINTER|smp_store_release|list_add|hlist_add|atomic_set|set_bit|__set_bit|clear_bit|init_|INIT_|RB_CLEAR|memset|memcpy|put_user|copy_to_user)`)
	silentRE = regexp.MustCompile(`^(trace_|lockdep_|might_|pr_|printk|WARN|BUG|VFS_|VM_|kmsan_|kasan_|kcsan_|kcov_|cond_resched|prefetch|debug_|audit_|proc_.*_connector|perf_event_|fallthrough|rseq_|ftrace_|uprobe_|sched_core_)`)
)

// kindOfCall says what is lost with a call.
func kindOfCall(name string) Kind {
	switch {
	case storeRE.MatchString(name):
		return LoseStore
	case lockRE.MatchString(name):
		return LoseLock
	case putRE.MatchString(name):
		return LosePut
	case getRE.MatchString(name):
		return LoseGet
	}
	return Drop
}

// drop leaves out an expression statement.
func (g *generator) drop(n *node) {
	list := n.names()
	if len(list) != 1 {
		return
	}
	name := g.callee(n)
	if silentRE.MatchString(name) {
		g.leave(n.begin, n.end, "it only checks, traces or prints")
		return
	}
	kind := Drop
	if name != "" {
		kind = kindOfCall(name)
	} else if shared(list[0]) {
		kind = LoseStore
	}
	g.replace(kind, n, ";")
}

// shared says whether an expression stores to memory that is no local variable.
func shared(n *node) bool {
	if n.kind != "assignment_expression" && n.kind != "update_expression" {
		return false
	}
	for _, k := range n.kids {
		if k.field == "left" || k.field == "argument" {
			return k.kind == "field_expression" || k.kind == "pointer_expression" || k.kind == "subscript_expression"
		}
	}
	return false
}

// orders says whether the place of a statement among others matters: it locks, unlocks or
// stores.
func (g *generator) orders(n *node) bool {
	if n.kind != "expression_statement" || len(n.names()) != 1 {
		return false
	}
	name := g.callee(n)
	return shared(n.names()[0]) || name != "" && (lockRE.MatchString(name) || storeRE.MatchString(name))
}

// reorder swaps neighbours in a list of statements.
func (g *generator) reorder(list []*node) {
	for i := 1; i < len(list); i++ {
		a, b := list[i-1], list[i]
		if a.kind != "expression_statement" || b.kind != "expression_statement" || !g.orders(a) && !g.orders(b) {
			continue
		}
		if silentRE.MatchString(g.callee(a)) || silentRE.MatchString(g.callee(b)) {
			continue
		}
		both := &node{begin: a.begin, end: b.end}
		g.add(Reorder, both, a.begin, b.end, g.text(b)+g.src.Text[a.end:b.begin]+g.text(a))
	}
}

// loop edits a loop, or the block of a lock that is written like one.
func (g *generator) loop(n *node) {
	body := n.role("body")
	macro := g.loops[n.begin]
	if macro && strings.HasPrefix(g.src.Text[n.begin:], "scoped_") {
		if body != nil {
			g.add(LoseLock, &node{begin: n.begin, end: body.begin}, n.begin, body.begin, "")
		}
		return
	}
	if c := n.role("condition"); c != nil && !macro && !g.loops[c.begin] {
		g.condition(c, true)
	}
	if body == nil || body.kind != "compound_statement" || n.kind == "do_statement" {
		return
	}
	list := body.names()
	if len(list) == 0 || slices.Contains([]string{"break_statement", "return_statement", "goto_statement"}, list[len(list)-1].kind) {
		return
	}
	at := body.end - 1
	indent := g.src.Text[strings.LastIndexByte(g.src.Text[:at], '\n')+1 : at]
	if strings.TrimSpace(indent) == "" {
		g.add(Early, &node{begin: at, end: at}, at, at, "\tbreak;\n"+indent)
	}
}

// unwind sends a goto to the next label of the function, or to the one before if there is none.
func (g *generator) unwind(n *node) {
	var labels []string
	for _, k := range g.body.all() {
		if k.kind == "labeled_statement" && k.role("label") != nil {
			labels = append(labels, g.text(k.role("label")))
		}
	}
	if label := n.role("label"); label != nil {
		i := slices.Index(labels, g.text(label))
		switch {
		case i >= 0 && i+1 < len(labels):
			g.replace(Unwind, label, labels[i+1])
		case i > 0:
			g.replace(Unwind, label, labels[i-1])
		}
	}
	if !sole(n) {
		g.replace(Drop, n, ";")
	}
}

// returns returns the type that the function returns.
func (g *generator) returns() string {
	d := g.node.role("declarator")
	if d == nil {
		return ""
	}
	words := strings.Fields(string(g.code[g.node.begin:d.begin]))
	words = slices.DeleteFunc(words, func(w string) bool { return w == "static" || w == "inline" || w == "extern" })
	if d.kind == "pointer_declarator" {
		words = append(words, "*")
	}
	return strings.Join(words, " ")
}

// returnEarly returns before the first statement.
func (g *generator) returnEarly() {
	list := slices.DeleteFunc(g.body.names(), func(n *node) bool { return n.kind == "declaration" })
	if len(list) == 0 {
		return
	}
	values := []string{" 0"}
	switch returns := g.returns(); {
	case returns == "void":
		values = []string{""}
	case returns == "bool":
		values = []string{" false", " true"}
	case strings.HasSuffix(returns, "*"):
		values = []string{" NULL"}
	}
	at := list[0].begin
	indent := g.src.Text[strings.LastIndexByte(g.src.Text[:at], '\n')+1 : at]
	for _, value := range values {
		g.add(Early, &node{begin: at, end: at}, at, at, "return"+value+";\n"+indent)
	}
}
