// SPDX-License-Identifier: BSD-3-Clause

// Package reasons reads files of exceptions. Each line of such a file is an entry: what it
// is about, a mark, and the reason. An entry without a reason is an error. Blank lines, and
// comments that begin in column one, are ignored.
package reasons

import (
	"fmt"
	"strings"
)

// Kind is a kind of file.
type Kind struct {
	Name string // first word of every error; such as "expect"
	Form string // form of a line; such as "PERCENT # reason"
	Mark string // what stands before the reason: "#", or " # " if an entry may have a # in it
	Noun string // how an error names an entry, as a format of one string; empty: the whole line, quoted
}

// Entry is one line of a file.
type Entry struct {
	What   string // text before the mark, without blanks around it
	Reason string // never empty
	Line   int    // from 1

	kind Kind
	text string // the whole line
}

// Parse returns the entries of a file.
func (k Kind) Parse(text []byte) ([]Entry, error) {
	var all []Entry
	for i, line := range strings.Split(string(text), "\n") {
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		what, reason, _ := strings.Cut(line, k.Mark)
		e := Entry{What: strings.TrimSpace(what), Reason: strings.TrimSpace(reason), Line: i + 1, kind: k, text: line}
		if e.Reason == "" {
			noun := fmt.Sprintf("%q", line)
			if k.Noun != "" {
				noun = fmt.Sprintf(k.Noun, e.What)
			}
			return nil, e.Errorf("%s has no reason; write it behind %q: the line is not %q", noun, k.Mark, k.Form)
		}
		all = append(all, e)
	}
	return all, nil
}

// Words returns the words of an entry. It is an error if there are not n of them.
func (e Entry) Words(n int) ([]string, error) {
	words := strings.Fields(e.What)
	if len(words) != n {
		return nil, e.Malformed()
	}
	return words, nil
}

// Malformed returns the error for an entry that does not have the form of its kind.
func (e Entry) Malformed() error { return e.Errorf("%q is not %q", e.text, e.kind.Form) }

// Errorf makes an error that begins with the place of the entry, such as "expect:3: ".
func (e Entry) Errorf(format string, args ...any) error {
	return fmt.Errorf("%s: %w", e.Place(), fmt.Errorf(format, args...))
}

// Place returns the kind of file and the line, such as "expect:3".
func (e Entry) Place() string { return fmt.Sprintf("%s:%d", e.kind.Name, e.Line) }

// Unmatched returns the entries for which matched returns false. Nothing needs these
// exceptions any more.
func Unmatched[T any](all []T, matched func(T) bool) []T {
	var none []T
	for _, e := range all {
		if !matched(e) {
			none = append(none, e)
		}
	}
	return none
}
