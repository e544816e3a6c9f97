// SPDX-License-Identifier: BSD-3-Clause

package coverage

import (
	"path"
	"regexp"
	"strings"

	"timens-vmtest/kernel/cpp"
	"timens-vmtest/kernel/patch"
	"timens-vmtest/vmtest/verdict"
)

// The reasons why a line cannot be counted. Reports print them.
const (
	notKernel  = "no part of the kernel: documentation, tools, selftests"
	vdso       = "vDSO: runs in user space"
	notC       = "not C"
	leftOut    = "left out of this configuration by #if"
	atBoot     = "__init: runs before the first test"
	directive  = "preprocessor"
	brace      = "brace or label"
	declarator = "no code of its own: a declaration, or a part of a statement"
)

// wholeFile returns why no line of a file can be counted, or "" if some can.
func wholeFile(file string, profiled map[string]string) string {
	switch ext := path.Ext(file); {
	case !patch.InKernel(file):
		return notKernel
	case patch.VDSO(file):
		return vdso
	case ext != ".c" && ext != ".h":
		return notC
	case ext == ".c" && profiled[file] == "":
		return verdict.NotBuilt
	}
	return ""
}

// source describes each line of a C file, as far as its text alone says. Lines are counted
// from 1.
type source []sourceLine

type sourceLine struct {
	uncounted string // why it cannot be counted; empty if it may have code
	leftOut   bool   // an #if leaves it out of this configuration
	init      bool   // it is in a function that is __init or __exit
}

// uncounted explains why line n, which no test ran, could not run during a test. It returns
// "" if the line could. countable says that the compiler made code for the line.
func (s source) uncounted(n int, countable bool) string {
	if n < 1 || n >= len(s) {
		return declarator
	}
	switch l := s[n]; {
	case countable && l.init:
		return atBoot
	case countable:
		return ""
	case l.uncounted != "":
		return l.uncounted
	case l.leftOut:
		return leftOut
	}
	return declarator
}

var (
	onlyBraces = regexp.MustCompile(`^([{}();,\s]|\belse\b|\bdo\b|^\w+:)*$`)
	topLevel   = regexp.MustCompile(`^[A-Za-z_]`)
	label      = regexp.MustCompile(`^\w+:`)
	initRE     = regexp.MustCompile(`\b__(init|exit)\b`)
)

// parseSource describes the lines of a C file. enabled are the options that the kernel's
// configuration sets.
func parseSource(text []byte, enabled map[string]bool) source {
	s := source{{}}
	init := false
	for line := range cpp.Lines(text, func(option string) (set, known bool) { return enabled[option], true }) {
		l := sourceLine{leftOut: line.LeftOut}
		switch {
		case strings.TrimSpace(line.Text) == "":
			l.uncounted = verdict.BlankLine
		case strings.TrimSpace(line.Code) == "":
			l.uncounted = verdict.CommentLine
		case line.Directive:
			l.uncounted = directive
		case onlyBraces.MatchString(line.Code):
			l.uncounted = brace
		}
		if l.uncounted == "" && topLevel.MatchString(line.Code) && !label.MatchString(line.Code) {
			init = initRE.MatchString(line.Code)
		}
		l.init = init
		s = append(s, l)
	}
	return s
}

// options returns the options that a .config sets to y or m.
func options(config []byte) map[string]bool {
	enabled := make(map[string]bool)
	for line := range strings.Lines(string(config)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && (value == "y" || value == "m") {
			enabled[name] = true
		}
	}
	return enabled
}
