// SPDX-License-Identifier: BSD-3-Clause

package kconfig

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
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

// Undefined returns the symbols that options depend on and that a tree, which defines these, lacks:
// sorted, and never nil.
func (c Config) Undefined(defined map[string]bool) []string {
	all := []string{}
	_, others := c.For(defined)
	for _, o := range others.Options {
		all = append(all, o.IfDefined)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// DefinedBut returns the symbols that options depend on, but for these.
func (c Config) DefinedBut(undefined []string) map[string]bool {
	all := make(map[string]bool)
	for _, o := range c.Options {
		if o.IfDefined != "" && !slices.Contains(undefined, o.IfDefined) {
			all[o.IfDefined] = true
		}
	}
	return all
}

// LeftOut names the options that are not requested from a tree that defines these symbols, and
// says why: in a line each, but for those that are for tinyconfig alone.
func (c Config) LeftOut(defined map[string]bool) []string {
	var all, tiny []string
	for _, o := range c.Tiny {
		tiny = append(tiny, o.Name)
	}
	if tiny != nil {
		all = append(all, "left out, as they are for tinyconfig alone: "+strings.Join(tiny, ", "))
	}
	_, others := c.For(defined)
	for _, o := range others.Options {
		all = append(all, fmt.Sprintf("%s:%d: %s is left out: this tree does not define %s", filepath.Base(o.File), o.Line, o, o.IfDefined))
	}
	return all
}
