// SPDX-License-Identifier: BSD-3-Clause

package kbuild

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"timens-vmtest/internal/sandbox"
)

// toolVars are the variables of the kernel's Makefile that name programs which take part in
// a build. LLVM= sets the first eight, in the order of llvmTools.
var toolVars = []string{
	"CC", "LD", "AR", "NM", "OBJCOPY", "OBJDUMP", "READELF", "STRIP",
	"HOSTCC", "HOSTCXX", "HOSTLD", "HOSTAR", "HOSTPKG_CONFIG", "LEX", "YACC", "AWK", "PERL", "PYTHON3", "BASH", "KGZIP", "CHECK", "CPP",
}

// llvmTools are the programs that LLVM=1 stands for: "Building Linux with Clang/LLVM" in
// Documentation/kbuild/llvm.rst.
var llvmTools = []string{"clang", "ld.lld", "llvm-ar", "llvm-nm", "llvm-objcopy", "llvm-objdump", "llvm-readelf", "llvm-strip"}

// llvmValue matches the values of LLVM that each kernel takes. Older ones take any other
// value for 1, and newer ones refuse it.
var llvmValue = regexp.MustCompile(`^(1|-[^\s/]+|\S+/)$`)

// checkTool returns an error if a variable names tools, and make cannot find them by its value.
func checkTool(name, value string) error {
	switch {
	case name == "LLVM" && !llvmValue.MatchString(value):
		return errors.New("LLVM is 1, -VERSION such as -19, or a folder with \"/\" at its end; leave it out for gcc")
	case name == "LLVM" && strings.HasSuffix(value, "/") && !filepath.IsAbs(value):
		return errors.New("make runs in another folder; give the whole path")
	case name == "LLVM" || !slices.Contains(toolVars, name):
		return nil
	}
	named := programs(value)
	if len(named) == 0 {
		return errors.New("this names no program")
	}
	for _, program := range named {
		if strings.Contains(program, "/") && !filepath.IsAbs(program) {
			return fmt.Errorf("make runs in another folder; give the whole path of %s", program)
		}
	}
	return nil
}

// programs returns the programs of a command such as "ccache gcc -m64": the words that are
// neither flags nor variables of the environment. The last is the tool itself.
func programs(command string) []string {
	return slices.DeleteFunc(strings.Fields(command), func(word string) bool { return word[0] == '-' || strings.Contains(word, "=") })
}

// tools returns the programs that compile and link a kernel. The first is the compiler and
// the second the linker.
func (m MakeVars) tools() []string {
	all := []string{"gcc", "ld"}
	llvm := m.value("LLVM")
	if llvm != "" {
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
	var more []string
	for i, name := range toolVars {
		named := programs(m.value(name))
		if last := len(named) - 1; last >= 0 && i < len(all) {
			all[i], named = named[last], named[:last]
		}
		more = append(more, named...)
	}
	if m.value("CC") != "" && m.value("HOSTCC") == "" && llvm == "" {
		more = append(more, "gcc") // for the programs that run on the host
	}
	for _, tool := range more {
		if !slices.Contains(all, tool) {
			all = append(all, tool)
		}
	}
	return all
}

var toolName = regexp.MustCompile(`^(.*?)(-[0-9]+)?$`)

// packageOf returns the Debian package of a program.
func packageOf(tool string) string {
	part := toolName.FindStringSubmatch(tool)
	name, version := part[1], part[2]
	switch {
	case name == "ld.lld":
		name = "lld"
	case strings.HasPrefix(name, "llvm-"):
		name = "llvm"
	case slices.Contains([]string{"ld", "ld.bfd", "ar", "nm", "objcopy", "objdump", "readelf", "strip"}, name):
		name = "binutils"
	}
	return name + version
}

// Toolchain is what compiles and links a kernel.
type Toolchain struct {
	Versions string   // what the programs say of themselves
	Programs []string // their paths
}

// Toolchain finds the programs that build a kernel. One that is missing is an error that names
// all of the missing ones, and their packages.
func (m MakeVars) Toolchain(ctx context.Context) (Toolchain, error) {
	var found Toolchain
	var missing, packages []string
	tools := m.tools()
	for _, tool := range tools {
		path, err := exec.LookPath(tool)
		if err != nil {
			missing = append(missing, tool)
			if pkg := packageOf(tool); !strings.Contains(tool, "/") && !slices.Contains(packages, pkg) {
				packages = append(packages, pkg)
			}
			continue
		}
		found.Programs = append(found.Programs, path)
	}
	if missing != nil && m == nil {
		return found, fmt.Errorf("%s is not installed; type \"make deps\"", strings.Join(missing, ", "))
	}
	if missing != nil {
		next := "check the paths"
		if packages != nil {
			next = fmt.Sprintf("type \"sudo apt-get install %s\"", strings.Join(packages, " "))
		}
		return found, fmt.Errorf("-make %s needs %s, not installed here; %s", strings.Join(m, " "), strings.Join(missing, ", "), next)
	}
	for _, tool := range tools {
		out, err := sandbox.Run(sandbox.Command(ctx, "", nil, tool, "--version"))
		if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
			return found, err
		}
		found.Versions += string(out)
	}
	return found, nil
}

// Ccache reports whether ccache is one of the programs, by whatever name.
func (t Toolchain) Ccache() bool {
	return slices.ContainsFunc(t.Programs, func(path string) bool {
		real, err := filepath.EvalSymlinks(path)
		return err == nil && filepath.Base(real) == "ccache"
	})
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
