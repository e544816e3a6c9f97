// SPDX-License-Identifier: BSD-3-Clause

package report

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"

	"timens-vmtest/vmtest/verdict"
)

// LcovFile is a tracefile of lcov, which Write writes if coverage was measured.
const LcovFile = "coverage.info"

// notInName matches what the name of a test cannot have in a tracefile.
var notInName = regexp.MustCompile(`\W`)

// Lcov returns the coverage of the changed lines as a tracefile of lcov. It has a section for
// each test and each file of which the test ran a line: a line has 1 in it if the test ran the
// line, and otherwise 0. So the sum over all sections says how many tests ran a line. A file of
// which no test ran a line has a section without a test. Paths are relative to the kernel tree.
// The result is empty if no line can be counted.
func Lcov(c *verdict.CoverageResult) []byte {
	var b bytes.Buffer
	for _, f := range c.Files {
		lines := countable(f)
		if len(lines) == 0 {
			continue
		}
		ran := false
		for n, name := range c.Tests {
			if slices.ContainsFunc(lines, func(l verdict.CoveredLine) bool { return slices.Contains(l.Tests, n) }) {
				lcovSection(&b, notInName.ReplaceAllString(name, "_"), f.Path, lines, n)
				ran = true
			}
		}
		if !ran {
			lcovSection(&b, "", f.Path, lines, -1)
		}
	}
	return b.Bytes()
}

// lcovSection writes which lines of a file the test of this number ran.
func lcovSection(b *bytes.Buffer, name, path string, lines []verdict.CoveredLine, test int) {
	fmt.Fprintf(b, "TN:%s\nSF:%s\n", name, path)
	hit := 0
	for _, l := range lines {
		n := 0
		if slices.Contains(l.Tests, test) {
			n = 1
		}
		hit += n
		fmt.Fprintf(b, "DA:%d,%d\n", l.N, n)
	}
	fmt.Fprintf(b, "LF:%d\nLH:%d\nend_of_record\n", len(lines), hit)
}

// countable returns the lines of a file of which it is known whether they ran.
func countable(f verdict.CoveredFile) []verdict.CoveredLine {
	return slices.DeleteFunc(slices.Clone(f.Lines), func(l verdict.CoveredLine) bool { return !l.Countable() })
}
