// SPDX-License-Identifier: BSD-3-Clause

package kconfig

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// srcArch is the architecture whose Kconfig files are read.
const srcArch = "x86"

// model is what the Kconfig files of one architecture say.
type model struct {
	entries   map[string][]*entry // by symbol; one may have several
	selectors map[string][]place  // by selected symbol: the lines that select it; their text is the selecting symbol
}

// place is a line of a Kconfig file. Its text is the line, or the part of it that matters.
type place struct {
	file string
	line int
	text string
}

func (p place) String() string { return fmt.Sprintf("%s:%d", p.file, p.line) }

// entry is one definition of a symbol.
type entry struct {
	name   string
	kind   string // bool, tristate, int, hex or string; "" if another definition has it
	prompt bool
	only   place   // condition of the prompt; its text is "" if there is none
	needs  []place // conditions: its own, and those of the blocks around it
	ranges []place
	choice *choice // that it belongs to, or nil
}

// choice is a group of symbols. Only one of them can be set.
type choice struct {
	place
	members []string
}

// block encloses entries: it is an if, a menu or a choice.
type block struct {
	needs  []place
	choice *choice
}

// reader reads Kconfig files, from the first one to those that it sources.
type reader struct {
	model
	read  func(path string) ([]byte, error)
	stack []block
	seen  map[string]bool
	at    *entry // entry that attributes belong to; nil if they belong to the innermost block or to nothing
	inTop bool   // attributes belong to the innermost block
}

// readModel reads the Kconfig files of a tree by a function that reads one file of it.
func readModel(read func(path string) ([]byte, error)) (model, error) {
	r := reader{model: model{make(map[string][]*entry), make(map[string][]place)}, read: read, seen: make(map[string]bool)}
	return r.model, r.file("Kconfig")
}

// file reads a Kconfig file. Without the file it does nothing: if the tree needs it, make says so.
// A path that leads out of the tree is no file of it.
func (r *reader) file(name string) error {
	if r.seen[name] || !filepath.IsLocal(name) {
		return nil
	}
	r.seen[name] = true
	text, err := r.read(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	helped := -1 // indentation of the help text; 0: not known yet; -1: no help text
	for _, l := range joinLines(name, text) {
		text := strings.TrimSpace(l.text)
		indent := indentation(l.text)
		switch {
		case text == "":
			continue
		case helped == 0 && indent > 0:
			helped = indent
			continue
		case helped > 0 && indent >= helped:
			continue
		}
		helped = -1
		if text == "help" || text == "---help---" {
			helped = 0
			continue
		}
		if err := r.take(place{name, l.line, text}); err != nil {
			return err
		}
	}
	return nil
}

// indentation returns the column of the first character, with tabs of eight.
func indentation(line string) int {
	n := 0
	for _, c := range line {
		switch c {
		case ' ':
			n++
		case '\t':
			n = n/8*8 + 8
		default:
			return n
		}
	}
	return n
}

// joinLines returns the lines of a file. It joins those that end with a backslash.
func joinLines(name string, text []byte) []place {
	var all []place
	joined, first := "", 1
	for i, line := range strings.Split(string(text), "\n") {
		if joined != "" {
			line = strings.TrimSpace(line)
		}
		if head, ok := strings.CutSuffix(line, "\\"); ok {
			joined += strings.TrimRight(head, " \t") + " "
			continue
		}
		all = append(all, place{name, first, joined + line})
		joined, first = "", i+2
	}
	return all
}

var (
	sourceRE = regexp.MustCompile(`^(o?r?source)\s+"([^"]+)"`)
	promptRE = regexp.MustCompile(`^(?:bool|tristate|string|int|hex|prompt)\s+(?:"(?:[^"\\]|\\.)*"|'[^']*')\s*(?:if\s+(.+))?$`)
	selectRE = regexp.MustCompile(`^select\s+(\w+)`)
)

// take reads one line that is no help text.
func (r *reader) take(p place) error {
	p.text = withoutComment(p.text)
	word, rest, _ := strings.Cut(strings.ReplaceAll(p.text, "\t", " "), " ")
	rest = strings.TrimSpace(rest)
	switch word {
	case "config", "menuconfig":
		r.open(rest)
	case "if":
		r.push(block{needs: []place{{p.file, p.line, rest}}})
		r.inTop = false
	case "menu":
		r.push(block{})
	case "choice":
		r.push(block{choice: &choice{place: p}})
	case "endif", "endmenu", "endchoice":
		if len(r.stack) > 0 {
			r.stack = r.stack[:len(r.stack)-1]
		}
		r.at, r.inTop = nil, false
	case "comment", "mainmenu":
		r.at, r.inTop = nil, false
	case "source", "rsource", "osource", "orsource":
		r.at, r.inTop = nil, false
		return r.source(p)
	default:
		r.attribute(p, word, rest)
	}
	return nil
}

// withoutComment cuts off the comment, which begins with a "#" outside of quotes.
func withoutComment(line string) string {
	quote := rune(0)
	for i, c := range line {
		switch {
		case quote == 0 && c == '#':
			return strings.TrimSpace(line[:i])
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case c == quote:
			quote = 0
		}
	}
	return line
}

func (r *reader) push(b block) {
	r.stack = append(r.stack, b)
	r.at, r.inTop = nil, true
}

// open begins the entry of a symbol.
func (r *reader) open(name string) {
	r.at, r.inTop = &entry{name: name}, false
	for _, b := range r.stack {
		r.at.needs = append(r.at.needs, b.needs...)
		if b.choice != nil {
			r.at.choice = b.choice
			b.choice.members = append(b.choice.members, name)
		}
	}
	r.entries[name] = append(r.entries[name], r.at)
}

func (r *reader) source(p place) error {
	m := sourceRE.FindStringSubmatch(p.text)
	if m == nil {
		return nil
	}
	name := strings.NewReplacer("$(SRCARCH)", srcArch, "$(ARCH)", srcArch, "$SRCARCH", srcArch, "$ARCH", srcArch).Replace(m[2])
	if strings.HasSuffix(m[1], "rsource") {
		name = path.Join(path.Dir(p.file), name)
	}
	return r.file(path.Clean(name))
}

// attribute reads a line of an entry or a block.
func (r *reader) attribute(p place, word, rest string) {
	if word == "depends" {
		need := place{p.file, p.line, strings.TrimSpace(strings.TrimPrefix(rest, "on"))}
		switch {
		case r.at != nil:
			r.at.needs = append(r.at.needs, need)
		case r.inTop:
			top := &r.stack[len(r.stack)-1]
			top.needs = append(top.needs, need)
		}
		return
	}
	if r.at == nil {
		return
	}
	switch word {
	case "bool", "tristate", "int", "hex", "string":
		r.at.kind = word
	case "def_bool", "def_tristate":
		r.at.kind = strings.TrimPrefix(word, "def_")
	case "range":
		r.at.ranges = append(r.at.ranges, place{p.file, p.line, rest})
	case "select":
		if m := selectRE.FindStringSubmatch(p.text); m != nil {
			r.selectors[m[1]] = append(r.selectors[m[1]], place{p.file, p.line, r.at.name})
		}
	}
	if m := promptRE.FindStringSubmatch(p.text); m != nil {
		r.at.prompt = true
		if m[1] != "" {
			r.at.only = place{p.file, p.line, m[1]}
		}
	}
}
