// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"regexp"
	"slices"
)

// sparse calls an error what does not keep it from going on.
var lintRE = regexp.MustCompile(`(?m)^(?:\S*/src/)?(\S+?):\d+(?::\d+)?: ((?:warning|error): .*)$`)

// Unplaced are the warnings in an output of make or kernel-doc, sorted, with the name of the
// file as it is in the tree and without the line, so that those of two trees
// can be compared.
func Unplaced(output string) []string {
	var all []string
	for _, m := range lintRE.FindAllStringSubmatch(output, -1) {
		all = append(all, m[1]+": "+m[2])
	}
	slices.Sort(all)
	return all
}

// NewWarnings are those that the base does not have, or not as often; both are
// Unplaced.
func NewWarnings(base, patched []string) []string {
	left := make(map[string]int)
	for _, w := range base {
		left[w]++
	}
	var all []string
	for _, w := range patched {
		if left[w]--; left[w] < 0 {
			all = append(all, w)
		}
	}
	return all
}
