// SPDX-License-Identifier: BSD-3-Clause

package kbuild

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// MinimumFile is the path in a kernel tree of the script that says which tools are too old.
const MinimumFile = "scripts/min-tool-version.sh"

// TooOld returns an error if the compiler or the linker is too old for a tree. toolchain is
// what Toolchain returned, and script the text of MinimumFile. Nothing is known of tools
// that the script, or the tool itself, gives no version of.
func TooOld(release, toolchain string, script []byte) error {
	for _, tool := range []struct{ name, called, instead string }{
		{"gcc", "gcc", "-make CC=gcc-VERSION"},
		{"clang", "llvm", "-make LLVM=-VERSION"},
		{"ld", "binutils", "-make LD=ld.lld-VERSION"},
		{"ld.lld", "llvm", "-make LLVM=-VERSION"},
	} {
		have, need := versionOf(tool.name, toolchain), minimum(tool.called, script)
		if have != "" && need != "" && Older(have, need) {
			return fmt.Errorf("linux-%s cannot be built by %s %s: it needs %s or later; install a newer %s, and choose it by \"%s\"", release, tool.name, have, need, packageOf(tool.name), tool.instead)
		}
	}
	return nil
}

// sayVersion matches the first line that a tool prints about itself.
var sayVersion = map[string]*regexp.Regexp{
	"gcc":    regexp.MustCompile(`(?m)^\S*gcc\S* \(.*\) (\d+(?:\.\d+)*)`),
	"clang":  regexp.MustCompile(`(?m)^(?:\S+ )?clang version (\d+(?:\.\d+)*)`),
	"ld":     regexp.MustCompile(`(?m)^GNU ld \(.*\) (\d+(?:\.\d+)*)`),
	"ld.lld": regexp.MustCompile(`(?m)^(?:\S+ )?LLD (\d+(?:\.\d+)*)`),
}

func versionOf(tool, toolchain string) string {
	if m := sayVersion[tool].FindStringSubmatch(toolchain); m != nil {
		return m[1]
	}
	return ""
}

var echoed = regexp.MustCompile(`(?m)^\s*echo (\d+(?:\.\d+)*)$`)

// minimum returns the version that the script prints for a tool on x86_64: what a branch of
// its "case" prints last, after the exceptions for other architectures. It returns "" if
// there is none.
func minimum(tool string, script []byte) string {
	_, branch, ok := strings.Cut(string(script), "\n"+tool+")\n")
	if !ok {
		return ""
	}
	branch, _, _ = strings.Cut(branch, ";;")
	if all := echoed.FindAllStringSubmatch(branch, -1); all != nil {
		return all[len(all)-1][1]
	}
	return ""
}

// Older reports whether version a is older than b. Both are numbers with dots between them; "" is
// older than any.
func Older(a, b string) bool {
	parts := func(version string) (all []int) {
		for part := range strings.SplitSeq(version, ".") {
			n, _ := strconv.Atoi(part) // digits
			all = append(all, n)
		}
		for len(all) > 0 && all[len(all)-1] == 0 { // 2.30 is 2.30.0
			all = all[:len(all)-1]
		}
		return all
	}
	return slices.Compare(parts(a), parts(b)) < 0
}
