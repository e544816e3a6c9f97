// SPDX-License-Identifier: BSD-3-Clause

package generate

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// List says which functions of the unpatched kernels get mutants. Its text has one line for
// each of these:
//
//	define NAME[=VALUE]...       what the preprocessor knows; its value is 1 if none is given
//	file PATH                    the lines below are about the functions of this file
//	in NAME...                   they get mutants; NAME~WORD: only statements with the word
//	out NAME... # REASON         they get none
//
// NAME can be "*", which is all that no other line has. Each name and path may end in @RELEASE,
// such as @7.3, if only this kernel has it. Empty lines and lines that begin with "#" say
// nothing.
type List struct {
	defines []entry
	files   []listedFile
}

type listedFile struct {
	entry
	lines []listedLine
}

type listedLine struct {
	names  []entry
	out    bool
	reason string
}

// entry is a name, a path or a definition that may be for one release only.
type entry struct{ name, word, release string }

func (e entry) on(release string) bool { return e.release == "" || e.release == release }

func parseEntry(text string) entry {
	name, release, _ := strings.Cut(text, "@")
	name, word, _ := strings.Cut(name, "~")
	return entry{name, word, release}
}

// ParseList reads a list.
func ParseList(text string) (List, error) {
	var l List
	n := 0
	for line := range strings.Lines(text) {
		n++
		if err := l.parse(strings.TrimSpace(line)); err != nil {
			return List{}, fmt.Errorf("line %d: %w", n, err)
		}
	}
	return l, nil
}

func (l *List) parse(line string) error {
	if line == "" || strings.HasPrefix(line, "#") {
		return nil
	}
	line, reason, _ := strings.Cut(line, " # ")
	words := strings.Fields(line)
	if len(words) < 2 {
		return fmt.Errorf("%q names nothing", line)
	}
	var names []entry
	for _, word := range words[1:] {
		names = append(names, parseEntry(word))
	}
	switch words[0] {
	case "define":
		l.defines = append(l.defines, names...)
		return nil
	case "file":
		l.files = append(l.files, listedFile{entry: names[0]})
		return nil
	case "in", "out":
	default:
		return fmt.Errorf("%q is none of define, file, in, out", words[0])
	}
	if len(l.files) == 0 {
		return fmt.Errorf("there is no line \"file\" above")
	}
	if words[0] == "out" && reason == "" {
		return fmt.Errorf("%q lacks a reason; write \"%s # REASON\"", line, line)
	}
	last := &l.files[len(l.files)-1]
	last.lines = append(last.lines, listedLine{names, words[0] == "out", reason})
	return nil
}

// Config returns what the preprocessor knows on a release.
func (l List) Config(release string) Config {
	c := make(Config)
	for _, e := range l.defines {
		if e.on(release) {
			name, value, given := strings.Cut(e.name, "=")
			if !given {
				value = "1"
			}
			c[name] = value
		}
	}
	return c
}

// Files returns the paths of the files on a release.
func (l List) Files(release string) []string {
	var paths []string
	for _, f := range l.files {
		if f.on(release) {
			paths = append(paths, f.name)
		}
	}
	return paths
}

// Out is a function that gets no mutants.
type Out struct{ File, Function, Reason string }

// Generate makes the mutants of a file that the list names, and returns which of its functions
// the list leaves out, those with the same reason together. Each function must be in or out, and each name must exist.
func (l List) Generate(src Source, release string) (Result, []Out, error) {
	i := slices.IndexFunc(l.files, func(f listedFile) bool { return f.name == src.Path && f.on(release) })
	if i < 0 {
		return Result{}, nil, fmt.Errorf("the list does not have %s", src.Path)
	}
	f := l.files[i]
	words := make(map[string]string)
	scope := Scope{Functions: func(name string) bool {
		line, e := f.find(name, release)
		words[name] = e.word
		return line != nil && !line.out
	}}
	r, err := Generate(src, l.Config(release), scope)
	if err != nil {
		return Result{}, nil, err
	}
	r.keep(words)
	var out []Out
	for _, name := range r.Defined {
		switch line, _ := f.find(name, release); {
		case line == nil:
			return Result{}, nil, fmt.Errorf("the list says nothing about %s() of %s; write \"in %s\", or \"out %s # REASON\"", name, src.Path, name, name)
		case line.out:
			out = append(out, Out{src.Path, name, line.reason})
		}
	}
	slices.SortStableFunc(out, func(a, b Out) int { return strings.Compare(a.Reason, b.Reason) })
	return r, out, f.verify(r.Defined, release)
}

// find returns the line of the list that decides about a function, and its entry.
func (f listedFile) find(name, release string) (*listedLine, entry) {
	for _, want := range []string{name, "*"} {
		for i, line := range f.lines {
			for _, e := range line.names {
				if e.name == want && e.on(release) {
					return &f.lines[i], e
				}
			}
		}
	}
	return nil, entry{}
}

// verify returns an error if a function that the list names does not exist.
func (f listedFile) verify(defined []string, release string) error {
	for _, line := range f.lines {
		for _, e := range line.names {
			if e.name != "*" && e.on(release) && !slices.Contains(defined, e.name) {
				return fmt.Errorf("%s of linux-%s does not define %s; if only another kernel has it, write %s@RELEASE", f.name, release, e.name, e.name)
			}
		}
	}
	return nil
}

// keep removes the mutants of statements that lack the word that the list has for their
// function.
func (r *Result) keep(words map[string]string) {
	has := func(function, text string) bool {
		word := words[function]
		return word == "" || regexp.MustCompile(`\b`+regexp.QuoteMeta(word)+`\b`).MatchString(text)
	}
	r.Mutants = slices.DeleteFunc(r.Mutants, func(m Mutant) bool { return !has(m.Function, m.Was) })
	r.Left = slices.DeleteFunc(r.Left, func(l Left) bool { return !has(l.Function, l.Text) })
	for name := range r.Edits {
		r.Edits[name] = 0
	}
	for _, m := range r.Mutants {
		r.Edits[m.Function]++
	}
}
