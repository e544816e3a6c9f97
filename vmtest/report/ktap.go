// SPDX-License-Identifier: BSD-3-Clause

package report

import (
	"bytes"
	"fmt"
	"strings"

	"timens-vmtest/vmtest/page/look"
	"timens-vmtest/vmtest/verdict"
)

// KTAP returns a report in the kernel's test format, version 1. Each lane is a subtest with
// one result for each test. One more result, "verdict", covers everything else that the
// verdict depends on.
func KTAP(r verdict.Result) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "KTAP version 1\n1..%d\n", len(r.Lanes)+1)
	for i, l := range r.Lanes {
		fmt.Fprintf(&b, "  KTAP version 1\n  # Subtest: %s\n  1..%d\n", l.Lane, len(l.Tests))
		all := true
		for j, t := range l.Tests {
			all = all && t.AsExpected()
			if !t.AsExpected() {
				diagnosis(&b, l, t)
			}
			fmt.Fprintf(&b, "  %s %d %s%s\n", ok(t.AsExpected()), j+1, t.TestID, directive(t))
		}
		fmt.Fprintf(&b, "%s %d %s\n", ok(all), i+1, l.Lane)
	}
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "# %s: %s\n", blame(f), strings.ReplaceAll(look.Harmless(f.Text), "\n", "\n#   "))
	}
	fmt.Fprintf(&b, "%s %d verdict # %s\n", ok(r.Verdict == verdict.Passed), len(r.Lanes)+1, r.Verdict)
	return b.Bytes()
}

// diagnosis prints what a test printed, before its result, as kunit does.
func diagnosis(b *bytes.Buffer, l verdict.LaneResult, t verdict.TestResult) {
	if t.Note != "" {
		fmt.Fprintf(b, "  # %s: %s\n", t.TestID, look.Harmless(t.Note))
	}
	for _, line := range t.Telling {
		fmt.Fprintf(b, "  # %s: %s\n", t.TestID, look.Harmless(line))
	}
	if t.Output == "" {
		return
	}
	for _, line := range boundedLines(t.Output, outputPath(l, t)) {
		fmt.Fprintf(b, "  # | %s\n", line)
	}
}

func ok(good bool) string {
	if good {
		return "ok"
	}
	return "not ok"
}

func directive(t verdict.TestResult) string {
	switch {
	case t.Status == verdict.Skip && t.AsExpected():
		return " # SKIP"
	case t.Status == verdict.Timeout:
		return " # TIMEOUT"
	case t.Status != verdict.Pass && t.AsExpected():
		return fmt.Sprintf(" # %s, as expected", t.Status)
	case !t.AsExpected():
		return fmt.Sprintf(" # %s, expected %s", t.Status, t.Expected)
	}
	return ""
}
