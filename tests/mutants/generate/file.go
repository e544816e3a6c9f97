// SPDX-License-Identifier: BSD-3-Clause

package generate

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// file is a C file that has been parsed. Its generator knows the nodes' texts.
type file struct {
	generator
	root          *node
	config        Config
	labels, gotos []jump
}

// jump is a label of a function, or what goes to one.
type jump struct {
	at       int
	label    string
	function *node
}

// read parses a file.
func read(src Source, known *conditions) (*file, error) {
	code, loops, err := mask(src.Text, known)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", src.Path, err)
	}
	root, err := parse(code)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", src.Path, err)
	}
	f := &file{generator: generator{src: src, code: code, loops: loops}, root: root, config: known.config}
	f.findJumps(root, nil)
	return f, nil
}

// findJumps notes the labels and gotos of a node, which is in a function.
func (f *file) findJumps(n, function *node) {
	if n.kind == "function_definition" {
		function = n
	}
	for _, k := range n.kids {
		switch j := (jump{n.begin, f.text(k), function}); {
		case k.field == "label" && n.kind == "labeled_statement":
			f.labels = append(f.labels, j)
		case k.field == "label":
			f.gotos = append(f.gotos, j)
		}
		f.findJumps(k, function)
	}
}

// labelsIn returns the labels of a part of the file.
func (f *file) labelsIn(begin, end int) []string {
	var labels []string
	for _, l := range f.labels {
		if begin <= l.at && l.at < end {
			labels = append(labels, l.label)
		}
	}
	return labels
}

// closed says whether no goto outside of a part of a function goes to one of some labels.
func (f *file) closed(begin, end int, labels []string) bool {
	return !slices.ContainsFunc(f.gotos, func(g jump) bool { return slices.Contains(labels, g.label) && f.beside(g, begin, end) })
}

// beside says whether a jump is in the same function as a part of the file, but outside of the part.
func (f *file) beside(j jump, begin, end int) bool {
	return j.function != nil && j.function.begin <= begin && end <= j.function.end && (j.at < begin || end <= j.at)
}

// fragment parses statements that are to stand in the file.
func (f *file) fragment(text string) (*file, error) {
	return read(Source{f.src.Path, "void f(void)\n{\n\t" + text + "\n}\n"}, &conditions{f.config, make(map[string]bool)})
}

var labelRE = regexp.MustCompile(`\w\s*:`)

// locals declares the labels of statements that stand twice in a function.
func (f *file) locals(text string) string {
	if !labelRE.MatchString(text) {
		return ""
	}
	part, err := f.fragment(text)
	if err != nil { // it is a part of what has been parsed
		return ""
	}
	return declareLabels(part.labelsIn(0, len(part.src.Text)))
}

// declareLabels declares labels that are known only in a block. The declaration has to stand at its begin.
func declareLabels(labels []string) string {
	if len(labels) == 0 {
		return ""
	}
	return "__label__ " + strings.Join(labels, ", ") + "; "
}
