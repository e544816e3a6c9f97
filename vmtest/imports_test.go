// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"timens-vmtest/internal/retest"
)

const module = "timens-vmtest/"

// mayImport says which of our packages each may import. A name that ends in a slash
// stands for all packages below it. Boot and judge meet only through the run's folder,
// so neither vm nor verdict may know the other.
var mayImport = map[string][]string{
	"internal/blame":   {},
	"internal/ci":      {},
	"internal/shell":   {},
	"internal/cache":   {},
	"internal/nearest": {},
	"internal/retest":  {},
	"internal/reasons": {},
	"internal/wire":    {},
	"internal/sandbox": {"internal/blame", "internal/cache"},
	"internal/store":   {"internal/cache"},
	"internal/host":    {"internal/cache", "internal/sandbox", "internal/store"},

	"internal/store/storetest": {},

	"internal/host/hosttest": {"internal/blame", "internal/cache", "internal/ci", "internal/host", "internal/sandbox"},

	"kconfig":           {"internal/nearest"},
	"kernel/patch":      {"internal/blame", "internal/sandbox"},
	"kernel/thread":     {"internal/blame", "internal/sandbox", "internal/shell", "kernel/patch"},
	"kernel/outgoing":   {"internal/blame", "internal/cache", "internal/sandbox", "kernel/patch", "kernel/series", "kernel/source"},
	"kernel/series":     {"internal/blame", "internal/cache", "internal/host", "internal/nearest", "internal/sandbox", "internal/shell", "internal/wire", "kernel/patch", "kernel/source", "kernel/thread"},
	"kernel/source":     {"internal/blame", "internal/cache", "internal/host", "internal/sandbox", "internal/shell"},
	"kernel/kbuild":     {"internal/blame", "internal/host", "internal/sandbox"},
	"kernel/work":       {"internal/cache", "internal/host", "internal/sandbox", "kconfig", "kernel/cpp", "kernel/source"},
	"kernel/cpp":        {},
	"kernel":            {"internal/blame", "internal/cache", "internal/host", "internal/sandbox", "internal/store", "internal/wire", "kconfig", "kernel/kbuild", "kernel/patch", "kernel/series", "kernel/source", "kernel/symbols", "kernel/work"},
	"kernel/debuginfo":  {"internal/blame", "internal/cache", "internal/host", "internal/nearest", "internal/sandbox", "internal/store", "internal/wire", "kernel", "kernel/kbuild"},
	"kernel/selftests":  {"internal/blame", "internal/cache", "internal/host", "internal/sandbox", "kernel", "kernel/kbuild"},
	"kernel/symbols":    {},
	"kernel/kerneltest": {"internal/host", "internal/host/hosttest", "kernel", "kernel/patch", "kernel/series", "kernel/source"},

	"initramfs":       {"internal/wire"},
	"initramfs/uinit": {"internal/wire"},
	"initramfs/sh":    {},

	"vmtest/vm":         {"internal/wire"},
	"vmtest/worker":     {"internal/host"},
	"vmtest/verdict":    {"internal/reasons", "internal/wire"},
	"vmtest/several":    {"internal/wire", "vmtest/verdict"},
	"vmtest/history":    {"vmtest/page/look", "vmtest/verdict"},
	"vmtest/culprit":    {"internal/host", "internal/sandbox", "vmtest/history"},
	"vmtest/cells":      {"internal/blame", "internal/cache", "internal/shell"},
	"vmtest/slurm":      {"internal/blame", "internal/cache", "internal/shell", "vmtest/cells"},
	"vmtest/kubernetes": {"internal/blame", "internal/cache", "internal/shell", "vmtest/cells"},
	"vmtest/nightly": {"internal/blame", "internal/cache", "internal/host", "internal/reasons", "internal/sandbox", "internal/shell", "kconfig", "kernel/kbuild", "kernel/patch", "kernel/source",
		"vmtest/cells", "vmtest/culprit", "vmtest/history", "vmtest/page", "vmtest/report", "vmtest/run", "vmtest/verdict", "vmtest/vm", "vmtest/worker"},
	"vmtest/page":              {"internal/shell", "internal/wire", "vmtest/history", "vmtest/page/look"},
	"vmtest/page/look":         {},
	"vmtest/page/pagetest":     {"vmtest/page/look"},
	"vmtest/verdict/recording": {"internal/wire", "vmtest/verdict"},
	"vmtest/report":            {"internal/shell", "internal/wire", "vmtest/page/look", "vmtest/several", "vmtest/verdict"},
	"vmtest/order":             {"internal/wire"},
	"vmtest/coverage":          {"internal/cache", "internal/host", "internal/sandbox", "internal/wire", "kernel", "kernel/cpp", "kernel/patch", "vmtest/verdict"},
	"vmtest/run": {"initramfs", "internal/blame", "internal/cache", "internal/host", "internal/nearest", "internal/shell", "internal/wire", "kconfig", "kernel", "kernel/debuginfo", "kernel/kbuild", "kernel/series",
		"kernel/selftests", "kernel/source", "kernel/symbols", "tests/layout", "vmtest/coverage", "vmtest/order", "vmtest/report", "vmtest/verdict", "vmtest/vm"},
	"vmtest/check": {"initramfs", "internal/blame", "internal/cache", "internal/host", "internal/reasons", "internal/sandbox", "internal/wire", "kconfig",
		"kernel", "kernel/kbuild", "kernel/outgoing", "kernel/patch", "kernel/series", "kernel/source", "vmtest/run", "vmtest/several", "vmtest/verdict", "vmtest/vm", "vmtest/worker"},
	"vmtest/flags": {"internal/blame", "internal/cache", "internal/host", "internal/nearest", "internal/sandbox", "internal/shell", "internal/store", "internal/wire", "kconfig", "kernel", "kernel/kbuild", "kernel/patch", "kernel/series", "kernel/source", "kernel/thread",
		"vmtest/run", "vmtest/verdict", "vmtest/vm"},
	"vmtest": {"internal/blame", "internal/cache", "internal/host", "internal/nearest", "internal/sandbox", "internal/shell", "internal/store", "internal/wire", "kconfig", "kernel", "kernel/kbuild", "kernel/outgoing", "kernel/patch", "kernel/series", "kernel/source", "kernel/thread",
		"vmtest/cells", "vmtest/check", "vmtest/flags", "vmtest/history", "vmtest/kubernetes", "vmtest/nightly", "vmtest/progress", "vmtest/report", "vmtest/run", "vmtest/several", "vmtest/slurm", "vmtest/verdict", "vmtest/vm", "vmtest/worker"},
	"vmtest/progress": {},
	"vmtest/bench":    {},
	"vmtest/scale":    {},

	"docs/docstest":          {},
	"tests/internal/":        {"internal/wire", "tests/internal/"},
	"tests/layout":           {"internal/wire", "tests/internal/"},
	"tests/mutants":          {"internal/blame", "internal/cache", "internal/host", "internal/host/hosttest", "internal/sandbox", "kconfig", "kernel", "kernel/patch", "kernel/series", "kernel/source", "kernel/symbols", "tests/mutants/generate", "vmtest/order", "vmtest/run", "vmtest/vm", "vmtest/worker", "internal/wire"},
	"tests/mutants/generate": {},
	"tests/mutants/harness":  {"internal/reasons"},
	"tests/canary/redteam":   {},
}

// testsMayImport is what the tests of a package may import beside that. The packages
// that run in the guest have tests alone.
var testsMayImport = map[string][]string{
	"initramfs":            {"internal/ci", "internal/retest"},
	"internal/sandbox":     {"internal/ci"},
	"internal/store":       {"internal/store/storetest"},
	"kernel/patch":         {"internal/host/hosttest"},
	"kernel/thread":        {"internal/host/hosttest"},
	"kernel/series":        {"internal/host/hosttest"},
	"kernel/source":        {"internal/host/hosttest"},
	"kernel":               {"internal/host/hosttest"},
	"kernel/kbuild":        {"internal/host/hosttest"},
	"kernel/debuginfo":     {"internal/host/hosttest", "kernel/kerneltest", "kernel/patch"},
	"kernel/selftests":     {"internal/host/hosttest", "kernel/kerneltest", "kernel/patch"},
	"vmtest/verdict":       {"vmtest/verdict/recording"},
	"vmtest/several":       {"vmtest/verdict/recording"},
	"vmtest/history":       {"internal/wire"},
	"vmtest/culprit":       {"internal/host/hosttest"},
	"vmtest/nightly":       {"internal/host/hosttest", "internal/wire"},
	"vmtest/page":          {"vmtest/page/pagetest"},
	"vmtest/report":        {"vmtest/page/pagetest"},
	"vmtest/coverage":      {"internal/host/hosttest"},
	"vmtest/flags":         {"internal/host/hosttest"},
	"vmtest/run":           {"internal/host/hosttest"},
	"vmtest/check":         {"internal/ci", "internal/host/hosttest", "kernel/debuginfo", "kernel/kerneltest"},
	"vmtest/bench":         {"internal/wire", "kernel", "kernel/source"},
	"tests/canary":         {"internal/wire"},
	"docs":                 {"docs/docstest", "internal/retest", "vmtest/scale", "vmtest/verdict"},
	"tests/internal/":      {"docs/docstest"},
	"tests/canary/redteam": {"docs/docstest", "internal/retest", "vmtest/verdict/recording"},
	"tests/timens":         {"tests/internal/"},
	"tests/clone3":         {"tests/internal/"},
	"tests/cost":           {"tests/internal/"},
	"tests/timens-offset":  {"tests/internal/"},
	"tests/inline-ns":      {"tests/internal/"},
	"tests/namespaces":     {"tests/internal/"},
	"tests/kselftest":      {"internal/wire", "tests/internal/"},
	"tests/kselftest/rows": {"internal/cache", "internal/host", "internal/host/hosttest", "internal/wire", "kernel", "kernel/selftests", "kernel/series", "kernel/source", "tests/internal/"},
	"tests/um":             {"internal/host/hosttest", "internal/sandbox", "kconfig", "kernel/kbuild"},
	"vmtest":               {"initramfs/uinit", "internal/ci", "internal/host/hosttest", "internal/retest", "internal/store/storetest"},

	"tests/mutants/generate": {"internal/retest"},
}

// importedBy says which package alone may import each outside module. x/sys is for all.
var importedBy = map[string][]string{
	"github.com/hugelgupf/vmtest":                {"vmtest/vm"},
	"github.com/u-root/u-root":                   {"initramfs", "vmtest"}, // vmtest: its tests' fake QEMU reads the archive
	"github.com/bluekeyes/go-gitdiff":            {"kernel/patch"},
	"github.com/dustin/go-humanize":              {"internal/sandbox", "vmtest"},
	"github.com/jstemmer/go-junit-report":        {"vmtest/report"},
	"github.com/schollz/progressbar":             {"vmtest/progress"},
	"github.com/rogpeppe/go-internal/testscript": {"vmtest"},
	"github.com/rogpeppe/go-internal/lockedfile": {"internal/cache"},
	"github.com/yuin/goldmark":                   {"docs"},
	"github.com/aclements/go-moremath":           {"vmtest/history"},
	"github.com/smacker/go-tree-sitter":          {"tests/mutants/generate"},
	"github.com/BurntSushi/toml":                 {"vmtest"},
	"go.yaml.in/yaml":                            {"vmtest/kubernetes"},
	"github.com/santhosh-tekuri/jsonschema":      {"vmtest/kubernetes"},
	"github.com/klauspost/compress":              {"internal/store"},
	"google.golang.org/protobuf":                 {"internal/store", "internal/store/storetest"}, // the latter knows the message types
	"golang.org/x/net/html":                      {"vmtest/page/pagetest"},
	"golang.org/x/term":                          {"vmtest/progress", "vmtest/vm"},
	"mvdan.cc/sh":                                {"initramfs/sh"},
	"github.com/peterh/liner":                    {"initramfs/sh"},
	"github.com/elastic/go-seccomp-bpf":          {"internal/sandbox"},
	"golang.org/x/net/bpf":                       {"internal/sandbox"},
	"github.com/creack/pty":                      {"initramfs/uinit", "initramfs/sh", "vmtest"}, // the last two: their tests have terminals
	"github.com/Netflix/go-expect":               {"initramfs/sh", "vmtest"},                    // their tests type at terminals
}

// listed is a package as "go list -json" prints it.
type listed struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

func listPackages(t *testing.T) []listed {
	t.Helper()
	retest.IfChanged(t, "..", "*.go", "go.mod")
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var p listed
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		p.ImportPath = strings.TrimPrefix(p.ImportPath, module)
		all = append(all, p)
	}
	if len(all) < 20 {
		t.Fatalf("only %d packages were looked at", len(all))
	}
	return all
}

// Every import has a rule, and every rule an import: the rules are the drawing of the
// project's arrows, and one that matches nothing is an arrow that is not there.
func TestImportDirections(t *testing.T) {
	used := make(map[string]bool)
	for _, p := range listPackages(t) {
		allowed, ok := rule(mayImport, p.ImportPath)
		inTests, okTests := rule(testsMayImport, p.ImportPath)
		if !ok && !okTests {
			t.Errorf("package %s has no rule", p.ImportPath)
			continue
		}
		used[p.ImportPath] = true
		holdTo(t, used, p.ImportPath, p.Imports, allowed)
		holdTo(t, used, p.ImportPath, slices.Concat(p.TestImports, p.XTestImports), slices.Concat(allowed, inTests))
	}
	for _, rules := range []map[string][]string{mayImport, testsMayImport} {
		for pkg, allowed := range rules {
			if !strings.HasSuffix(pkg, "/") && !used[pkg] {
				t.Errorf("there is a rule for %s, which is no package", pkg)
			}
			for _, to := range allowed {
				if !used[pkg+" -> "+to] && !strings.HasSuffix(pkg, "/") {
					t.Errorf("%s may import %s, and does not: take the rule out", pkg, to)
				}
			}
		}
	}
	for outside, by := range importedBy {
		for _, pkg := range by {
			if !used[pkg+" -> "+outside] {
				t.Errorf("%s may import %s, and does not: take the rule out", pkg, outside)
			}
		}
	}
}

// holdTo complains of imports that are not allowed, and notes the rules that are used.
func holdTo(t *testing.T, used map[string]bool, pkg string, imports, allowed []string) {
	t.Helper()
	for _, imp := range imports {
		if own, ok := strings.CutPrefix(imp, module); ok {
			i := slices.IndexFunc(allowed, func(a string) bool { return own == a || strings.HasSuffix(a, "/") && strings.HasPrefix(own, a) })
			if i >= 0 {
				used[pkg+" -> "+allowed[i]] = true
			} else if own != pkg {
				t.Errorf("%s imports %s, which its rule does not allow", pkg, own)
			}
			continue
		}
		for outside, by := range importedBy {
			if strings.HasPrefix(imp, outside) {
				used[pkg+" -> "+outside] = true
				if !slices.Contains(by, pkg) {
					t.Errorf("%s imports %s, which only %v may", pkg, imp, by)
				}
			}
		}
	}
}

// rule is that of a package, or of the folder that it is in.
func rule(rules map[string][]string, pkg string) ([]string, bool) {
	if strings.HasPrefix(pkg, "tests/internal/") {
		pkg = "tests/internal/"
	}
	allowed, ok := rules[pkg]
	return allowed, ok
}
