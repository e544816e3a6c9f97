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
	for _, good := range []MakeVars{
		nil, {"LLVM=1"}, {"LLVM=-19", "W=1"}, {"LLVM=/opt/llvm/bin/"}, {"CC=ccache gcc -fno-foo"}, {"HOSTCC=/opt/gcc/bin/gcc"}, {"KCFLAGS=-O3 -Wl,x=y", "KAFLAGS=-g"}, {"V="},
	} {
		if err := good.Check(); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for bad, want := range map[string]string{
		"LLVM": "is not of the form VAR=VALUE", "=1": "not of the form", "-j4": "not of the form", "A B=1": "not of the form", "A=1\nB=2": "not of the form",
		"O=/tmp/x": "O cannot be set: the build folder is in the cache", "ARCH=arm64": "only x86_64 is built", "PAHOLE=pahole": "cannot be set",
		"KBUILD_ABS_SRCTREE=1": "kbuild sets its own variables", "KBUILD_BUILD_USER=me": "equal inputs make equal kernels", "SRCARCH=arm64": "only x86_64 is built",
		"srctree=/home/me": "the build folder is in the cache", "objtree=/home/me": "the build folder is in the cache", "VPATH=/home/me": "the build folder is in the cache",
		"CONFIG_SMP=n": "-config adds options", "KCONFIG_ALLCONFIG=x": "-config adds options",
		// Linux 6.12 takes each of these for 1, and 7.3 refuses them.
		"LLVM=0": `LLVM is 1, -VERSION such as -19, or a folder with "/" at its end; leave it out for gcc`, "LLVM=19": "LLVM is 1, -VERSION", "LLVM=": "LLVM is 1, -VERSION", "LLVM=y": "LLVM is 1, -VERSION",
		"LLVM=/opt/llvm": "LLVM is 1, -VERSION", "LLVM=llvm/bin/": "give the whole path", "CC=": "this names no program", "CC=-m64": "this names no program", "CC=ccache ./gcc": "give the whole path of ./gcc",
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
		{MakeVars{"LLVM=1"}, "clang ld.lld"},
		{MakeVars{"LLVM=-19"}, "clang-19 ld.lld-19"},
		{MakeVars{"LLVM=/opt/llvm/bin/"}, "/opt/llvm/bin/clang /opt/llvm/bin/ld.lld"},
		{MakeVars{"CC=ccache gcc-12"}, "gcc-12 ld ccache gcc"}, // gcc is HOSTCC
		{MakeVars{"CC=gcc-12", "HOSTCC=gcc-12"}, "gcc-12 ld"},
		{MakeVars{"CC=ccache gcc"}, "gcc ld ccache"},
		{MakeVars{"LLVM=1", "LD=ld.bfd"}, "clang ld.bfd"},
		{MakeVars{"CC=gcc -fno-foo"}, "gcc ld"},
		{MakeVars{"CC=clang --target=x86_64-linux-gnu", "HOSTCC=cc"}, "clang ld cc"},
		{MakeVars{"CC=CCACHE_DEBUG=1 ccache gcc -m64"}, "gcc ld ccache"},
		{MakeVars{"HOSTCC=gcc-11", "AR=gcc-ar -v", "NM=gcc-nm", "OBJCOPY=elfcopy"}, "gcc ld gcc-ar gcc-nm elfcopy gcc-11"},
		{MakeVars{"LLVM=1", "NM=nm", "KCFLAGS=-O3"}, "clang ld.lld nm"},
	} {
		got := slices.DeleteFunc(tc.vars.tools(), func(tool string) bool { return strings.Contains(tool, "llvm-") })
		if strings.Join(got, " ") != tc.want {
			t.Errorf("%q: got %q, want %s", tc.vars, got, tc.want)
		}
	}
	for tool, want := range map[string]string{
		"clang-19": "clang-19", "ld.lld-19": "lld-19", "llvm-nm-19": "llvm-19", "llvm-objcopy": "llvm", "objcopy": "binutils", "ccache": "ccache", "gcc-12": "gcc-12", "ld": "binutils",
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
	_, err = MakeVars{"CC=/nowhere/gcc", "LD=clang-99"}.Toolchain(t.Context())
	if want := "needs /nowhere/gcc, gcc, not installed here; type \"sudo apt-get install gcc\""; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
	if _, err := MakeVars(nil).Toolchain(t.Context()); err == nil || !strings.Contains(err.Error(), `gcc, ld is not installed; type "make deps"`) {
		t.Errorf("without gcc: %v", err)
	}
}

// What each named program says of itself is a part of the versions, also of one that runs on
// the host or comes after the compiler.
func TestToolchainVersions(t *testing.T) {
	bin := t.TempDir()
	for _, name := range []string{"gcc", "ld", "hostgcc", "mynm", "myar"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\necho "+name+" of mine\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+":/usr/bin:/bin")
	found, err := MakeVars{"HOSTCC=hostgcc", "AR=" + filepath.Join(bin, "myar"), "NM=mynm -C"}.Toolchain(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := "gcc of mine\nld of mine\nmyar of mine\nmynm of mine\nhostgcc of mine\n"; found.Versions != want {
		t.Errorf("got %q, want %q", found.Versions, want)
	}
	if want := filepath.Join(bin, "mynm"); !slices.Contains(found.Programs, want) || found.Ccache() {
		t.Errorf("the programs are %q, want %s among them, and no ccache (%t)", found.Programs, want, found.Ccache())
	}
}

// ccache is found behind the name of a compiler, as Debian has links to it in /usr/lib/ccache.
func TestToolchainCcache(t *testing.T) {
	bin := t.TempDir()
	ccache := filepath.Join(bin, "ccache")
	if err := os.WriteFile(ccache, []byte("#!/bin/sh\necho gcc\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("ccache", filepath.Join(bin, "mygcc")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	for value, want := range map[string]bool{"CC=ccache gcc": true, "CC=mygcc": true, "HOSTCC=mygcc": true, "CC=gcc": false} {
		found, err := MakeVars{value}.Toolchain(t.Context())
		if err != nil || found.Ccache() != want {
			t.Errorf("%s: ccache %t, %v, want %t", value, found.Ccache(), err, want)
		}
	}
}
