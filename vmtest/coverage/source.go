// SPDX-License-Identifier: BSD-3-Clause

package coverage

import (
	"path"
	"regexp"
	"strings"

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
	var branches conditions
	inComment, continued, init := false, false, false
	for line := range strings.Lines(string(text)) {
		code, open := withoutComments(line, inComment)
		inComment = open
		code = strings.TrimRight(code, " \t\n")
		var l sourceLine
		switch {
		case strings.TrimSpace(line) == "":
			l.uncounted = verdict.BlankLine
		case strings.TrimSpace(code) == "":
			l.uncounted = verdict.CommentLine
		case continued || strings.HasPrefix(strings.TrimSpace(code), "#"):
			l.uncounted = directive
			branches.take(strings.TrimSpace(code), enabled)
			continued = strings.HasSuffix(code, `\`)
		case onlyBraces.MatchString(code):
			l.uncounted = brace
		}
		if l.uncounted == "" && topLevel.MatchString(code) && !label.MatchString(code) {
			init = initRE.MatchString(code)
		}
		l.init, l.leftOut = init, branches.leftOut()
		s = append(s, l)
	}
	return s
}

// withoutComments returns a line without its comments. open says that the line begins in a
// comment; the second result says that it ends in one. A "/*" in a string is taken for a
// comment. That is rare, and the worst result is that a line without code of its own is
// called a comment.
func withoutComments(line string, open bool) (string, bool) {
	var code strings.Builder
	for line != "" {
		if open {
			_, rest, closed := strings.Cut(line, "*/")
			if !closed {
				return code.String(), true
			}
			line, open = rest, false
		}
		before, rest, opened := strings.Cut(line, "/*")
		if before, _, slashes := strings.Cut(before, "//"); slashes {
			code.WriteString(before)
			return code.String(), false
		}
		code.WriteString(before)
		line, open = rest, opened
	}
	return code.String(), open
}

// conditions are the open #if directives, the innermost last.
type conditions []condition

// condition is the condition of the current branch of an #if. It is known if the
// configuration alone decides it.
type condition struct{ known, value bool }

var (
	ifConfig = regexp.MustCompile(`^#\s*(?:ifdef\s+|if\s+defined\(?\s*|if\s+IS_ENABLED\()(CONFIG_\w+)\)?$`)
	ifNot    = regexp.MustCompile(`^#\s*(?:ifndef\s+|if\s+!\s*defined\(?\s*|if\s+!\s*IS_ENABLED\()(CONFIG_\w+)\)?$`)
	ifAny    = regexp.MustCompile(`^#\s*if`)
	elif     = regexp.MustCompile(`^#\s*elif`)
	elseAny  = regexp.MustCompile(`^#\s*else`)
	endif    = regexp.MustCompile(`^#\s*endif`)
)

// take updates the conditions by one directive.
func (c *conditions) take(text string, enabled map[string]bool) {
	top := len(*c) - 1
	switch {
	case ifAny.MatchString(text):
		next := condition{}
		if m := ifConfig.FindStringSubmatch(text); m != nil {
			next = condition{true, enabled[m[1]]}
		} else if m := ifNot.FindStringSubmatch(text); m != nil {
			next = condition{true, !enabled[m[1]]}
		}
		*c = append(*c, next)
	case elif.MatchString(text) && top >= 0:
		(*c)[top].known = false
	case elseAny.MatchString(text) && top >= 0:
		(*c)[top].value = !(*c)[top].value
	case endif.MatchString(text) && top >= 0:
		*c = (*c)[:top]
	}
}

// leftOut reports whether the configuration leaves out the current line.
func (c conditions) leftOut() bool {
	for _, one := range c {
		if one.known && !one.value {
			return true
		}
	}
	return false
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
