// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"regexp"
	"slices"
	"strings"
)

// visit adds the edits of a node.
func (g *generator) visit(n ast.Node, stack []ast.Node) bool {
	switch n := n.(type) {
	case *ast.Field:
		return false // types and tags
	case *ast.BinaryExpr:
		g.binary(n)
	case *ast.UnaryExpr:
		switch n.Op {
		case token.NOT:
			g.replace(negate, n, g.text(n.X))
		case token.SUB:
			g.replace(sign, n, g.text(n.X))
		}
	case *ast.BasicLit:
		g.literal(n)
	case *ast.Ident:
		if _, selected := stack[len(stack)-1].(*ast.SelectorExpr); !selected {
			g.name(n, n)
		}
	case *ast.SelectorExpr:
		g.name(n, n.Sel)
	case *ast.CallExpr:
		g.call(n)
	case *ast.IndexExpr:
		if t := g.info.TypeOf(n.X); t != nil && isList(t) && !g.constant(n.Index) {
			g.replace(offByOne, n.Index, g.text(n.Index)+" + 1")
			g.replace(offByOne, n.Index, g.text(n.Index)+" - 1")
		}
	case *ast.SliceExpr:
		for _, bound := range []ast.Expr{n.Low, n.High} {
			if bound == nil {
				continue
			}
			g.replace(offByOne, bound, "")
			if !g.constant(bound) {
				g.replace(offByOne, bound, g.text(bound)+" + 1")
				g.replace(offByOne, bound, g.text(bound)+" - 1")
			}
		}
	case *ast.CompositeLit:
		g.elements(n.Elts, n.Rbrace)
	case ast.Stmt:
		g.statement(n, stack)
	case *ast.FuncLit:
		g.leave(append(slices.Clone(stack), n), g.offset(n.Body.Pos())+1)
	}
	return true
}

func isList(t types.Type) bool {
	switch t := t.Underlying().(type) {
	case *types.Slice, *types.Array, *types.Pointer:
		return true
	case *types.Basic:
		return t.Info()&types.IsString != 0
	}
	return false
}

func (g *generator) constant(e ast.Expr) bool { return g.info.Types[e].Value != nil }

// truth reports whether an expression is a truth value that is not constant.
func (g *generator) truth(e ast.Expr) bool {
	t := g.info.TypeOf(e)
	if t == nil || g.constant(e) {
		return false
	}
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Info()&types.IsBoolean != 0
}

// decide adds edits of a whole truth value: a condition, for example.
func (g *generator) decide(e ast.Expr) {
	if !g.truth(e) {
		return
	}
	g.replace(force, e, "("+g.text(e)+") || true")
	g.replace(force, e, "("+g.text(e)+") && false")
	g.negate(e)
}

// negate adds the edit that negates a truth value. The edits of comparisons and of ! are those
// of their own node.
func (g *generator) negate(e ast.Expr) {
	switch e := ast.Unparen(e).(type) {
	case *ast.UnaryExpr:
		return
	case *ast.BinaryExpr:
		if opposite[e.Op] != 0 {
			return
		}
	}
	g.replace(negate, e, "!("+g.text(e)+")")
}

var (
	opposite = map[token.Token]token.Token{
		token.EQL: token.NEQ, token.NEQ: token.EQL, token.LSS: token.GEQ, token.GEQ: token.LSS, token.GTR: token.LEQ, token.LEQ: token.GTR,
	}
	boundary = map[token.Token]token.Token{token.LSS: token.LEQ, token.LEQ: token.LSS, token.GTR: token.GEQ, token.GEQ: token.GTR}
	other    = map[token.Token]token.Token{
		token.ADD: token.SUB, token.SUB: token.ADD, token.MUL: token.QUO, token.QUO: token.MUL, token.REM: token.MUL,
		token.AND: token.OR, token.OR: token.AND, token.XOR: token.AND, token.AND_NOT: token.AND, token.SHL: token.SHR, token.SHR: token.SHL,
		token.ADD_ASSIGN: token.SUB_ASSIGN, token.SUB_ASSIGN: token.ADD_ASSIGN, token.MUL_ASSIGN: token.QUO_ASSIGN, token.QUO_ASSIGN: token.MUL_ASSIGN,
		token.OR_ASSIGN: token.AND_ASSIGN, token.AND_ASSIGN: token.OR_ASSIGN, token.AND_NOT_ASSIGN: token.OR_ASSIGN,
		token.INC: token.DEC, token.DEC: token.INC,
	}
	// ordered are the operators whose operands cannot change places.
	ordered = []token.Token{token.SUB, token.QUO, token.REM, token.SHL, token.SHR, token.AND_NOT}
)

// operator adds an edit that replaces an operator.
func (g *generator) operator(k kind, at token.Pos, was, is token.Token) {
	g.add(k, g.offset(at), g.offset(at)+len(was.String()), is.String())
}

func (g *generator) binary(n *ast.BinaryExpr) {
	if o := opposite[n.Op]; o != 0 {
		g.operator(negate, n.OpPos, n.Op, o)
	}
	if o := boundary[n.Op]; o != 0 {
		g.operator(compare, n.OpPos, n.Op, o)
	}
	switch o := other[n.Op]; {
	case g.isText(n): // the only operator of strings is +
		g.replace(operands, n, g.text(n.Y)+" + "+g.text(n.X))
		g.replace(unwrap, n, g.text(n.X))
		g.replace(unwrap, n, g.text(n.Y))
	case o != 0:
		g.operator(arith, n.OpPos, n.Op, o)
	}
	if slices.Contains(ordered, n.Op) {
		g.replace(operands, n, fmt.Sprintf("(%s) %s (%s)", g.text(n.Y), n.Op, g.text(n.X)))
	}
	if n.Op != token.LAND && n.Op != token.LOR {
		return
	}
	swapped, neutral := token.LOR, " || true)"
	if n.Op == token.LOR {
		swapped, neutral = token.LAND, " && false)"
	}
	g.operator(logic, n.OpPos, n.Op, swapped)
	for _, side := range []ast.Expr{n.X, n.Y} {
		g.replace(logic, side, "(("+g.text(side)+")"+neutral)
		g.negate(side)
	}
}

func (g *generator) literal(n *ast.BasicLit) {
	switch n.Kind {
	case token.INT, token.FLOAT:
		g.replace(number, n, "("+n.Value+" + 1)")
		if n.Value != "0" {
			g.replace(number, n, "("+n.Value+" - 1)")
		}
	case token.CHAR:
		g.replace(number, n, "("+n.Value+" + 1)")
	case token.STRING:
		if n.Value == `""` || n.Value == "``" {
			g.replace(empty, n, `"mutant"`)
		} else {
			g.replace(empty, n, `""`)
		}
	}
}

// name adds the edits of a constant with a name, which may stand behind that of its package.
func (g *generator) name(whole ast.Expr, id *ast.Ident) {
	c, ok := g.info.Uses[id].(*types.Const)
	if !ok {
		return
	}
	switch {
	case c.Parent() == types.Universe:
		if swapped := map[string]string{"true": "false", "false": "true"}[c.Name()]; swapped != "" {
			g.replace(number, whole, swapped)
		}
		return
	case g.nextTo(c) != "":
		g.replace(neighbour, id, g.nextTo(c))
	case c.Val().Kind() == constant.Int:
		g.replace(offByOne, whole, "("+g.text(whole)+" + 1)")
		g.replace(offByOne, whole, "("+g.text(whole)+" - 1)")
	}
}

// nextTo returns the name of the constant after one of a type with a name, in the order of their
// values. It returns "" if there is no other.
func (g *generator) nextTo(c *types.Const) string {
	named, ok := c.Type().(*types.Named)
	if !ok || named.Obj().Pkg() != c.Pkg() || c.Parent() != c.Pkg().Scope() {
		return ""
	}
	var all []*types.Const
	scope := c.Pkg().Scope()
	for _, name := range scope.Names() {
		o, ok := scope.Lookup(name).(*types.Const)
		if ok && types.Identical(o.Type(), c.Type()) && (o.Exported() || c.Pkg() == g.pkg) {
			all = append(all, o)
		}
	}
	slices.SortStableFunc(all, func(a, b *types.Const) int {
		if constant.Compare(a.Val(), token.LSS, b.Val()) {
			return -1
		} else if constant.Compare(a.Val(), token.EQL, b.Val()) {
			return 0
		}
		return 1
	})
	next := all[(slices.Index(all, c)+1)%len(all)]
	if next == c {
		return ""
	}
	return next.Name()
}

// symmetric matches the functions that give the same if two arguments change places, but for the
// order of messages.
var symmetric = regexp.MustCompile(`^(min|max|errors\.Join|\w+\.(Deep)?Equal(Fold)?)$`)

// call adds the edits of a call: swapped arguments, and an argument instead of the result.
func (g *generator) call(n *ast.CallExpr) {
	if g.info.Types[n.Fun].IsType() {
		return // a conversion
	}
	for i := 1; i < len(n.Args) && !symmetric.MatchString(g.text(n.Fun)); i++ {
		a, b := n.Args[i-1], n.Args[i]
		if types.Identical(g.info.TypeOf(a), g.info.TypeOf(b)) && g.text(a) != g.text(b) && !(n.Ellipsis.IsValid() && i == len(n.Args)-1) {
			between := g.file.text[g.offset(a.End()):g.offset(b.Pos())]
			g.add(operands, g.offset(a.Pos()), g.offset(b.End()), g.text(b)+between+g.text(a))
		}
	}
	t := g.info.TypeOf(n)
	if t == nil || g.truth(n) {
		return
	}
	given := slices.Clone(n.Args)
	if s, ok := n.Fun.(*ast.SelectorExpr); ok {
		given = append(given, s.X)
	}
	for _, e := range given {
		if g.info.Types[e].IsValue() && types.Identical(types.Default(g.info.TypeOf(e)), t) {
			g.replace(unwrap, n, g.text(e))
		}
	}
}

// elements adds the edits that leave out one of several elements, which commas separate.
func (g *generator) elements(all []ast.Expr, end token.Pos) {

	for i, e := range all {
		begin, after := g.offset(e.Pos()), g.offset(end)
		if i+1 < len(all) {
			after = g.offset(all[i+1].Pos())
		} else if rest := g.file.text[g.offset(e.End()):after]; !strings.HasPrefix(strings.TrimSpace(rest), ",") {
			after = g.offset(e.End())
			if i > 0 {
				begin = g.offset(all[i-1].End())
			}
		}
		g.add(drop, begin, after, "")
	}
}
