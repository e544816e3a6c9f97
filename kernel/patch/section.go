// SPDX-License-Identifier: BSD-3-Clause

package patch

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
)

// section is the part of a diff that changes one file.
type section struct {
	line   int      // number of its first line in the text that it comes from, from 0
	git    bool     // it begins with "diff --git"
	header []string // its lines before the first hunk, without their ends
	text   []byte
}

// stray is a line that belongs to no section.
type stray struct {
	line int
	text string
}

// scanner takes a text apart as "git apply" does: what is no file header and no hunk
// of one is no part of the diff.
type scanner struct {
	lines    [][]byte
	at       int
	sections []section
	strays   []stray
}

var (
	extendedRE = regexp.MustCompile(`^(--- |\+\+\+ |old mode |new mode |deleted file mode |new file mode |copy (from|to) |rename (from|to|old|new) |(dis)?similarity index |index )`)
	hunkRE     = regexp.MustCompile(`^@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@`)
)

// damage is what is wrong with a diff, and where.
type damage struct {
	line int // from 0
	what string
}

// scan finds the sections of a text. Where it is damaged, it ends there.
func scan(text []byte) (sections []section, strays []stray, bad *damage) {
	s := scanner{lines: bytes.SplitAfter(text, []byte("\n"))}
	for s.at < len(s.lines) {
		from, header := s.at, s.fileHeader()
		if header == 0 {
			if hunkRE.Match(s.lines[s.at]) {
				return s.sections, s.strays, &damage{s.at, "a hunk stands there without the header of its file; indent what is only quoted"}
			}
			s.strays = append(s.strays, stray{s.at, s.text(s.at)})
			s.at++
			continue
		}
		sec := section{line: from, git: bytes.HasPrefix(s.lines[from], []byte("diff --git "))}
		for ; header > 0; header-- {
			sec.header = append(sec.header, s.text(s.at))
			s.at++
		}
		bad := s.body()
		sec.text = bytes.Join(s.lines[from:s.at], nil)
		if !bytes.HasSuffix(sec.text, []byte("\n")) {
			sec.text = append(sec.text, '\n')
		}
		s.sections = append(s.sections, sec)
		if bad != nil {
			return s.sections, s.strays, bad
		}
	}
	return s.sections, s.strays, nil
}

// text is a line without its end; "" beyond the last one.
func (s *scanner) text(n int) string {
	if n >= len(s.lines) {
		return ""
	}
	return string(bytes.TrimSuffix(s.lines[n], []byte("\n")))
}

func (s *scanner) begins(n int, with string) bool {
	return n < len(s.lines) && bytes.HasPrefix(s.lines[n], []byte(with))
}

// fileHeader is the number of lines of the file header that begins here.
func (s *scanner) fileHeader() int {
	if s.begins(s.at, "diff --git ") {
		n := 1
		for s.at+n < len(s.lines) && extendedRE.Match(s.lines[s.at+n]) {
			n++
		}
		if n == 1 {
			return 0 // words, not a header
		}
		return n
	}
	if s.begins(s.at, "--- ") && s.begins(s.at+1, "+++ ") && s.begins(s.at+2, "@@ -") {
		return 2
	}
	return 0
}

// body reads the hunks, or the binary change, that follow a header.
func (s *scanner) body() *damage {
	if s.begins(s.at, "GIT binary patch") {
		s.binary()
		return nil
	}
	if s.begins(s.at, "Binary files ") || s.begins(s.at, "Files ") {
		s.at++
		return nil
	}
	for s.at < len(s.lines) {
		counts := hunkRE.FindSubmatch(s.lines[s.at])
		if counts == nil {
			return nil
		}
		if bad := s.hunk(count(counts[1]), count(counts[2])); bad != nil {
			return bad
		}
	}
	return nil
}

// count is a number of lines in the header of a hunk, which is 1 if it is left out.
func count(digits []byte) int {
	if digits == nil {
		return 1
	}
	n, err := strconv.Atoi(string(digits))
	if err != nil { // too many digits: no file has as many lines
		return int(^uint(0) >> 1)
	}
	return n
}

func (s *scanner) hunk(old, new int) *damage {
	from := s.at
	for s.at++; old > 0 || new > 0; s.at++ {
		line := s.text(s.at)
		if s.at >= len(s.lines) || line == "" && s.at == len(s.lines)-1 {
			return &damage{from, fmt.Sprintf("the hunk %q is cut off", s.text(from))}
		}
		switch {
		case line == "" || line[0] == ' ':
			old--
			new--
		case line[0] == '-':
			old--
		case line[0] == '+':
			new--
		case line[0] != '\\':
			return &damage{s.at, fmt.Sprintf("%q belongs to no hunk, and the one before it is not complete; a mail program may have folded the line", line)}
		}
		if old < 0 || new < 0 {
			return &damage{from, fmt.Sprintf("the counts of the hunk %q are not those of its lines", s.text(from))}
		}
	}
	if s.begins(s.at, "\\ ") {
		s.at++
	}
	return s.leftOver(from)
}

// leftOver finds lines of a diff behind a hunk that is complete. git would leave them out
// without a word.
func (s *scanner) leftOver(hunk int) *damage {
	for n := s.at; ; n++ {
		line := s.text(n)
		switch {
		case line == "", line == "-- ", line == "--", line == "---", s.begins(n, "--- ") && s.begins(n+1, "+++ "):
			return nil
		case line[0] == '+' || line[0] == '-':
			return &damage{n, fmt.Sprintf("%q stands behind a hunk that is complete; the counts of the hunk %q are wrong", line, s.text(hunk))}
		case line[0] != ' ':
			return nil
		}
	}
}

// binary reads a change of a binary file: its new text, and maybe its old one.
func (s *scanner) binary() {
	s.at++
	for s.begins(s.at, "literal ") || s.begins(s.at, "delta ") {
		for s.text(s.at) != "" {
			s.at++
		}
		if s.at < len(s.lines) {
			s.at++
		}
	}
}
