package initramfs

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"timens-vmtest/vmtest/wire"
)

// suite is a test package in one build.
type suite struct {
	folder string // relative to Spec.Module
	arch   string // GOARCH
}

// suites are those that Spec.Tests names.
func (s Spec) suites() []suite {
	var all []suite
	for _, name := range s.Tests {
		t := suite{filepath.ToSlash(filepath.Clean(name)), native}
		if folder, ok := strings.CutSuffix(t.folder, wire.I386); ok {
			t = suite{folder, "386"}
		}
		all = append(all, t)
	}
	return all
}

// name is that of the package in the plan.
func (t suite) name() string {
	if t.arch == native {
		return filepath.Base(t.folder)
	}
	return filepath.Base(t.folder) + wire.I386
}

// program says where the test binary is, and where the guest wants it.
func (t suite) program(scratch string) program {
	guest := strings.TrimPrefix(wire.TestBinary(t.name()), "/")
	return program{filepath.Join(scratch, guest), guest}
}

// tests lists the tests by their sources, in the order of "-test.list": not
// every host runs 32-bit programs.
func (t suite) tests(module string) ([]wire.Test, error) {
	guest := build.Default
	guest.GOOS, guest.GOARCH, guest.CgoEnabled = "linux", t.arch, false
	dir := filepath.Join(module, filepath.FromSlash(t.folder))
	pkg, err := guest.ImportDir(dir, 0)
	if err != nil {
		return nil, fmt.Errorf("look for tests in %s: %w", dir, err)
	}
	var all []wire.Test
	for _, name := range slices.Concat(pkg.TestGoFiles, pkg.XTestGoFiles) {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, name), nil, parser.SkipObjectResolution|parser.ParseComments)
		if err != nil {
			return nil, err
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name != "TestMain" && testRE.MatchString(f.Name.Name) {
				all = append(all, wire.Test{TestID: wire.TestID{Package: t.name(), Name: f.Name.Name}, After: after(f.Doc)})
			}
		}
	}
	if all == nil {
		return nil, fmt.Errorf("%w: %s has no test", ErrEmptyPlan, t.folder)
	}
	return all, t.checkAfter(all)
}

// afterDirective in a test's comment says that it is for a later guest, and
// which test of the package leaves it files.
const afterDirective = "//vmtest:after "

func after(doc *ast.CommentGroup) string {
	if doc == nil {
		return ""
	}
	for _, line := range doc.List {
		if name, ok := strings.CutPrefix(line.Text, afterDirective); ok {
			return strings.TrimSpace(name)
		}
	}
	return ""
}

// checkAfter makes sure that who leaves files is there, and in the first guest.
func (t suite) checkAfter(all []wire.Test) error {
	for _, later := range all {
		if later.After != "" && !slices.ContainsFunc(all, func(first wire.Test) bool { return first.TestID == later.Before() && first.After == "" }) {
			return fmt.Errorf("%s: %s%s names no test of %s that the first guest runs", later, afterDirective, later.After, t.folder)
		}
	}
	return nil
}

// testRE is what go test takes for the name of a test.
var testRE = regexp.MustCompile(`^Test($|\P{Ll})`)
