// SPDX-License-Identifier: BSD-3-Clause

//go:build cgo

package generate

import (
	"context"

	sitter "github.com/smacker/go-tree-sitter"
	"github.com/smacker/go-tree-sitter/c"
)

// parse returns the syntax tree of C code.
func parse(code []byte) (*node, error) {
	root, err := sitter.ParseCtx(context.Background(), code, c.GetLanguage())
	if err != nil {
		return nil, err
	}
	return convert(root, nil, ""), nil
}

func convert(from *sitter.Node, parent *node, field string) *node {
	n := &node{
		kind: from.Type(), field: field, begin: int(from.StartByte()), end: int(from.EndByte()),
		named: from.IsNamed(), broken: from.IsError() || from.IsMissing(), parent: parent,
	}
	for i := range int(from.ChildCount()) {
		n.kids = append(n.kids, convert(from.Child(i), n, from.FieldNameForChild(i)))
	}
	return n
}
