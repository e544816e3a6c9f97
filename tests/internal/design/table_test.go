// SPDX-License-Identifier: BSD-3-Clause

package design

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"timens-vmtest/docs/docstest"
)

var update = flag.Bool("update", false, "write the table of tests by design in docs/designs.md")

const (
	root       = "../../../"
	pageFile   = root + "docs/designs.md"
	expectFile = root + "kernel/patches/control/expect"
	tableBegin = "<!-- from kernel/patches/control/expect and the tests; go test ./tests/internal/design -update rewrites it -->\n"
)

// series are the columns of the table.
var series = []Name{TimensOffset, InlineNS, Namespaces}

// expected is a line of an expect file.
var expected = regexp.MustCompile(`(?m)^fail (\S+) (\S+) # (.*)$`)

// The page lists the tests that fail on the unpatched kernel, with what each shows
// and the designs that pass it.
func TestTableOfPage(t *testing.T) {
	docstest.Hold(t, pageFile, tableBegin, table(t), *update, "go test ./tests/internal/design -update")
}

func table(t *testing.T) string {
	t.Helper()
	control, err := os.ReadFile(expectFile)
	if err != nil {
		t.Fatal(err)
	}
	out := "| test | what it shows | `timens-offset` | `inline-ns` | `namespaces` |\n|---|---|---|---|---|\n"
	packages := make(map[string]map[string]string)
	for _, m := range expected.FindAllStringSubmatch(string(control), -1) {
		pkg, name := m[1], m[2]
		if packages[pkg] == nil {
			packages[pkg] = docstest.Summaries(t, root+"tests/"+pkg)
		}
		summary, ok := packages[pkg][name]
		if !ok {
			t.Errorf("%s: %s has no %s", expectFile, pkg, name)
		}
		out += fmt.Sprintf("| `%s.%s` | %s |", pkg, name, summary)
		for _, s := range series {
			out += fmt.Sprintf(" %s |", passes(t, s, pkg, name))
		}
		out += "\n"
	}
	return out
}

// passes returns the cell of a series in the row of a test. It is empty if the
// test is not for that series.
func passes(t *testing.T, s Name, pkg, name string) string {
	t.Helper()
	if slices.Contains(series, Name(pkg)) && Name(pkg) != s {
		return ""
	}
	own, err := os.ReadFile(filepath.Join(filepath.Dir(expectFile), "..", string(s), "expect"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, m := range expected.FindAllStringSubmatch(string(own), -1) {
		if m[1] == pkg && m[2] == name {
			return "fails: " + m[3]
		}
	}
	return "pass"
}
