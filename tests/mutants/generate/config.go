// SPDX-License-Identifier: BSD-3-Clause

package generate

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"regexp"
)

// Config has what is defined where the kernel is compiled: CONFIG_ options and other macros,
// each with its value. What it lacks is not defined.
type Config map[string]string

// conditions evaluates the conditions of the preprocessor.
type conditions struct {
	config Config
	asked  map[string]bool // what was asked for, and whether it is defined
}

func (c *conditions) defined(name string) bool {
	_, is := c.config[name]
	c.asked[name] = is
	return is
}

var definedRE = regexp.MustCompile(`\bdefined\s+(\w+)`)

// holds says whether the condition of #if or #elif holds. Go has the same operators, so its
// parser reads the condition.
func (c *conditions) holds(condition string) (bool, error) {
	tree, err := parser.ParseExpr(definedRE.ReplaceAllString(condition, "defined($1)"))
	if err != nil {
		return false, fmt.Errorf("#if %s: %w", condition, err)
	}
	value, err := c.value(tree)
	if err != nil {
		return false, fmt.Errorf("#if %s: %w", condition, err)
	}
	return constant.Sign(value) != 0, nil
}

// value returns the value of an expression, which is a number. A name that is not defined is
// 0, as for the compiler.
func (c *conditions) value(e ast.Expr) (constant.Value, error) {
	switch e := e.(type) {
	case *ast.ParenExpr:
		return c.value(e.X)
	case *ast.BasicLit:
		return constant.MakeFromLiteral(e.Value, e.Kind, 0), nil
	case *ast.Ident:
		if !c.defined(e.Name) {
			return truth(false), nil
		}
		return constant.MakeFromLiteral(c.config[e.Name], token.INT, 0), nil
	case *ast.CallExpr:
		return c.call(e)
	case *ast.UnaryExpr:
		value, err := c.value(e.X)
		switch {
		case err != nil:
			return nil, err
		case e.Op == token.NOT:
			return truth(constant.Sign(value) == 0), nil
		case e.Op == token.SUB:
			return constant.UnaryOp(e.Op, value, 0), nil
		case e.Op == token.TILDE:
			return constant.UnaryOp(token.XOR, value, 0), nil
		}
	case *ast.BinaryExpr:
		return c.binary(e)
	}
	return nil, fmt.Errorf("%T is not understood", e)
}

// call returns whether the name in defined(NAME) or IS_ENABLED(NAME) is defined.
func (c *conditions) call(e *ast.CallExpr) (constant.Value, error) {
	function, _ := e.Fun.(*ast.Ident)
	if function == nil || len(e.Args) != 1 {
		return nil, fmt.Errorf("a macro is not known")
	}
	name, _ := e.Args[0].(*ast.Ident)
	switch function.Name {
	case "defined", "IS_ENABLED", "IS_BUILTIN", "IS_REACHABLE":
		if name != nil {
			return truth(c.defined(name.Name)), nil
		}
	}
	return nil, fmt.Errorf("the macro %s() is not known", function.Name)
}

func (c *conditions) binary(e *ast.BinaryExpr) (constant.Value, error) {
	x, err := c.value(e.X)
	if err != nil {
		return nil, err
	}
	y, err := c.value(e.Y)
	if err != nil {
		return nil, err
	}
	switch e.Op {
	case token.LAND:
		return truth(constant.Sign(x) != 0 && constant.Sign(y) != 0), nil
	case token.LOR:
		return truth(constant.Sign(x) != 0 || constant.Sign(y) != 0), nil
	case token.EQL, token.NEQ, token.LSS, token.LEQ, token.GTR, token.GEQ:
		return truth(constant.Compare(x, e.Op, y)), nil
	case token.ADD, token.SUB, token.MUL, token.AND, token.OR:
		return constant.BinaryOp(x, e.Op, y), nil
	}
	return nil, fmt.Errorf("the operator %v is not understood", e.Op)
}

func truth(is bool) constant.Value {
	if is {
		return constant.MakeInt64(1)
	}
	return constant.MakeInt64(0)
}
