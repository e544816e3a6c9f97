// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// statement adds the edits of a statement.
func (g *generator) statement(n ast.Stmt, stack []ast.Node) {
	switch n := n.(type) {
	case *ast.IfStmt:
		g.decide(n.Cond)
	case *ast.ForStmt:
		if n.Cond != nil {
			g.decide(n.Cond)
		}
		g.once(n.Body)
	case *ast.RangeStmt:
		g.drop(n)
		g.once(n.Body)
	case *ast.CaseClause:
		g.clause(n, stack)
	case *ast.ReturnStmt:
		g.result(n, stack)
	case *ast.AssignStmt:
		g.assignment(n)
	case *ast.IncDecStmt:
		g.operator(arith, n.TokPos, n.Tok, other[n.Tok])
		g.drop(n)
	case *ast.BranchStmt:
		g.drop(n)
		switch n.Tok {
		case token.BREAK:
			g.operator(loop, n.Pos(), n.Tok, token.CONTINUE)
		case token.CONTINUE:
			g.operator(loop, n.Pos(), n.Tok, token.BREAK)
		}
	case *ast.ExprStmt, *ast.DeferStmt, *ast.GoStmt, *ast.SendStmt:
		g.drop(n)
	}
}

// once adds the edit that leaves a loop after one round.
func (g *generator) once(body *ast.BlockStmt) {
	at := g.offset(body.Rbrace)
	g.add(early, at, at, "; break ")
}

// clause adds the edits of a case of a switch.
func (g *generator) clause(n *ast.CaseClause, stack []ast.Node) {
	if len(n.List) > 1 {
		g.elements(n.List, n.Colon)
	}
	if s, ok := stack[len(stack)-2].(*ast.SwitchStmt); ok && s.Tag == nil {
		for _, e := range n.List {
			g.decide(e)
		}
	}
	g.replace(dropCase, n, "")
}

// assignment adds the edits of = and of the like.
func (g *generator) assignment(n *ast.AssignStmt) {
	if o := other[n.Tok]; o != 0 && !g.isText(n.Lhs[0]) {
		g.operator(arith, n.TokPos, n.Tok, o)
	}
	for _, e := range n.Rhs {
		g.decide(e)
	}
	if n.Tok != token.DEFINE {
		g.drop(n)
		return
	}
	if len(n.Lhs) != len(n.Rhs) {
		return
	}
	for _, e := range n.Rhs {
		if !g.info.Types[e].IsValue() || g.constant(e) || g.truth(e) {
			continue
		}
		if t, ok := g.typeText(g.file, g.info.TypeOf(e)); ok {
			g.replace(zero, e, "*new("+t+")")
		}
	}
}

func (g *generator) isText(e ast.Expr) bool {
	t := g.info.TypeOf(e)
	if t == nil {
		return false
	}
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Info()&types.IsString != 0
}

// drop adds the edit that leaves out a statement. The variables that it uses stay used, because
// the compiler refuses others.
func (g *generator) drop(n ast.Stmt) { g.replace(drop, n, g.keep(n)) }

// keep returns a statement that uses the local variables of a node, or "" if there are none.
func (g *generator) keep(n ast.Node) string {
	var names []string
	ast.Inspect(n, func(part ast.Node) bool {
		if id, ok := part.(*ast.Ident); ok {
			v, ok := g.info.Uses[id].(*types.Var)
			local := ok && !v.IsField() && v.Parent() != nil && v.Parent() != g.pkg.Scope() && v.Pkg() == g.pkg
			if local && !(n.Pos() <= v.Pos() && v.Pos() < n.End()) && !slices.Contains(names, id.Name) {
				names = append(names, id.Name)
			}
		}
		return true
	})
	if names == nil {
		return ""
	}
	return strings.TrimSuffix(strings.Repeat("_, ", len(names)), ", ") + " = " + strings.Join(names, ", ")
}

// signature returns the results of the innermost function around a node.
func (g *generator) signature(stack []ast.Node) *types.Tuple {
	for _, n := range slices.Backward(stack) {
		switch n := n.(type) {
		case *ast.FuncLit:
			return g.info.TypeOf(n).(*types.Signature).Results()
		case *ast.FuncDecl:
			return g.info.Defs[n.Name].Type().(*types.Signature).Results()
		}
	}
	return nil
}

// result adds the edits of a return statement.
func (g *generator) result(n *ast.ReturnStmt, stack []ast.Node) {
	g.drop(n)
	results := g.signature(stack)
	if len(n.Results) != results.Len() {
		return // a bare return, or all results of another function
	}
	for i, e := range n.Results {
		t := results.At(i).Type()
		value, ok := g.zeroOf(g.file, t)
		switch {
		case !ok, g.text(e) == value, g.constant(e), isZero(e):
		case g.truth(e):
			g.decide(e)
		default:
			k := zero
			if types.Identical(t, types.Universe.Lookup("error").Type()) {
				k = success
			}
			if kept := g.keep(e); kept != "" {
				g.add(k, g.offset(n.Pos()), g.offset(n.End()), kept+"; "+g.file.text[g.offset(n.Pos()):g.offset(e.Pos())]+value+g.file.text[g.offset(e.End()):g.offset(n.End())])
			} else {
				g.replace(k, e, value)
			}
		}
	}
}

// isZero reports whether an expression is a structure without any values.
func isZero(e ast.Expr) bool {
	c, ok := e.(*ast.CompositeLit)
	return ok && len(c.Elts) == 0
}

// leave adds the edit that returns at the begin of the innermost function of a stack.
func (g *generator) leave(stack []ast.Node, at int) {
	results := g.signature(stack)
	var values []string
	for v := range results.Variables() {
		value, ok := g.zeroOf(g.file, v.Type())
		if !ok {
			return
		}
		values = append(values, value)
	}
	g.add(early, at, at, strings.TrimRight(" return "+strings.Join(values, ", "), " ")+"; ")
}
