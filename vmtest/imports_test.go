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
	"kernel":                   {"kconfig", "vmtest/wire"},
	"initramfs":                {"vmtest/wire"},
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
	"vmtest":                   {"kconfig", "kernel", "initramfs", "tests/layout", "vmtest/wire", "vmtest/vm", "vmtest/verdict", "vmtest/report", "vmtest/coverage"},
}

// The one package that may import each outside module; x/sys is for all.
var importedBy = map[string][]string{
	"github.com/hugelgupf/vmtest":            {"vmtest/vm"},
	"github.com/u-root/u-root":               {"initramfs", "vmtest"}, // vmtest: its tests' fake QEMU reads the archive
	"github.com/bluekeyes/go-gitdiff":        {"kernel"},
	"github.com/jstemmer/go-junit-report":    {"vmtest/report"},
	"github.com/schollz/progressbar":         {"vmtest"},
	"github.com/rogpeppe/go-internal/script": {"vmtest"},
	"golang.org/x/term":                      {"vmtest", "vmtest/vm"},
}

func TestImportDirections(t *testing.T) {
	out, err := exec.Command("go", "list", "-test", "-f", "{{.ImportPath}} {{join .Imports \" \"}}", module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for line := range strings.Lines(string(out)) {
		word := strings.Fields(line)
		pkg, _, _ := strings.Cut(word[0], " ")
		pkg = strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(pkg, module), ".test"), "_test")
		allowed, ok := rule(pkg)
		if !ok {
			t.Errorf("package %s has no rule in mayImport", pkg)
			continue
		}
		seen++
		for _, imp := range word[1:] {
			if own, ok := strings.CutPrefix(imp, module); ok {
				own = strings.TrimSuffix(own, "_test") // what a test's own main imports
				if own != pkg && !slices.ContainsFunc(allowed, func(a string) bool { return own == a || strings.HasPrefix(own, a+"/") && a == "tests/internal" }) {
					t.Errorf("%s imports %s, which its rule does not allow", pkg, own)
				}
				continue
			}
			for outside, by := range importedBy {
				if strings.HasPrefix(imp, outside) && !slices.Contains(by, pkg) {
					t.Errorf("%s imports %s, which only %v may", pkg, imp, by)
				}
			}
		}
	}
	if seen < 10 {
		t.Fatalf("only %d packages were looked at", seen)
	}
}

func rule(pkg string) ([]string, bool) {
	if strings.HasPrefix(pkg, "tests/internal/") {
		pkg = "tests/internal"
	}
	allowed, ok := mayImport[pkg]
	return allowed, ok
}
