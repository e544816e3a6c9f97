package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "timens-vmtest/"

// Which of our packages each may import. Boot and judge meet only through the
// run folder, so neither vm nor verdict may know the other.
var mayImport = map[string][]string{
	"kconfig":                  {},
	"internal/ci":              {},
	"kernel":                   {"internal/ci", "kconfig", "vmtest/wire"},
	"initramfs":                {"internal/ci", "vmtest/wire"},
	"initramfs/uinit":          {"vmtest/wire"},
	"vmtest/wire":              {},
	"vmtest/vm":                {"vmtest/wire"},
	"vmtest/verdict":           {"vmtest/wire", "vmtest/verdict/recording"}, // recording: its tests
	"vmtest/verdict/recording": {"vmtest/verdict", "vmtest/wire"},
	"vmtest/report":            {"vmtest/verdict", "vmtest/wire"},
	"vmtest/bench":             {"vmtest/wire"},
	"vmtest/coverage":          {"kernel", "vmtest/verdict", "vmtest/wire"},
	"tests/canary":             {"vmtest/wire"},
	"tests/canary/redteam":     {"vmtest/verdict/recording"},
	"tests/mutants":            {"kernel"},
	"tests/timens":             {"tests/internal"},
	"tests/clone3":             {"tests/internal"},
	"tests/timens-offset":      {"tests/internal"},
	"tests/inline-ns":          {"tests/internal"},
	"tests/namespaces":         {"tests/internal"},
	"tests/internal":           {"tests/internal", "vmtest/wire"},
	"tests/kselftest":          {"tests/internal", "vmtest/wire"},
	"tests/layout":             {"tests/internal", "vmtest/wire"},
	"vmtest":                   {"internal/ci", "kconfig", "kernel", "initramfs", "tests/layout", "vmtest/wire", "vmtest/vm", "vmtest/verdict", "vmtest/report", "vmtest/coverage"},
}

// The one package that may import each outside module; x/sys is for all.
var importedBy = map[string][]string{
	"github.com/hugelgupf/vmtest":                {"vmtest/vm"},
	"github.com/u-root/u-root":                   {"initramfs", "vmtest"}, // vmtest: its tests' fake QEMU reads the archive
	"github.com/bluekeyes/go-gitdiff":            {"kernel"},
	"github.com/jstemmer/go-junit-report":        {"vmtest/report"},
	"github.com/schollz/progressbar":             {"vmtest"},
	"github.com/rogpeppe/go-internal/testscript": {"vmtest"},
	"github.com/rogpeppe/go-internal/lockedfile": {"kernel"},
	"golang.org/x/term":                          {"vmtest", "vmtest/vm"},
}

// A rule that allows what nobody imports fails too: it would guard nothing, and
// the next import of that kind would pass unseen.
func TestImportDirections(t *testing.T) {
	imports := importsOf(t)
	matched := make(map[[2]string]bool)
	for pkg, imported := range imports {
		allowed, ok := rule(pkg)
		if !ok {
			t.Errorf("package %s has no rule in mayImport", pkg)
			continue
		}
		matched[[2]string{ruleName(pkg)}] = true
		for _, imp := range imported {
			if own, ok := strings.CutPrefix(imp, module); ok {
				own = strings.TrimSuffix(own, "_test") // what a test's own main imports
				if own == pkg {
					continue
				}
				if !slices.Contains(allowed, ruleName(own)) {
					t.Errorf("%s imports %s, which its rule does not allow", pkg, own)
				}
				matched[[2]string{ruleName(pkg), ruleName(own)}] = true
				continue
			}
			for outside, by := range importedBy {
				if imp != outside && !strings.HasPrefix(imp, outside+"/") {
					continue
				}
				if !slices.Contains(by, pkg) {
					t.Errorf("%s imports %s, which only %v may", pkg, imp, by)
				}
				matched[[2]string{pkg, outside}] = true
			}
		}
	}
	for pkg, allowed := range mayImport {
		if !matched[[2]string{pkg}] {
			t.Errorf("mayImport has a rule for %s, and there is no such package", pkg)
		}
		for _, own := range allowed {
			if !matched[[2]string{pkg, own}] {
				t.Errorf("mayImport lets %s import %s, which it does not", pkg, own)
			}
		}
	}
	for outside, by := range importedBy {
		for _, pkg := range by {
			if !matched[[2]string{pkg, outside}] {
				t.Errorf("importedBy lets %s import %s, which it does not", pkg, outside)
			}
		}
	}
}

// importsOf lists what each of our packages imports, its tests too.
func importsOf(t *testing.T) map[string][]string {
	t.Helper()
	out, err := exec.Command("go", "list", "-test", "-f", "{{.ImportPath}} {{join .Imports \" \"}}", module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	imports := make(map[string][]string)
	for line := range strings.Lines(string(out)) {
		word := strings.Fields(line)
		pkg := strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(word[0], module), ".test"), "_test")
		all := imports[pkg]
		for _, imp := range word[1:] {
			if !strings.HasPrefix(imp, "[") { // "p [p.test]": p as its test sees it
				all = append(all, imp)
			}
		}
		imports[pkg] = all
	}
	return imports
}

func rule(pkg string) ([]string, bool) {
	allowed, ok := mayImport[ruleName(pkg)]
	return allowed, ok
}

// ruleName is the name under which mayImport has a package.
func ruleName(pkg string) string {
	if strings.HasPrefix(pkg, "tests/internal/") {
		return "tests/internal"
	}
	return pkg
}
