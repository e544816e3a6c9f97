// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
)

// edit replaces lines of one kernel file. The place is given by its text, not
// by line numbers, so that the edit still applies when other lines change.
type edit struct {
	file     string
	within   string // part of the first line of the function that holds it; "" is the whole file
	old, new string // whole lines
}

// change is one edit of a mutant. It has several forms if kernels differ. The tree
// tells which form is meant: exactly one of them must apply.
type change []edit

// parseEdit reads the lines of a hunk. Those that begin with "-" are replaced
// by those that begin with "+"; lines that begin with a space are context.
func parseEdit(file, within string, lines []string) (edit, error) {
	e := edit{file: file, within: within}
	for len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	for _, line := range lines {
		if line == "" { // an editor has cut off the space
			line = " "
		}
		text := line[1:] + "\n"
		switch line[0] {
		case '-':
			e.old += text
		case '+':
			e.new += text
		case ' ':
			e.old += text
			e.new += text
		default:
			return edit{}, fmt.Errorf("%q does not begin with \"-\", \"+\" or a space", line)
		}
	}
	if e.old == e.new {
		return edit{}, fmt.Errorf("a hunk of %s changes nothing", file)
	}
	if e.old == "" {
		return edit{}, fmt.Errorf("a hunk of %s has no line that says where it belongs", file)
	}
	return e, nil
}

// errAmbiguous says that a place is given by text that is there more than once.
var errAmbiguous = errors.New("not once")

// apply returns text with the edit made. The old lines must be there exactly
// once. If they are there more than once, the error is errAmbiguous.
func (e edit) apply(text string) (string, error) {
	begin, end := 0, len(text)
	if e.within != "" {
		var err error
		if begin, end, err = function(text, e.within); err != nil {
			return "", fmt.Errorf("%s: %w", e.file, err)
		}
	}
	// Starting with the end of the line before, old matches whole lines
	// only.
	part := "\n" + text[begin:end]
	switch n := strings.Count(part, "\n"+e.old); {
	case n == 0:
		return "", fmt.Errorf("%v: these lines are not there:\n%s", e, e.old)
	case n > 1:
		return "", fmt.Errorf("%v: these lines are there %d times, %w:\n%s", e, n, errAmbiguous, e.old)
	}
	return text[:begin] + strings.Replace(part, "\n"+e.old, "\n"+e.new, 1)[1:] + text[end:], nil
}

// String names the place.
func (e edit) String() string { return strings.TrimSpace(e.file + " " + e.within) }

// function finds the definition of a function or of data whose first line
// contains a string. In kernel code it begins in the first column, and so does
// its closing brace.
func function(text, holds string) (begin, end int, err error) {
	at, found := 0, 0
	for line := range strings.Lines(text) {
		if strings.Contains(line, holds) && !strings.ContainsAny(line[:1], "\t #/*}") && defines(text[at:]) {
			found++
			begin = at
		}
		at += len(line)
	}
	if found == 0 {
		return 0, 0, fmt.Errorf("no definition has %q in its first line", holds)
	}
	if found > 1 {
		return 0, 0, fmt.Errorf("the first line of %d definitions has %q, %w", found, holds, errAmbiguous)
	}
	length := strings.Index(text[begin:], "\n}")
	if length < 0 {
		return 0, 0, fmt.Errorf("the definition of %q has no end", holds)
	}
	return begin, begin + length + 1, nil
}

// defines reports whether text begins with a definition, and not with a
// declaration only.
func defines(text string) bool {
	at := strings.IndexAny(text, ";{")
	return at >= 0 && text[at] == '{'
}

// apply makes the change in texts, the files of the tree, in the form that applies.
// It returns the name of the file.
func (c change) apply(texts map[string]string) (file string, err error) {
	var places []string // of the forms that apply
	var misfits []error
	var after string
	for _, e := range c {
		before, exists := texts[e.file]
		if !exists {
			misfits = append(misfits, fmt.Errorf("%s: the tree has no such file", e.file))
			continue
		}
		text, err := e.apply(before)
		if errors.Is(err, errAmbiguous) {
			return "", err
		}
		if err != nil {
			misfits = append(misfits, err)
			continue
		}
		places = append(places, e.String())
		file, after = e.file, text
	}
	switch len(places) {
	case 0:
		return "", errors.Join(misfits...)
	case 1:
		texts[file] = after
		return file, nil
	}
	return "", fmt.Errorf("%d forms of one edit apply, %w: %s", len(places), errAmbiguous, strings.Join(places, "; "))
}

// edited returns the files of a tree with the changes made, and the names of those that changed.
func (m mutant) edited(texts map[string]string) (changed map[string]string, files []string, err error) {
	changed = maps.Clone(texts)
	for _, c := range m.changes {
		file, err := c.apply(changed)
		if err != nil {
			return nil, nil, err
		}
		if !slices.Contains(files, file) {
			files = append(files, file)
		}
	}
	return changed, files, nil
}

// patch returns the changes as a patch of a tree with the given files.
func (m mutant) patch(texts map[string]string) ([]byte, error) {
	changed, files, err := m.edited(texts)
	if err != nil {
		return nil, err
	}
	out := fmt.Appendf(nil, "%s: %s\n\n", m.name, m.seen)
	for _, file := range files {
		out = append(out, diff.Diff("a/"+file, []byte(texts[file]), "b/"+file, []byte(changed[file]))...)
	}
	return out, nil
}
