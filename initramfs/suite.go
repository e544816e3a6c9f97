// SPDX-License-Identifier: BSD-3-Clause

package initramfs

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"timens-vmtest/internal/wire"
)

// suite is a test package built for one architecture.
type suite struct {
	spec   string // element of Spec.Tests
	folder string // relative to Spec.Module
	arch   string // GOARCH
}

// suites returns the suites that Spec.Tests names.
func (s Spec) suites() []suite {
	var all []suite
	for _, name := range s.Tests {
		t := suite{name, filepath.ToSlash(filepath.Clean(name)), native}
		if folder, ok := strings.CutSuffix(t.folder, wire.I386); ok {
			t = suite{name, folder, "386"}
		}
		all = append(all, t)
	}
	return all
}

// name returns the package's name in the plan.
func (t suite) name() string {
	if t.arch == native {
		return filepath.Base(t.folder)
	}
	return filepath.Base(t.folder) + wire.I386
}

// program returns where the test binary is, and its place in the guest.
func (t suite) program(scratch string) program {
	guest := strings.TrimPrefix(wire.TestBinary(t.name()), "/")
	return program{filepath.Join(scratch, guest), guest}
}

// tests lists the tests from their sources, in the order of "-test.list". It
// does not run the binary, because not every host runs 32-bit programs.
func (t suite) tests(module string) ([]declared, error) {
	guest := build.Default
	guest.GOOS, guest.GOARCH, guest.CgoEnabled = "linux", t.arch, false
	dir := filepath.Join(module, filepath.FromSlash(t.folder))
	pkg, err := guest.ImportDir(dir, 0)
	if err != nil {
		return nil, fmt.Errorf("look for tests in %s: %w", dir, err)
	}
	var all []declared
	for _, name := range slices.Concat(pkg.TestGoFiles, pkg.XTestGoFiles) {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		mode := parser.SkipObjectResolution
		if bytes.Contains(text, []byte(directives)) {
			mode |= parser.ParseComments // only if needed: parsing them takes time
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, name), text, mode)
		if err != nil {
			return nil, err
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name != "TestMain" && testRE.MatchString(f.Name.Name) {
				all = append(all, declared{
					Test:   wire.Test{TestID: wire.TestID{Package: t.name(), Name: f.Name.Name}, After: directive(f.Doc, "after"), Quiet: directive(f.Doc, "quiet")},
					config: directive(f.Doc, "config"),
				})
			}
		}
	}
	if all == nil {
		return nil, fmt.Errorf("%w: %s has no test", ErrEmptyPlan, t.folder)
	}
	return all, errors.Join(t.checkAfter(all), checkQuiet(all))
}

// declared is a test found in the sources.
type declared struct {
	wire.Test
	config string // line of the kernel's .config that it needs; empty: none
}

// directives begin with this.
const directives = "//vmtest:"

// directive returns the value of a line "//vmtest:NAME value" in a test's
// comment. "after" names the test of the same package that leaves files for
// this one, which runs in a later guest. "quiet" names the lane in which no other
// guest of the lane may run beside the test. "config" is a line of the kernel's .config that
// the test needs.
func directive(doc *ast.CommentGroup, name string) string {
	if doc == nil {
		return ""
	}
	for _, line := range doc.List {
		if value, ok := strings.CutPrefix(line.Text, directives+name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// checkAfter checks that each test that must leave files exists and runs in the
// first guest.
func (t suite) checkAfter(all []declared) error {
	for _, later := range all {
		if later.After != "" && !slices.ContainsFunc(all, func(first declared) bool { return first.TestID == later.Before() && first.After == "" }) {
			return fmt.Errorf("%s needs files of %s, which is no test of %s that the first guest runs", later, later.After, t.folder)
		}
	}
	return nil
}

// checkQuiet checks that each test that needs a quiet host names the lane real. In the lane
// virtual a busy host makes no test late.
func checkQuiet(all []declared) error {
	for _, t := range all {
		if t.Quiet != "" && t.Quiet != wire.Real {
			return fmt.Errorf("%s needs a quiet host in the lane %q; only the lane %s can be disturbed", t, t.Quiet, wire.Real)
		}
	}
	return nil
}

// testRE matches the names that go test takes for tests.
var testRE = regexp.MustCompile(`^Test($|\P{Ll})`)
