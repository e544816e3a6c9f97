// SPDX-License-Identifier: BSD-3-Clause

package kbuild

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"timens-vmtest/internal/blame"
)

func TestMakeVarsCheck(t *testing.T) {
	for _, good := range []MakeVars{nil, {"LLVM=1"}, {"LLVM=-19", "W=1"}, {"CC=ccache gcc"}, {"KCFLAGS=-O3 -Wl,x=y", "KAFLAGS=-g"}, {"V="}} {
		if err := good.Check(); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for bad, want := range map[string]string{
		"LLVM": "is not of the form VAR=VALUE", "=1": "not of the form", "-j4": "not of the form", "A B=1": "not of the form", "A=1\nB=2": "not of the form",
		"O=/tmp/x": "O is set by vmtest: the build folder is in the cache", "ARCH=arm64": "only x86_64 is built", "PAHOLE=pahole": "is set by vmtest",
	} {
		if err := (MakeVars{bad}).Check(); blame.Of(err) != blame.User || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", bad, err, want)
		}
	}
	if err := (MakeVars{"W=1", "W=2"}).Check(); err == nil || !strings.Contains(err.Error(), "W is given twice") {
		t.Errorf("got %v", err)
	}
}

func TestMakeVarsTools(t *testing.T) {
	for _, tc := range []struct {
		vars MakeVars
		want string // the first two tools, and the others if they are no LLVM tools
	}{
		{nil, "gcc ld"},
		{MakeVars{"W=1"}, "gcc ld"},
		{MakeVars{"LLVM=0"}, "gcc ld"},
		{MakeVars{"LLVM=1"}, "clang ld.lld"},
		{MakeVars{"LLVM=-19"}, "clang-19 ld.lld-19"},
		{MakeVars{"LLVM=/opt/llvm/bin/"}, "/opt/llvm/bin/clang /opt/llvm/bin/ld.lld"},
		{MakeVars{"CC=ccache gcc-12"}, "gcc-12 ld ccache"},
		{MakeVars{"LLVM=1", "LD=ld.bfd"}, "clang ld.bfd"},
	} {
		got := slices.DeleteFunc(tc.vars.tools(), func(tool string) bool { return strings.Contains(tool, "llvm-") })
		if strings.Join(got, " ") != tc.want {
			t.Errorf("%q: got %q, want %s", tc.vars, got, tc.want)
		}
	}
	for tool, want := range map[string]string{
		"clang-19": "clang-19", "ld.lld-19": "lld-19", "llvm-nm-19": "llvm-19", "llvm-objcopy": "llvm", "/opt/x/bin/clang": "clang", "ccache": "ccache", "gcc-12": "gcc-12", "ld": "binutils",
	} {
		if got := packageOf(tool); got != want {
			t.Errorf("the package of %s: got %s, want %s", tool, got, want)
		}
	}
}

// Each tool that is missing is named, with the packages to install.
func TestToolchainMissing(t *testing.T) {
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "clang-99"), []byte("#!/bin/sh\necho clang 99\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	_, err := MakeVars{"LLVM=-99"}.Toolchain(t.Context())
	for _, want := range []string{"-make LLVM=-99 needs ld.lld-99, llvm-ar-99, ", `type "sudo apt-get install lld-99 llvm-99"`} {
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "clang-99") {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if _, err := MakeVars(nil).Toolchain(t.Context()); err == nil || !strings.Contains(err.Error(), `gcc, ld is not installed; type "make deps"`) {
		t.Errorf("without gcc: %v", err)
	}
}
