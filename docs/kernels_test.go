// SPDX-License-Identifier: BSD-3-Clause

package docs

import (
	"fmt"
	"os"
	"testing"

	"timens-vmtest/docs/docstest"
	"timens-vmtest/vmtest/verdict"
)

const (
	kernelsPage   = "kernels.md"
	kernelsExpect = "../kernel/expect"
	kernelsBegin  = "<!-- from kernel/expect and the tests; go test ./docs -update rewrites it -->\n"
)

// kernels are the columns of the table.
var kernels = []struct{ name, version string }{{"6.12", "6.12.117"}, {"7.3", "7.3.4"}}

// The page lists the tests that do not pass on every kernel, with what each shows.
func TestKernelsPage(t *testing.T) {
	docstest.Hold(t, kernelsPage, kernelsBegin, testsByKernel(t), *update, "go test ./docs -update")
}

// testsByKernel has a row for each line of kernel/expect that one of the kernels needs.
func testsByKernel(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(kernelsExpect)
	if err != nil {
		t.Fatal(err)
	}
	all, err := verdict.ParseExpect(text)
	if err != nil {
		t.Fatal(err)
	}
	out := "| test | what it shows |"
	rule := "|---|---|"
	for _, k := range kernels {
		out, rule = out+fmt.Sprintf(" %s |", k.name), rule+"---|"
	}
	out += " why |\n" + rule + "---|\n"
	summaries := make(map[string]map[string]string)
	for _, e := range all {
		if summaries[e.Package] == nil {
			summaries[e.Package] = docstest.Summaries(t, "../tests/"+e.Package)
		}
		summary, ok := summaries[e.Package][e.Name]
		if !ok || summary == "" {
			t.Errorf("%s: tests/%s has no %s with a comment", kernelsExpect, e.Package, e.Name)
		}
		row, needed := fmt.Sprintf("| `%s.%s` | %s |", e.Package, e.Name, summary), false
		for _, k := range kernels {
			status := verdict.Expected(verdict.On(all, k.version, false), e.TestID)
			row, needed = row+fmt.Sprintf(" %v |", status), needed || status != verdict.Pass
		}
		if needed { // else it is for other kernels
			out += fmt.Sprintf("%s %s |\n", row, e.Reason)
		}
	}
	return out
}
