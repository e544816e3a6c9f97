// SPDX-License-Identifier: BSD-3-Clause

package initramfs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/u-root/u-root/pkg/cpio"

	"timens-vmtest/internal/ci"
	"timens-vmtest/internal/retest"
	"timens-vmtest/internal/wire"
)

func spec(t *testing.T, run string) Spec {
	retest.IfChanged(t, "..", "*.go", "go.mod")
	return Spec{
		Module: "..", Scratch: t.TempDir(), Tests: []string{"tests/timens", "tests/clone3", "tests/clone3/386"}, Design: "inline-ns",
		Run: regexp.MustCompile(run), Timeout: 3 * time.Second,
	}
}

// Two builds that share only the sources must be equal in every byte, and the
// archive must contain what the guest needs.
func TestBuildIsReproducible(t *testing.T) {
	a, err := Build(t.Context(), spec(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	b, err := Build(t.Context(), spec(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.CPIO, b.CPIO) {
		t.Error("two builds of the same sources differ")
	}
	archive, err := cpio.ArchiveFromReader(cpio.Newc.Reader(bytes.NewReader(a.CPIO)))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"init", "bin/init", "bin/uinit", "tests/timens.test", "tests/clone3.test", "tests/386/clone3.test", "dev/console", "etc/plan.json", "proc", "sys", "tmp"} {
		if _, ok := archive.Get(name); !ok {
			t.Errorf("the archive has no %s", name)
		}
	}
	r, _ := archive.Get("etc/plan.json")
	text := make([]byte, r.FileSize)
	if _, err := r.ReadAt(text, 0); err != nil {
		t.Fatal(err)
	}
	var p wire.Plan
	if err := json.Unmarshal(text, &p); err != nil || p.ID != a.Plan.ID || len(p.Tests) != len(a.Plan.Tests) {
		t.Errorf("the archive's plan is %s with %d tests, %v; want %s with %d", p.ID, len(p.Tests), err, a.Plan.ID, len(a.Plan.Tests))
	}
}

// A program that was damaged after it was built must not reach a guest.
func TestBuildRepairsDamagedProgram(t *testing.T) {
	s := spec(t, "")
	first, err := Build(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(s.Scratch, "bin", "init")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)/2] ^= 1
	if err := os.WriteFile(path, text, 0o755); err != nil {
		t.Fatal(err)
	}
	again, err := Build(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.CPIO, again.CPIO) {
		t.Error("a damaged program was packed")
	}
}

// Whatever a program may depend on must change the stamp.
func TestStamp(t *testing.T) {
	module := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(module, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	stamp := func(lists ...[]string) string {
		t.Helper()
		text, err := Spec{Module: module}.stamp(lists...)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	write("go.mod", "module x\n")
	write("tests/p/a.go", "package p\n")
	before := stamp([]string{"-a"})
	if stamp([]string{"-a"}) != before {
		t.Error("the stamp changed, but its inputs did not")
	}
	if stamp([]string{"-b"}) == before {
		t.Error("the stamp did not change with a flag")
	}
	for _, file := range []string{"go.mod", "go.sum", "tests/p/a.go", "tests/internal/q/b.s", "internal/wire/c.go", "initramfs/uinit/d.go"} {
		last := stamp([]string{"-a"})
		write(file, "changed\n")
		if stamp([]string{"-a"}) == last {
			t.Errorf("the stamp did not change with %s", file)
		}
	}
}

// Programs that were compiled while a source changed are compiled again, even if the source
// is as before by then.
func TestStampOfChangingSource(t *testing.T) {
	s := moduleOf(t, "func TestA(t *testing.T) {}\n")
	s.Scratch = t.TempDir()
	source := filepath.Join(s.Module, "tests", "p", "p_test.go")
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	compile := func(goTool string) bool {
		t.Helper()
		bin := t.TempDir()
		if err := os.WriteFile(filepath.Join(bin, "go"), []byte("#!/bin/sh\n"+goTool+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
		programs, err := s.compile(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(source, text, 0o644); err != nil {
			t.Fatal(err)
		}
		stored, err := os.ReadFile(s.stampFile())
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		return len(programs) > 0 && len(stored) > 0
	}
	if !compile("true") {
		t.Error("programs of a source that stays as it is are compiled again and again")
	}
	if compile("echo '// changed' >>" + source) {
		t.Error("programs of a source that changed meanwhile are taken for those of the source")
	}
}

// The tests found in the sources must be those of the binaries, in all
// packages.
func TestPlanHasTheTestsOfTheBinaries(t *testing.T) {
	s := spec(t, "")
	s.Tests = nil
	folders, err := filepath.Glob("../tests/*/main_test.go")
	if err != nil || len(folders) == 0 {
		t.Fatalf("no test packages: %v", err)
	}
	for _, file := range folders {
		folder := "tests/" + filepath.Base(filepath.Dir(file))
		s.Tests = append(s.Tests, folder, folder+wire.I386)
	}
	if _, err := Build(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	for _, suite := range s.suites() {
		t.Run(suite.name(), func(t *testing.T) {
			out, err := exec.Command(suite.program(s.Scratch).host, "-test.list", "^Test").Output()
			if errors.Is(err, syscall.ENOEXEC) {
				ci.Skip(t, "what the 32-bit binary lists", errors.New("this host runs no 32-bit programs; boot a kernel with CONFIG_IA32_EMULATION=y"))
			}
			if err != nil {
				t.Fatal(err)
			}
			all, err := suite.tests(s.Module)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, test := range all {
				got = append(got, test.Name)
			}
			if want := strings.Fields(string(out)); !slices.Equal(got, want) {
				t.Errorf("the sources have\n%v, the binary\n%v", got, want)
			}
		})
	}
}

// Binaries that the plan does not need are not packed: they would cost time at
// each boot.
func TestArchiveHoldsPlannedBinariesOnly(t *testing.T) {
	s := spec(t, `^clone3/386\.TestSizes$`)
	s.Files = func(_ context.Context, p wire.Plan) (map[string]string, error) {
		if len(p.Tests) != 1 {
			t.Errorf("further files are asked for with a plan of %d tests, want 1", len(p.Tests))
		}
		return map[string]string{"/further/one": "initramfs.go"}, nil
	}
	a, err := Build(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	archive, err := cpio.ArchiveFromReader(cpio.Newc.Reader(bytes.NewReader(a.CPIO)))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"tests/386/clone3.test": true, "tests/first": true, "further/one": true, "tests/clone3.test": false, "tests/timens.test": false} {
		if _, ok := archive.Get(name); ok != want {
			t.Errorf("the archive has %s: %v, want %v", name, ok, want)
		}
	}
	if len(a.Plan.Tests) != 1 || a.Plan.Tests[0].String() != "clone3/386.TestSizes" {
		t.Errorf("the plan is %v", a.Plan.Tests)
	}
}

func TestPlan(t *testing.T) {
	all, err := Build(t.Context(), spec(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	some, err := Build(t.Context(), spec(t, `^timens\.TestTimerfd(Absolute|Relative)$`))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, test := range some.Plan.Tests {
		names = append(names, test.String())
		if test.TimeoutS != 3 {
			t.Errorf("%s has a timeout of %v s, want 3", test, test.TimeoutS)
		}
	}
	slices.Sort(names)
	if want := []string{"timens.TestTimerfdAbsolute", "timens.TestTimerfdRelative"}; !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
	if got, want := len(some.Plan.Tests)+len(some.Plan.Filtered), len(all.Plan.Tests)+len(all.Plan.Filtered); got != want {
		t.Errorf("%d tests are planned or filtered, %d exist", got, want)
	}
	want := []string{"canary", "canary/386", "cost", "cost/386", "inline-ns", "inline-ns/386", "kselftest", "kselftest/386", "layout", "layout/386",
		"mutants", "mutants/386", "namespaces", "namespaces/386", "timens/386", "timens-offset", "timens-offset/386", "um", "um/386"}
	if !slices.Equal(all.Plan.LeftOut, want) {
		t.Errorf("left out %v, want %v", all.Plan.LeftOut, want)
	}
	if all.Plan.Design != "inline-ns" {
		t.Errorf("the design is %q, want inline-ns", all.Plan.Design)
	}
	if some.Plan.ID == all.Plan.ID {
		t.Error("two plans share an ID")
	}
}

func TestEmptyPlanIsAnError(t *testing.T) {
	if _, err := Build(t.Context(), spec(t, "^NoSuchTest$")); !errors.Is(err, ErrEmptyPlan) {
		t.Errorf("got %v, want %v", err, ErrEmptyPlan)
	}
}

func TestCompileErrorIsShown(t *testing.T) {
	module := t.TempDir()
	for _, dir := range []string{"initramfs", "internal/wire"} {
		if err := os.CopyFS(filepath.Join(module, dir), os.DirFS(filepath.Join("..", dir))); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join("..", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(module, name), text, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(module, "tests", "p"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(module, "tests", "p", "p_test.go"), []byte("package p\n\nfunc oops( {\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Build(t.Context(), Spec{Module: module, Scratch: t.TempDir(), Tests: []string{"tests/p"}})
	var compile *CompileError
	if !errors.As(err, &compile) || !strings.Contains(err.Error(), "p_test.go:3") {
		t.Errorf("got %v, want a CompileError that names the line", err)
	}
}

// The stamp covers every folder of this module that the guest's programs come from.
func TestStampCoversWhatIsLinked(t *testing.T) {
	retest.IfChanged(t, "..", "*.go", "go.mod")
	cmd := exec.Command("go", "list", "-deps", "-test", "-f", "{{if and .Module .Module.Main}}{{.Dir}}{{end}}", "./initramfs/...", "./tests/timens", "./tests/clone3", "./tests/kselftest")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for dir := range strings.Lines(string(out)) {
		rel, err := filepath.Rel(root, strings.TrimSpace(dir))
		if err != nil {
			t.Fatal(err)
		}
		seen++
		if top, _, _ := strings.Cut(rel, "/"); !slices.Contains(stamped, top) {
			t.Errorf("a guest's program has code of %s, which the stamp does not cover", rel)
		}
	}
	if seen < 5 {
		t.Errorf("only %d folders were looked at", seen)
	}
}
