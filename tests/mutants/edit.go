// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
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

// apply returns text with the edit made. The old lines must be there exactly
// once.
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
	if n := strings.Count(part, "\n"+e.old); n != 1 {
		return "", fmt.Errorf("%s: these lines are there %d times, not once:\n%s", strings.TrimSpace(e.file+" "+e.within), n, e.old)
	}
	return text[:begin] + strings.Replace(part, "\n"+e.old, "\n"+e.new, 1)[1:] + text[end:], nil
}

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
	if found != 1 {
		return 0, 0, fmt.Errorf("the first line of %d definitions has %q, want exactly one", found, holds)
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

// patch returns the edits as a patch of files with the given texts.
func (m mutant) patch(texts map[string][]byte) ([]byte, error) {
	changed := make(map[string]string)
	var files []string
	for _, e := range m.edits {
		text, again := changed[e.file]
		if !again {
			text = string(texts[e.file])
			files = append(files, e.file)
		}
		text, err := e.apply(text)
		if err != nil {
			return nil, err
		}
		changed[e.file] = text
	}
	out := fmt.Appendf(nil, "%s: %s\n\n", m.name, m.seen)
	for _, file := range files {
		out = append(out, diff.Diff("a/"+file, texts[file], "b/"+file, []byte(changed[file]))...)
	}
	return out, nil
}
