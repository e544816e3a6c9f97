// SPDX-License-Identifier: BSD-3-Clause

package kconfig

import (
	"fmt"
	"path/filepath"
)

// Defined returns the symbols that the Kconfig files of a tree define, without the
// CONFIG_ prefix. These are the files that a kernel for x86_64 reads: the file Kconfig, and
// those that it sources. read returns the contents of a file of the tree.
func Defined(read func(path string) ([]byte, error)) (map[string]bool, error) {
	m, err := readModel(read)
	all := make(map[string]bool)
	for name := range m.entries {
		all[name] = true
	}
	return all, err
}

// LeftOut says of each option that it is not requested from a tree that defines these symbols,
// and why.
func (c Config) LeftOut(defined map[string]bool) []string {
	var all []string
	add := func(o Option, why string) {
		all = append(all, fmt.Sprintf("%s:%d: %s is left out: %s", filepath.Base(o.File), o.Line, o, why))
	}
	for _, o := range c.Tiny {
		add(o, "it is for tinyconfig alone")
	}
	_, others := c.For(defined)
	for _, o := range others.Options {
		add(o, "this tree does not define "+o.IfDefined)
	}
	return all
}
