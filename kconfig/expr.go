// SPDX-License-Identifier: BSD-3-Clause

package kconfig

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// The values of an expression. The result of a macro such as "$(cc-option,...)" is unknown.
const (
	off = iota
	module
	on
	unknown
)

// values holds the values of a .config, by the names of the symbols.
type values map[string]string

func parseValues(dotconfig []byte) values {
	v := make(values)
	for name, value := range Values(dotconfig) {
		v[strings.TrimPrefix(name, "CONFIG_")] = value
	}
	return v
}

// of returns the value of a symbol.
func (v values) of(name string) string { return cmp.Or(v[name], "n") }

func level(value string) int {
	switch value {
	case "y":
		return on
	case "m":
		return module
	}
	return off
}

// node is a part of an expression: an operator with its operands, or a word.
type node struct {
	op    string // "||", "&&", "!", a comparison, or "" for a word
	parts []node
	word  string
}

func (n node) String() string {
	switch n.op {
	case "":
		return n.word
	case "!":
		return "!" + n.parts[0].String()
	case "||":
		return "(" + n.parts[0].String() + " || " + n.parts[1].String() + ")"
	}
	return n.parts[0].String() + " " + n.op + " " + n.parts[1].String()
}

var tokenRE = regexp.MustCompile(`^(\|\||&&|!=|<=|>=|[=<>!()]|"[^"]*"|'[^']*'|[\w.-]+)`)

// parseExpr reads an expression. If it cannot, it returns a word whose value is unknown.
func parseExpr(text string) node {
	p := parser{rest: strings.TrimSpace(text)}
	p.next()
	n := p.or()
	if p.failed || p.token != "" {
		return node{word: "$" + text}
	}
	return n
}

type parser struct {
	token, rest string
	failed      bool
	depth       int
}

func (p *parser) next() {
	p.rest = strings.TrimSpace(p.rest)
	if strings.HasPrefix(p.rest, "$(") {
		depth := 0
		for i, c := range p.rest {
			switch c {
			case '(':
				depth++
			case ')':
				if depth--; depth == 0 {
					p.token, p.rest = p.rest[:i+1], p.rest[i+1:]
					return
				}
			}
		}
	}
	p.token = tokenRE.FindString(p.rest)
	p.failed = p.failed || p.token == "" && p.rest != ""
	p.rest = p.rest[len(p.token):]
}

func (p *parser) or() node {
	n := p.and()
	for p.token == "||" {
		p.next()
		n = node{op: "||", parts: []node{n, p.and()}}
	}
	return n
}

func (p *parser) and() node {
	n := p.not()
	for p.token == "&&" {
		p.next()
		n = node{op: "&&", parts: []node{n, p.not()}}
	}
	return n
}

const maxDepth = 100 // of brackets and negations, because anybody may have written the file

func (p *parser) not() node {
	if p.depth++; p.depth > maxDepth {
		p.failed = true
		return node{}
	}
	defer func() { p.depth-- }()
	switch p.token {
	case "!":
		p.next()
		return node{op: "!", parts: []node{p.not()}}
	case "(":
		p.next()
		n := p.or()
		p.failed = p.failed || p.token != ")"
		p.next()
		return n
	}
	left := p.word()
	switch op := p.token; op {
	case "=", "!=", "<", "<=", ">", ">=":
		p.next()
		return node{op: op, parts: []node{left, p.word()}}
	}
	return left
}

func (p *parser) word() node {
	n := node{word: p.token}
	p.failed = p.failed || p.token == "" || strings.Contains("||&&!()=<=>=", p.token)
	p.next()
	return n
}

// eval returns the value of an expression.
func (v values) eval(n node) int {
	switch n.op {
	case "":
		return v.word(n.word)
	case "!":
		if x := v.eval(n.parts[0]); x != unknown {
			return on - x
		}
		return unknown
	case "&&", "||":
		return combine(n.op, v.eval(n.parts[0]), v.eval(n.parts[1]))
	}
	a, aok := v.text(n.parts[0].word)
	b, bok := v.text(n.parts[1].word)
	if !aok || !bok {
		return unknown
	}
	order := strings.Compare(a, b)
	x, xerr := strconv.ParseInt(a, 0, 64)
	if y, yerr := strconv.ParseInt(b, 0, 64); xerr == nil && yerr == nil {
		order = cmp.Compare(x, y)
	}
	holds := map[string]bool{"=": order == 0, "!=": order != 0, "<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0}[n.op]
	if holds {
		return on
	}
	return off
}

// combine returns "&&" or "||" of two values, each of which may be unknown.
func combine(op string, a, b int) int {
	decides := map[string]int{"&&": off, "||": on}[op]
	switch {
	case a == decides || b == decides:
		return decides
	case a == unknown || b == unknown:
		return unknown
	case op == "&&":
		return min(a, b)
	}
	return max(a, b)
}

// word returns the value of a symbol or a constant.
func (v values) word(word string) int {
	switch {
	case strings.HasPrefix(word, "$"):
		return unknown
	case word == "y" || word == "m" || word == "n":
		return level(word)
	case strings.HasPrefix(word, `"`) || strings.HasPrefix(word, "'"):
		return level(word[1 : len(word)-1])
	}
	return level(v.of(word))
}

// text returns what a comparison compares for a symbol or a constant. It returns false if
// that is unknown.
func (v values) text(word string) (string, bool) {
	if strings.Contains(word, "$") {
		return "", false
	}
	if isSymbol(word) {
		word = v.of(word)
	}
	return strings.Trim(word, `"'`), true
}

var numberRE = regexp.MustCompile(`^(-?\d+|0[xX][0-9a-fA-F]+)$`)

// isSymbol reports whether a word is the name of a symbol.
func isSymbol(word string) bool {
	return word != "y" && word != "m" && word != "n" && !strings.ContainsAny(word[:min(1, len(word))], `"'$`) && word != "" && !numberRE.MatchString(word)
}

// unmet returns the parts of an expression that keep its value below need. Of an "&&" it
// returns each such part. It returns an "||" as a whole, because either part would do.
func (v values) unmet(n node, need int) []node {
	if got := v.eval(n); got == unknown || got >= need {
		return nil
	}
	if n.op == "&&" {
		return append(v.unmet(n.parts[0], need), v.unmet(n.parts[1], need)...)
	}
	return []node{n}
}

// say says why a part is not met.
func (v values) say(n node) string {
	switch {
	case n.op == "" && isSymbol(n.word):
		return fmt.Sprintf("%s is %s", n.word, v.of(n.word))
	case n.op == "!" && n.parts[0].op == "":
		return fmt.Sprintf("%s is %s", n.parts[0].word, v.of(n.parts[0].word))
	case n.op == "||":
		return n.String() + " is not met"
	case len(n.parts) == 2 && isSymbol(n.parts[0].word):
		return fmt.Sprintf("%s is %s", n.parts[0].word, v.of(n.parts[0].word))
	}
	return n.String() + " is not met"
}

// symbols returns the symbols that could meet an unmet part if they were set.
func symbols(n node) []string {
	switch {
	case n.op == "" && isSymbol(n.word):
		return []string{n.word}
	case n.op == "||" || n.op == "&&":
		return append(symbols(n.parts[0]), symbols(n.parts[1])...)
	}
	return nil
}
