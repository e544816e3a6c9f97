// SPDX-License-Identifier: BSD-3-Clause

// Package cpp tells which lines of a C file the preprocessor leaves out of a configuration, as far as
// the text of the file alone says.
package cpp

import (
	"iter"
	"regexp"
	"strings"
)

// Line is a line of a C file.
type Line struct {
	Text      string // as it is written, with its newline
	Code      string // without comments, and without the blanks at its end
	Directive bool   // it is for the preprocessor, or continues such a line
	LeftOut   bool   // an #if leaves it out of the configuration
}

// Config says whether a configuration sets an option, which has the CONFIG_ prefix. It says so only if it
// is known.
type Config func(option string) (set, known bool)

// Lines yields the lines of a C file. A condition that known options alone do not decide leaves nothing out.
func Lines(text []byte, config Config) iter.Seq[Line] {
	return func(yield func(Line) bool) {
		var open conditions
		inComment, continued := false, false
		for line := range strings.Lines(string(text)) {
			l := Line{Text: line}
			l.Code, inComment = withoutComments(line, inComment)
			l.Code = strings.TrimRight(l.Code, " \t\n")
			l.LeftOut = open.leaveOut()
			if code := strings.TrimSpace(l.Code); code != "" {
				l.Directive = continued || strings.HasPrefix(code, "#")
				if l.Directive && !continued {
					open.take(code, config)
					l.LeftOut = l.LeftOut && open.leaveOut()
				}
				continued = l.Directive && strings.HasSuffix(code, `\`)
			}
			if !yield(l) {
				return
			}
		}
	}
}

// withoutComments returns a line without its comments. open says that the line begins in a
// comment; the second result says that it ends in one. A "/*" in a string is taken for a
// comment, which is rare.
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
func (c *conditions) take(text string, config Config) {
	top := len(*c) - 1
	switch {
	case ifAny.MatchString(text):
		next := condition{}
		if m := ifConfig.FindStringSubmatch(text); m != nil {
			next.value, next.known = config(m[1])
		} else if m := ifNot.FindStringSubmatch(text); m != nil {
			set, known := config(m[1])
			next = condition{known, !set}
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

// leaveOut reports whether the configuration leaves out the current line.
func (c conditions) leaveOut() bool {
	for _, one := range c {
		if one.known && !one.value {
			return true
		}
	}
	return false
}
