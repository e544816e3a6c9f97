// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"cmp"
	"regexp"
	"slices"
)

// Warning is what a compiler, sparse or kernel-doc says of a file.
type Warning struct {
	File string // as it is named in the tree
	At   string // line, or line:column
	Text string // such as "warning: unused variable"
}

// String is the warning as compilers print it, so that an editor finds its place.
func (w Warning) String() string { return w.File + ":" + w.At + ": " + w.Text }

// unplaced is the same for a warning of two trees between which only its line moved.
func (w Warning) unplaced() Warning {
	w.At = ""
	return w
}

// sparse calls an error what does not keep it from going on.
var lintRE = regexp.MustCompile(`(?m)^(?:\S*/src/)?(\S+?):(\d+(?::\d+)?): ((?:warning|error): .*)$`)

// Warnings are those in an output of make or kernel-doc, sorted by file and text. Those
// that are alike keep their order.
func Warnings(output string) []Warning {
	var all []Warning
	for _, m := range lintRE.FindAllStringSubmatch(output, -1) {
		all = append(all, Warning{File: m[1], At: m[2], Text: m[3]})
	}
	slices.SortStableFunc(all, func(a, b Warning) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Text, b.Text))
	})
	return all
}

// NewWarnings are those that the base does not have, or not as often. Their lines do not
// count, as a patch moves them. Where the base has one of two that are alike, the one in
// the base's line is the old one.
func NewWarnings(base, patched []Warning) []Warning {
	left, inPlace := make(map[Warning]int), make(map[Warning]int)
	for _, w := range base {
		left[w.unplaced()]++
		inPlace[w]++
	}
	isOld := make([]bool, len(patched))
	for i, w := range patched {
		if inPlace[w] > 0 {
			inPlace[w]--
			left[w.unplaced()]--
			isOld[i] = true
		}
	}
	var all []Warning
	for i, w := range patched {
		if isOld[i] {
			continue
		}
		if left[w.unplaced()]--; left[w.unplaced()] < 0 {
			all = append(all, w)
		}
	}
	return all
}
