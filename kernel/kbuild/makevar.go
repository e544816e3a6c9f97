// SPDX-License-Identifier: BSD-3-Clause

// Package kbuild knows what the kernel's make is told, and what it says. It turns the
// variables of the user into arguments of make, and reads errors, warnings and progress
// from the output of make. Package kernel runs make.
package kbuild

import (
	"regexp"
	"strings"

	"timens-vmtest/internal/blame"
)

// MakeVars are variables of make, each in the form VAR=VALUE, as a user adds them to the
// command line of make: LLVM=-19, CC='ccache gcc', KCFLAGS=-O3, W=1. The zero value adds
// none, and the kernel is built by gcc and ld.
type MakeVars []string

var makeVar = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_]*)=(.*)$`)

// ownVars are variables that vmtest sets, or kbuild for itself, with the flag or the rule that
// decides them. A name that ends in "*" stands for all that begin so.
var ownVars = map[string]string{
	"O": inCache, "MO": noModule, "KBUILD_OUTPUT": inCache, "srctree": inCache, "objtree": inCache, "srcroot": inCache, "abs_srctree": inCache, "abs_objtree": inCache, "abs_output": inCache, "output": inCache,
	"building_out_of_srctree": inCache, "VPATH": inCache,
	"ARCH": oneArch, "SUBARCH": oneArch, "SRCARCH": oneArch, "UTS_MACHINE": oneArch, "BITS": oneArch,
	"CROSS_COMPILE": oneArch + ", by native tools; LLVM=-VERSION and CC= choose others",
	"CONFIG_*":      options, "KCONFIG_*": options,
	"KBUILD_BUILD_TIMESTAMP": sameKernel, "KBUILD_BUILD_USER": sameKernel, "KBUILD_BUILD_HOST": sameKernel, "KBUILD_BUILD_VERSION": sameKernel,
	"KBUILD_EXTMOD": noModule, "M": noModule,
	"KBUILD_*": "kbuild sets its own variables; W=, V= and KCFLAGS= are for its users",
	"RUSTC":    notUsed, "BINDGEN": notUsed, "PAHOLE": notUsed,
	"MAKEFLAGS": "type flags of make nowhere",
}

// Why a variable cannot be set.
const (
	inCache    = "the build folder is in the cache"
	oneArch    = "only x86_64 is built"
	options    = "-config adds options"
	sameKernel = "equal inputs make equal kernels"
	noModule   = "no module is built"
	notUsed    = "no object is built with it"
)

// own returns why a variable cannot be set, or "" if it can.
func own(name string) string {
	if why := ownVars[name]; why != "" {
		return why
	}
	for kind, why := range ownVars {
		if start, ok := strings.CutSuffix(kind, "*"); ok && strings.HasPrefix(name, start) {
			return why
		}
	}
	return ""
}

// Check returns a blame.UsageError for a variable that has not the form VAR=VALUE, is given
// twice, is one of ownVars, or names tools that the kernel's make cannot find.
func (m MakeVars) Check() error {
	seen := make(map[string]bool)
	for _, v := range m {
		part := makeVar.FindStringSubmatch(v)
		if part == nil || strings.ContainsAny(v, "\n\x00") {
			return blame.Usagef("-make %q is not of the form VAR=VALUE, such as LLVM=1", v)
		}
		name, value := part[1], part[2]
		if why := own(name); why != "" {
			return blame.Usagef("-make %s: %s cannot be set: %s", v, name, why)
		}
		if seen[name] {
			return blame.Usagef("-make: %s is given twice", name)
		}
		seen[name] = true
		if err := checkTool(name, value); err != nil {
			return blame.Usagef("-make %s: %w", v, err)
		}
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
