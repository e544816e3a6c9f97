package main

import (
	"fmt"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
)

// edit replaces lines of one kernel file. It is found by its text and not by
// line numbers, so that it survives what others change around it.
type edit struct {
	file     string
	within   string // part of the first line of the function that holds it; "" is the whole file
	old, new string // whole lines
}

// parseEdit reads the lines of a hunk: those that begin with "-" are replaced
// by those that begin with "+", the others are there to be found.
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
			return edit{}, fmt.Errorf("%q begins with none of \"-\", \"+\" and a space", line)
		}
	}
	if e.old == e.new {
		return edit{}, fmt.Errorf("a hunk of %s changes nothing", file)
	}
	if e.old == "" {
		return edit{}, fmt.Errorf("a hunk of %s says not where its lines go", file)
	}
	return e, nil
}

// apply returns text with the edit made. What is replaced must be there exactly
// once.
func (e edit) apply(text string) (string, error) {
	begin, end := 0, len(text)
	if e.within != "" {
		var err error
		if begin, end, err = function(text, e.within); err != nil {
			return "", fmt.Errorf("%s: %w", e.file, err)
		}
	}
	// With the end of the line before it, old begins at the beginning of a line.
	part := "\n" + text[begin:end]
	if n := strings.Count(part, "\n"+e.old); n != 1 {
		return "", fmt.Errorf("%s: these lines are there %d times, not once:\n%s", strings.TrimSpace(e.file+" "+e.within), n, e.old)
	}
	return text[:begin] + strings.Replace(part, "\n"+e.old, "\n"+e.new, 1)[1:] + text[end:], nil
}

// function finds the definition, of a function or of data, whose first line
// holds a string. In the kernel it begins in the first column, and so does the
// brace that ends it.
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
		return 0, 0, fmt.Errorf("%d definitions begin with a line that holds %q, not one", found, holds)
	}
	length := strings.Index(text[begin:], "\n}")
	if length < 0 {
		return 0, 0, fmt.Errorf("the definition of %q has no end", holds)
	}
	return begin, begin + length + 1, nil
}

// defines reports whether what text begins with is a definition and not only a
// declaration.
func defines(text string) bool {
	at := strings.IndexAny(text, ";{")
	return at >= 0 && text[at] == '{'
}

// patch is what the edits come to on files with the given texts.
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
