// SPDX-License-Identifier: BSD-3-Clause

package kbuild

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

// Warning is a warning of a compiler, of sparse or of kernel-doc about a file.
type Warning struct {
	File string // path in the tree
	At   string // line, or line:column
	Text string // such as "warning: unused variable"
}

// String returns the warning as compilers print it, so that an editor finds the place.
func (w Warning) String() string { return w.File + ":" + w.At + ": " + w.Text }

// unplaced returns the warning without its line. A patch may move a line, so warnings of
// two trees are compared without it.
func (w Warning) unplaced() Warning {
	w.At = ""
	return w
}

// sparse prints "error" also for a fault after which it continues.
var lintRE = regexp.MustCompile(`(?m)^(?:\S*/src/)?(\S+?):(\d+(?::\d+)?): ((?:warning|error): .*)$`)

// docRE matches what kernel-doc prints since it is a program in Python. The one in Perl, which Linux
// 6.12 has, prints its warnings as a compiler does. The new one prints each several times.
var docRE = regexp.MustCompile(`(?m)^(Warning|Error): (?:\S*/src/)?(\S+?):(\d+):? (.*)$`)

// Warnings returns the warnings in an output of make or kernel-doc, sorted by file and
// text. Warnings with the same file and text keep their order.
func Warnings(output string) []Warning {
	var all []Warning
	for _, m := range lintRE.FindAllStringSubmatch(output, -1) {
		all = append(all, Warning{File: m[1], At: m[2], Text: m[3]})
	}
	for _, m := range docRE.FindAllStringSubmatch(output, -1) {
		if w := (Warning{File: m[2], At: m[3], Text: strings.ToLower(m[1]) + ": " + m[4]}); !slices.Contains(all, w) {
			all = append(all, w)
		}
	}
	slices.SortStableFunc(all, func(a, b Warning) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Text, b.Text))
	})
	return all
}

// NewWarnings returns the warnings that the base does not have, or has fewer times. Lines
// do not matter, because a patch moves them. If the base has one of two equal warnings, the
// one in the base's line is the old one.
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
