// SPDX-License-Identifier: BSD-3-Clause

package initramfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/u-root/u-root/pkg/cpio"

	"timens-vmtest/internal/wire"
)

// moduleOf returns a module with one package of tests, tests/p, that has this
// text.
func moduleOf(t *testing.T, text string) Spec {
	t.Helper()
	s := Spec{Module: t.TempDir(), Tests: []string{"tests/p", "tests/p/386"}}
	dir := filepath.Join(s.Module, "tests", "p")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "p_test.go"), []byte("package p\n"+text), 0o644); err != nil {
		t.Fatal(err)
	}
	return s
}

// Tests for a later guest come after all others. Selecting one also selects the
// test that leaves it files.
func TestPlanForLaterGuest(t *testing.T) {
	s := moduleOf(t, `
// Finds.
//
//vmtest:after TestLeaves
func TestFinds(t *testing.T) {}

func TestOther(t *testing.T) {}
func TestLeaves(t *testing.T) {}
`)
	for run, want := range map[string]string{
		"":              "p.TestOther p.TestLeaves p/386.TestOther p/386.TestLeaves p.TestFinds<p.TestLeaves p/386.TestFinds<p/386.TestLeaves",
		"TestFinds":     "p.TestLeaves p/386.TestLeaves p.TestFinds<p.TestLeaves p/386.TestFinds<p/386.TestLeaves",
		`^p\.TestFinds`: "p.TestLeaves p.TestFinds<p.TestLeaves",
		"TestLeaves":    "p.TestLeaves p/386.TestLeaves",
		"TestOther":     "p.TestOther p/386.TestOther",
	} {
		s.Run = regexp.MustCompile(run)
		p, err := s.Plan()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, test := range p.Tests {
			name := test.String()
			if test.After != "" {
				name += "<" + test.Before().String()
			}
			got = append(got, name)
		}
		if got := strings.Join(got, " "); got != want {
			t.Errorf("-run %q: planned %s, want %s", run, got, want)
		}
		if len(p.Tests)+len(p.Filtered) != 6 {
			t.Errorf("-run %q: %d planned and %d left out, want 6", run, len(p.Tests), len(p.Filtered))
		}
	}
}

// A test that Without names is left out even if -run selects it, unless another
// test needs the files that it leaves.
func TestPlanWithout(t *testing.T) {
	s := moduleOf(t, "//vmtest:after TestLeaves\nfunc TestFinds(t *testing.T) {}\n\nfunc TestOther(t *testing.T) {}\nfunc TestLeaves(t *testing.T) {}\n")
	for without, want := range map[string]int{"": 6, "TestOther": 4, "TestFinds": 4, "TestLeaves": 6, "p.TestOther": 5} {
		s.Without = func(id wire.TestID) bool { return id.Name == without || id.String() == without }
		p, err := s.Plan()
		if err != nil || len(p.Tests) != want || len(p.Tests)+len(p.Filtered) != 6 {
			t.Errorf("without %q: planned %v and left out %v, %v; want %d planned", without, p.Tests, p.Filtered, err, want)
		}
	}
}

// A test for another kernel configuration is not planned, but an expectation
// may name it.
func TestPlanForConfig(t *testing.T) {
	s := moduleOf(t, `
//vmtest:config CONFIG_ODD=y
func TestOdd(t *testing.T) {}

func TestAny(t *testing.T) {}
`)
	for config, want := range map[string]int{"CONFIG_ODD=y": 4, "CONFIG_ODD=m": 2, "": 2} {
		s.Config = []string{"CONFIG_EVEN=y", config}
		p, err := s.Plan()
		if err != nil || len(p.Tests) != want || len(p.Filtered) != 4-want {
			t.Errorf("with %q: planned %v, left out %v, %v; want %d", config, p.Tests, p.Filtered, err, want)
		}
	}
	s.Config, s.Run = nil, regexp.MustCompile("TestOdd")
	if p, err := s.Plan(); !errors.Is(err, ErrEmptyPlan) || !strings.Contains(err.Error(), "p.TestOdd is for kernels with CONFIG_ODD=y") {
		t.Errorf("planned %v, %v", p.Tests, err)
	}
}

// A test says that no other guest of the lane real may run beside it.
func TestPlanQuiet(t *testing.T) {
	p, err := moduleOf(t, "//vmtest:quiet real\nfunc TestA(t *testing.T) {}\n\nfunc TestB(t *testing.T) {}\n").Plan()
	if err != nil || p.Tests[0].Quiet != wire.Real || p.Tests[1].Quiet != "" {
		t.Errorf("planned %+v, %v; want the first quiet in the lane real", p.Tests, err)
	}
	for _, lane := range []string{"virtual", "reel"} {
		p, err := moduleOf(t, "//vmtest:quiet "+lane+"\nfunc TestA(t *testing.T) {}\n").Plan()
		if want := "p.TestA needs a quiet host in the lane \"" + lane + "\"; only the lane real can be disturbed"; err == nil || err.Error() != want {
			t.Errorf("quiet %s: planned %+v, %v; want %s", lane, p.Tests, err, want)
		}
	}
}

func TestPlanRefusesAfter(t *testing.T) {
	for name, text := range map[string]string{
		"nobody":  "//vmtest:after TestNone\nfunc TestFinds(t *testing.T) {}\n",
		"itself":  "//vmtest:after TestFinds\nfunc TestFinds(t *testing.T) {}\n",
		"a later": "//vmtest:after TestB\nfunc TestC(t *testing.T) {}\n\n//vmtest:after TestA\nfunc TestB(t *testing.T) {}\n\nfunc TestA(t *testing.T) {}\n",
	} {
		if p, err := moduleOf(t, text).Plan(); err == nil || !strings.Contains(err.Error(), "which is no test of tests/p that the first guest runs") {
			t.Errorf("after %s: planned %v, %v", name, p.Tests, err)
		}
	}
}

// The archive for a later guest is the first archive with files appended.
func TestArchiveWith(t *testing.T) {
	first, err := encode([]cpio.Record{cpio.Directory("tmp", 0o755), cpio.StaticFile("etc/odd", "odd", 0o644)})
	if err != nil {
		t.Fatal(err)
	}
	for _, files := range []wire.Carried{{}, {"p/386/TestA/image": []byte("12345"), "p/TestA/empty": nil}} {
		text, err := Archive{CPIO: first}.With(files)
		if err != nil {
			t.Fatal(err)
		}
		a, err := cpio.ArchiveFromReader(cpio.Newc.Reader(bytes.NewReader(text)))
		if err != nil {
			t.Fatal(err)
		}
		has := make(wire.Carried)
		for _, name := range a.Order {
			r := a.Files[name]
			if file, ok := strings.CutPrefix("/"+name, wire.CarriedDir+"/"); ok && r.Mode&cpio.S_IFMT == cpio.S_IFREG {
				if has[file], err = io.ReadAll(io.NewSectionReader(r, 0, int64(r.FileSize))); err != nil {
					t.Fatal(err)
				}
			}
		}
		if has.Digest() != files.Digest() || !slices.Contains(a.Order, "etc/odd") || len(text)%4 != 0 {
			t.Errorf("%d bytes with %v hold %v of them", len(text), fmt.Sprint(a.Order), has)
		}
	}
}
