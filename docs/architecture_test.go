// SPDX-License-Identifier: BSD-3-Clause

package docs

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"timens-vmtest/internal/retest"
)

const (
	module           = "timens-vmtest/"
	architectureFile = "architecture.md"
)

var update = flag.Bool("update", false, "write the imports of each package in "+architectureFile)

var spanRE = regexp.MustCompile("`([^`]+)`")

// The tables of packages have a row for each package of the module, and its last
// column has what the package imports.
func TestTablesOfPackages(t *testing.T) {
	text, err := os.ReadFile(architectureFile)
	if err != nil {
		t.Fatal(err)
	}
	got := string(text)
	want, wrong := withImports(got, imports(t))
	for _, w := range wrong {
		t.Error(w)
	}
	if *update && want != got {
		if err := os.WriteFile(architectureFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	old, lines := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range lines {
		if lines[i] != old[i] {
			t.Errorf("%s:%d: not the imports of today: go test ./docs -update\ngot  %s\nwant %s", architectureFile, i+1, old[i], lines[i])
		}
	}
}

// imports are those of each package of the module within it; of a package that
// consists of tests, those of its tests.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	const format = `{{.ImportPath}} {{join .Imports " "}}{{if not .GoFiles}} {{join .TestImports " "}} {{join .XTestImports " "}}{{end}}`
	retest.IfChanged(t, "..", "*.go", "go.mod")
	cmd := exec.Command("go", "list", "-f", format, module+"...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string][]string)
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		pkg := strings.TrimPrefix(words[0], module)
		all[pkg] = nil
		for _, w := range words[1:] {
			if own, ok := strings.CutPrefix(w, module); ok && own != pkg && !slices.Contains(all[pkg], own) {
				all[pkg] = append(all[pkg], own)
			}
		}
	}
	return all
}

// row is one of the tables of packages. Its names may end in "/...".
type row struct {
	line  int
	names []string
}

func (r row) has(pkg string) bool {
	return slices.ContainsFunc(r.names, func(name string) bool { return covers(name, pkg) })
}

func covers(name, pkg string) bool {
	folder, all := strings.CutSuffix(name, "...")
	return name == pkg || all && strings.HasPrefix(pkg, folder)
}

// withImports returns the page with the last column of its tables of packages as
// it should be, and what is wrong with their rows.
func withImports(text string, all map[string][]string) (string, []string) {
	lines := strings.Split(text, "\n")
	var rows []row
	inTable := false
	for i, line := range lines {
		switch {
		case strings.HasPrefix(line, "| package |"):
			inTable = true
		case !strings.HasPrefix(line, "|"):
			inTable = false
		case inTable && strings.HasPrefix(line, "| `"):
			first, _, _ := strings.Cut(line[1:], " | ")
			r := row{line: i}
			for _, m := range spanRE.FindAllStringSubmatch(first, -1) {
				r.names = append(r.names, m[1])
			}
			rows = append(rows, r)
		}
	}
	var wrong []string
	for _, pkg := range slices.Sorted(maps.Keys(all)) {
		n := 0
		for _, r := range rows {
			if r.has(pkg) {
				n++
			}
		}
		if n != 1 {
			wrong = append(wrong, fmt.Sprintf("%s has %d rows for the package %s, want 1", architectureFile, n, pkg))
		}
	}
	for _, r := range rows {
		for _, name := range r.names {
			if !slices.ContainsFunc(slices.Collect(maps.Keys(all)), func(pkg string) bool { return covers(name, pkg) }) {
				wrong = append(wrong, fmt.Sprintf("%s:%d: there is no package %s", architectureFile, r.line+1, name))
			}
		}
		cells := strings.Split(strings.TrimSuffix(lines[r.line], " |"), " | ")
		lines[r.line] = strings.Join(append(cells[:len(cells)-1], r.imports(rows, all)), " | ") + " |"
	}
	return strings.Join(lines, "\n"), wrong
}

// imports is the last column of a row.
func (r row) imports(rows []row, all map[string][]string) string {
	var names []string
	each := false
	for pkg, imports := range all {
		if !r.has(pkg) {
			continue
		}
		for _, imp := range imports {
			name := imp
			for _, other := range rows {
				for _, n := range other.names {
					if covers(n, imp) {
						name = n
					}
				}
			}
			if r.has(imp) {
				each = true
			} else if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	for i, name := range names {
		names[i] = "`" + name + "`"
	}
	if each {
		names = append(names, "each other")
	}
	if names == nil {
		return "nothing"
	}
	return strings.Join(names, ", ")
}

// In the picture every arrow points down or to the side: no package stands below
// one that it imports.
func TestPictureHasArrowsDown(t *testing.T) {
	text, err := os.ReadFile(architectureFile)
	if err != nil {
		t.Fatal(err)
	}
	line := boxes(string(text))
	if len(line) < 10 {
		t.Fatalf("the picture of %s has %d packages: was it read?", architectureFile, len(line))
	}
	all := imports(t)
	for _, pkg := range slices.Sorted(maps.Keys(line)) {
		imported, ok := all[pkg]
		if !ok {
			t.Errorf("the picture has a box for %s, which is no package", pkg)
		}
		for _, imp := range imported {
			if at, ok := line[imp]; ok && at < line[pkg] {
				t.Errorf("%s imports %s, whose box stands above: draw it below", pkg, imp)
			}
		}
	}
}

var boxRE = regexp.MustCompile(`\| +([a-z][a-z0-9/]+) +\|`)

// boxes are the packages of the picture, each with the line that it stands in.
func boxes(page string) map[string]int {
	_, picture, _ := strings.Cut(page, "## The picture\n")
	picture, _, _ = strings.Cut(picture, "\nThree rules")
	line := make(map[string]int)
	for i, text := range strings.Split(picture, "\n") {
		for from := 0; ; {
			m := boxRE.FindStringSubmatchIndex(text[from:])
			if m == nil {
				break
			}
			line[text[from+m[2]:from+m[3]]] = i
			from += m[1] - 1 // two boxes may share an edge
		}
	}
	return line
}
