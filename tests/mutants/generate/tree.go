// SPDX-License-Identifier: BSD-3-Clause

package generate

// node is a node of the syntax tree of a file.
type node struct {
	kind       string // as the grammar names it, such as if_statement; of a token its text
	field      string // its role in its parent, such as condition; "" if it has none
	begin, end int    // bytes of the file
	named      bool   // it is no mere token
	broken     bool   // the grammar did not expect it, or expected it and did not find it
	parent     *node
	kids       []*node
}

// role returns the child with a role; nil if there is none.
func (n *node) role(field string) *node {
	for _, k := range n.kids {
		if k.field == field {
			return k
		}
	}
	return nil
}

// names returns the named children, comments left out.
func (n *node) names() []*node {
	var all []*node
	for _, k := range n.kids {
		if k.named && k.kind != "comment" {
			all = append(all, k)
		}
	}
	return all
}

// all returns the node and all nodes below it, in the order of the text.
func (n *node) all() []*node {
	list := []*node{n}
	for _, k := range n.kids {
		list = append(list, k.all()...)
	}
	return list
}
