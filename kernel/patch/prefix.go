// SPDX-License-Identifier: BSD-3-Clause

package patch

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// names are the paths in a section's header as they stand there, with their prefixes;
// "" is /dev/null, or not there. ok is false where a header has only one line, of which
// the two cannot be told apart.
func (s section) names() (old, new string, ok bool) {
	oldLine, hasOld := s.field("--- ")
	newLine, hasNew := s.field("+++ ")
	return headerName(oldLine), headerName(newLine), hasOld && hasNew
}

func (s section) field(name string) (string, bool) {
	for _, line := range s.header {
		if value, ok := strings.CutPrefix(line, name); ok {
			return value, true
		}
	}
	return "", false
}

// headerName is the path behind "--- " or "+++ ", without what diff puts after it.
func headerName(value string) string {
	if quoted, err := strconv.QuotedPrefix(value); err == nil && value[0] == '"' {
		if name, err := strconv.Unquote(quoted); err == nil {
			return name
		}
	}
	name, _, _ := strings.Cut(strings.TrimSuffix(value, "\r"), "\t")
	if name == "/dev/null" {
		return ""
	}
	return name
}

// cutPrefix takes the first folder off a path. "prefix//path" is as "prefix/path".
func cutPrefix(path string) (prefix, rest string) {
	prefix, rest, _ = strings.Cut(path, "/")
	return prefix, strings.TrimLeft(rest, "/")
}

// gitPrefixes are what git puts before paths, and quilt with "-p ab".
var gitPrefixes = []string{"a", "b", "c", "i", "o", "w", "1", "2"}

// backupRE is what is behind the path of a file's old version.
var backupRE = regexp.MustCompile(`(\.orig|\.old|\.bak|~)$`)

// checkPrefixes says which line has a path that -p1 would take for another one: without
// a prefix it is the path's own first folder that would be stripped.
func checkPrefixes(sections []section) *damage {
	known := slices.Clone(gitPrefixes)
	for _, s := range sections {
		prefixes, bad := s.prefixes()
		if bad != "" {
			return &damage{s.line, noPrefix(bad)}
		}
		known = append(known, prefixes...)
	}
	for _, s := range sections {
		old, new, ok := s.names()
		if !ok || (old == "") == (new == "") {
			continue
		}
		// One name alone does not show whether its first folder is a prefix.
		if prefix, _ := cutPrefix(old + new); !slices.Contains(known, prefix) {
			return &damage{s.line, noPrefix(old + new)}
		}
	}
	return nil
}

func noPrefix(name string) string {
	return fmt.Sprintf("the path %q has no prefix such as a/ or b/: the patch was made with --no-prefix (diff.noprefix=true), or is one for -p0; "+
		"vmtest applies with -p1, which would change another file. "+
		`Make it again by "git -c diff.noprefix=false format-patch" or "quilt refresh -p ab"; somebody else's can be committed by "git apply -p0" and tested by -range`, name)
}

// prefixes are what a section with two names has before them. bad is the name, or what
// stands for it, of a section that shows that there is none.
func (s section) prefixes() (known []string, bad string) {
	if s.git {
		rest := strings.TrimPrefix(s.header[0], "diff --git ")
		if half := len(rest) / 2; len(rest)%2 == 1 && rest[half] == ' ' && rest[:half] == rest[half+1:] {
			return nil, rest[:half]
		}
		for _, verb := range []string{"rename", "copy"} {
			from, moved := s.field(verb + " from ")
			if to, _ := s.field(verb + " to "); moved {
				if rest == from+" "+to {
					return nil, from
				}
				if !strings.HasSuffix(strings.TrimSuffix(rest, `"`), "/"+strings.Trim(to, `"`)) {
					return nil, to
				}
				return nil, ""
			}
		}
	}
	old, new, ok := s.names()
	if s.git && (!ok || old == "" || new == "") {
		return gitLinePrefixes(s.header[0]), ""
	}
	if !ok || old == "" || new == "" {
		return nil, ""
	}
	oldPrefix, oldRest := cutPrefix(old)
	newPrefix, newRest := cutPrefix(new)
	if oldPrefix == newPrefix || oldRest == "" || newRest == "" || oldRest != newRest && backupRE.ReplaceAllString(oldRest, "") != newRest {
		return nil, new
	}
	return []string{oldPrefix, newPrefix}, ""
}

// gitLinePrefixes are the two prefixes in a line "diff --git X/PATH Y/PATH". A path may
// have spaces.
func gitLinePrefixes(line string) []string {
	rest := strings.TrimPrefix(line, "diff --git ")
	for at, c := range rest {
		if c != ' ' {
			continue
		}
		oldPrefix, old := cutPrefix(strings.Trim(rest[:at], `"`))
		newPrefix, new := cutPrefix(strings.Trim(rest[at+1:], `"`))
		if old != "" && old == new && oldPrefix != newPrefix {
			return []string{oldPrefix, newPrefix}
		}
	}
	return nil
}
