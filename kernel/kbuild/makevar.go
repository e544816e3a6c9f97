// SPDX-License-Identifier: BSD-3-Clause

// Package kbuild knows what the kernel's make is told, and what it says. It turns the
// variables of the user into arguments of make, and reads errors, warnings and progress
// from the output of make. Package kernel runs make.
package kbuild

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/sandbox"
)

// MakeVars are variables of make, each in the form VAR=VALUE, as a user adds them to the
// command line of make: LLVM=-19, CC='ccache gcc', KCFLAGS=-O3, W=1. The zero value adds
// none, and the kernel is built by gcc and ld.
type MakeVars []string

var makeVar = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_]*)=(.*)$`)

// ownVars are variables that vmtest sets, with the flag or the rule that decides
// them.
var ownVars = map[string]string{
	"O": "the build folder is in the cache", "KBUILD_OUTPUT": "the build folder is in the cache",
	"ARCH": "only x86_64 is built", "SUBARCH": "only x86_64 is built", "CROSS_COMPILE": "only x86_64 is built, by native tools; LLVM=-VERSION and CC= choose others",
	"KCONFIG_CONFIG": "-config adds options", "KBUILD_BUILD_TIMESTAMP": "equal inputs make equal kernels", "KBUILD_BUILD_USER": "equal inputs make equal kernels",
	"KBUILD_BUILD_HOST": "equal inputs make equal kernels", "KBUILD_BUILD_VERSION": "equal inputs make equal kernels",
	"RUSTC": "no object is built with it", "BINDGEN": "no object is built with it", "PAHOLE": "no object is built with it",
	"MAKEFLAGS": "type flags of make nowhere", "KBUILD_EXTMOD": "no module is built", "M": "no module is built",
}

// Check returns a blame.UsageError for a variable that has not the form VAR=VALUE, is given
// twice, or is one that vmtest sets.
func (m MakeVars) Check() error {
	seen := make(map[string]bool)
	for _, v := range m {
		part := makeVar.FindStringSubmatch(v)
		switch {
		case part == nil || strings.ContainsAny(v, "\n\x00"):
			return blame.Usagef("-make %q is not of the form VAR=VALUE, such as LLVM=1", v)
		case ownVars[part[1]] != "":
			return blame.Usagef("-make %s: %s is set by vmtest: %s", v, part[1], ownVars[part[1]])
		case seen[part[1]]:
			return blame.Usagef("-make: %s is given twice", part[1])
		}
		seen[part[1]] = true
	}
	return nil
}

// value returns the value of a variable, or "" if it is not set.
func (m MakeVars) value(name string) string {
	for _, v := range m {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	return ""
}

// Env is the environment of make. It is fixed, so that equal inputs make equal kernels,
// byte for byte.
var Env = []string{
	"KBUILD_BUILD_TIMESTAMP=Thu Jan  1 00:00:00 UTC 1970",
	"KBUILD_BUILD_USER=vmtest",
	"KBUILD_BUILD_HOST=vmtest",
	"KBUILD_BUILD_VERSION=1",
}

// unusedTools are tools that Kconfig looks for and writes into the .config although no
// object is built with them. Names that do not exist keep the .config, and with it the
// kernel, the same on machines that have them and machines that do not.
var unusedTools = []string{"RUSTC=no-rustc", "BINDGEN=no-bindgen", "PAHOLE=no-pahole"}

// Args returns the arguments of make. flags are those that each object is compiled with
// besides those of the user. Tools that no object is built with get names that do not exist.
func (m MakeVars) Args(flags string) []string {
	var all []string
	for _, name := range []string{"KCFLAGS", "KAFLAGS"} {
		all = append(all, strings.TrimSpace(name+"="+flags+" "+m.value(name)))
	}
	for _, v := range m {
		if !strings.HasPrefix(v, "KCFLAGS=") && !strings.HasPrefix(v, "KAFLAGS=") {
			all = append(all, v)
		}
	}
	return append(all, unusedTools...)
}

// llvmTools are the programs that LLVM=1 stands for: "Building Linux with Clang/LLVM" in
// Documentation/kbuild/llvm.rst.
var llvmTools = []string{"clang", "ld.lld", "llvm-ar", "llvm-nm", "llvm-objcopy", "llvm-objdump", "llvm-readelf", "llvm-strip"}

// tools returns the programs that compile and link a kernel. The first is the compiler and
// the second the linker.
func (m MakeVars) tools() []string {
	all := []string{"gcc", "ld"}
	if llvm := m.value("LLVM"); llvm != "" && llvm != "0" {
		prefix, suffix := "", ""
		if strings.HasSuffix(llvm, "/") {
			prefix = llvm
		} else if strings.HasPrefix(llvm, "-") {
			suffix = llvm
		}
		all = nil
		for _, tool := range llvmTools {
			all = append(all, prefix+tool+suffix)
		}
	}
	for i, name := range []string{"CC", "LD"} {
		if words := strings.Fields(m.value(name)); len(words) > 0 { // ccache gcc
			all[i] = words[len(words)-1]
			all = append(all, words[:len(words)-1]...)
		}
	}
	return all
}

var toolName = regexp.MustCompile(`^(?:.*/)?(.*?)(-[0-9]+)?$`)

// packageOf returns the Debian package of a program.
func packageOf(tool string) string {
	part := toolName.FindStringSubmatch(tool)
	name, version := part[1], part[2]
	switch {
	case name == "ld.lld":
		name = "lld"
	case strings.HasPrefix(name, "llvm-"):
		name = "llvm"
	case name == "ld":
		name = "binutils"
	}
	return name + version
}

// Toolchain returns the versions of the programs that build a kernel. A program that is
// missing is an error that names all of the missing ones, and their packages.
func (m MakeVars) Toolchain(ctx context.Context) (string, error) {
	var missing, packages []string
	tools := m.tools()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			missing = append(missing, tool)
			if pkg := packageOf(tool); !slices.Contains(packages, pkg) {
				packages = append(packages, pkg)
			}
		}
	}
	switch {
	case missing != nil && m == nil:
		return "", fmt.Errorf("%s is not installed; type \"make deps\"", strings.Join(missing, ", "))
	case missing != nil:
		return "", fmt.Errorf("-make %s needs %s, not installed here; type \"sudo apt-get install %s\"", strings.Join(m, " "), strings.Join(missing, ", "), strings.Join(packages, " "))
	}
	var all []byte
	for _, tool := range tools {
		out, err := sandbox.Run(sandbox.Command(ctx, "", nil, tool, "--version"))
		if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
			return "", err
		}
		all = append(all, out...)
	}
	return string(all), nil
}

// Tools names what builds and checks kernels, with versions, a line a tool.
func Tools(ctx context.Context, m MakeVars) ([]string, error) {
	var all []string
	for _, tool := range append(m.tools()[:2], "sparse") {
		out, err := sandbox.Run(sandbox.Command(ctx, "", nil, tool, "--version"))
		if err != nil {
			return nil, err
		}
		line, _, _ := strings.Cut(string(out), "\n")
		if tool == "sparse" { // it does not say who it is
			line = "sparse " + line
		}
		all = append(all, line)
	}
	return all, nil
}
