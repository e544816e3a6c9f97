// SPDX-License-Identifier: BSD-3-Clause

package generate

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Switch is the variable that selects a mutant. SwitchHeader declares it.
const (
	Switch       = "vmtest_mutant"
	SwitchHeader = "linux/vmtest_mutant.h"
)

// Asleep is a mutant of a file that has many. The file is as without it unless Switch is its
// number.
type Asleep struct {
	Mutant
	Number  int
	Refused int // how many places of the mutant the compiler has refused
}

// Composed is a file with many mutants, each behind the switch.
type Composed struct {
	Text  string
	Alone map[int]string // by the number: why a mutant cannot be behind the switch
	spans []span
}

// span is a part of a composed text. Of some mutants it is the code.
type span struct {
	begin, end int
	numbers    []int
	edited     bool // it is the code with the edit
}

// file is a C file that has been parsed. Its generator knows the nodes' texts.
type file struct {
	generator
	root *node
}

// Compose writes a file in which all mutants are asleep. The mutants are those that Generate has made
// of the file.
func Compose(src Source, config Config, all []Asleep) (Composed, error) {
	known := conditions{config, make(map[string]bool)}
	code, loops, err := mask(src.Text, &known)
	if err != nil {
		return Composed{}, fmt.Errorf("%s: %w", src.Path, err)
	}
	root, err := parse(code)
	if err != nil {
		return Composed{}, fmt.Errorf("%s: %w", src.Path, err)
	}
	f := &file{generator{src: src, code: code, loops: loops}, root}
	c := Composed{Alone: make(map[int]string)}
	var parts []part
	for _, m := range all {
		if InVDSO(m.File) {
			c.Alone[m.Number] = "code of the vDSO runs in user space, and cannot read the switch"
			continue
		}
		places := f.places(m.Mutant)
		switch {
		case len(places) == 0:
			c.Alone[m.Number] = "what it edits is constant, or has a label or a static variable in it, or is long"
		case m.Refused >= len(places):
			c.Alone[m.Number] = "the compiler refuses it behind the switch"
		default:
			parts = append(parts, part{places[m.Refused], m})
		}
	}
	w := writer{text: src.Text, c: &c}
	if len(parts) > 0 {
		fmt.Fprintf(&w.out, "#include <%s>\n", SwitchHeader)
	}
	w.write(0, len(src.Text), nested(parts))
	c.Text = w.out.String()
	return c, nil
}

var vdsoRE = regexp.MustCompile(`^(lib/vdso|include/vdso|arch/\w+/include/asm/vdso|arch/\w+/entry/vdso)/`)

// InVDSO says whether the code of a file runs in user space.
func InVDSO(path string) bool {
	return vdsoRE.MatchString(path) && !strings.HasSuffix(path, "/vma.c")
}

// part is a mutant and the place at which it is switched.
type part struct {
	place
	m Asleep
}

// edited returns the code of the place with the edit.
func (p part) edited(text string) string {
	return text[p.begin:p.m.Begin] + p.m.New + text[p.m.End:p.end]
}

// nested sorts parts so that each is followed by those that lie in it. Two that overlap otherwise
// swap neighbours in one list of statements; both become as large as the two together.
func nested(parts []part) []part {
	for {
		slices.SortStableFunc(parts, func(a, b part) int {
			if a.begin == b.begin && (a.form == asInsertion) != (b.form == asInsertion) {
				return cmp.Compare(a.form, b.form)
			}
			return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(b.end, a.end), cmp.Compare(a.form, b.form))
		})
		i, j, crossed := crossing(parts)
		if !crossed {
			return parts
		}
		parts[j].begin, parts[i].end = parts[i].begin, parts[j].end
	}
}

// crossing returns two of the sorted parts of which none lies in the other.
func crossing(parts []part) (i, j int, crossed bool) {
	for i := range parts {
		for j := i + 1; j < len(parts) && parts[j].begin < parts[i].end; j++ {
			if parts[j].end > parts[i].end {
				return i, j, true
			}
		}
	}
	return 0, 0, false
}

// writer writes a composed file.
type writer struct {
	text string
	out  strings.Builder
	c    *Composed
}

// write writes the text from begin to end, with the parts that lie in it.
func (w *writer) write(begin, end int, parts []part) {
	for len(parts) > 0 {
		p := parts[0]
		w.out.WriteString(w.text[begin:p.begin])
		begin = p.end
		if p.form == asInsertion {
			w.insert(p)
			parts = parts[1:]
			continue
		}
		same := 1 // mutants of one place
		for same < len(parts) && parts[same].place == p.place {
			same++
		}
		inner := same // and those within it
		for inner < len(parts) && parts[inner].begin < p.end {
			inner++
		}
		w.choose(parts[:same], parts[same:inner])
		parts = parts[inner:]
	}
	w.out.WriteString(w.text[begin:end])
}

// insert writes a statement that is there only with its mutant.
func (w *writer) insert(p part) {
	at := w.out.Len()
	fmt.Fprintf(&w.out, "if (%s == %d) ", Switch, p.m.Number)
	w.out.WriteString(strings.TrimLeft(p.m.New, " \t\n"))
	w.span(span{begin: at, numbers: []int{p.m.Number}, edited: true})
}

// span notes what the text from s.begin up to here is.
func (w *writer) span(s span) {
	s.end = w.out.Len()
	w.c.spans = append(w.c.spans, s)
}

// choose writes a switch between mutants of one place and the code without any of them, in which
// others may lie.
func (w *writer) choose(same, inner []part) {
	p, whole := same[0].place, w.out.Len()
	begin, test, then, otherwise, end := "(", Switch+" == %d ? (", ") : ", "(", "))"
	switch p.form {
	case asStatement:
		begin, test, then, otherwise, end = "{ ", "if ("+Switch+" == %d) { ", " } else ", "{ ", " } }"
	case asTruth:
		test, otherwise = Switch+" == %d ? !!(", "!!("
	}
	w.out.WriteString(begin)
	var numbers []int
	for _, one := range same {
		fmt.Fprintf(&w.out, test, one.m.Number)
		at := w.out.Len()
		w.out.WriteString(one.edited(w.text))
		w.span(span{begin: at, numbers: []int{one.m.Number}, edited: true})
		w.out.WriteString(then)
		numbers = append(numbers, one.m.Number)
	}
	w.out.WriteString(otherwise)
	w.write(p.begin, p.end, inner)
	w.out.WriteString(end)
	w.span(span{begin: whole, numbers: numbers})
}

// Suspects returns the numbers of the mutants that may be why the compiler says something about a
// place of the text. It is the one whose edited code is there, or else those that are switched
// there, or those that end before. Lines and columns count from 1.
// edited says that it is the edited code that is refused.
func (c Composed) Suspects(line, column int) (numbers []int, edited bool) {
	at := 0
	for n := 1; n < line; n++ {
		end := strings.IndexByte(c.Text[at:], '\n')
		if end < 0 {
			return nil, false
		}
		at += end + 1
	}
	at += column - 1
	var found span
	var before []int
	for _, s := range c.spans {
		switch {
		case s.begin <= at && at < s.end:
			if found.numbers == nil { // the inner ones come first
				found = s
			}
		case s.end <= at && at <= len(c.Text) && strings.Trim(c.Text[s.end:at], " \t\n};") == "":
			before = append(before, s.numbers...)
		}
	}
	if beside := c.beside(found, at); found.numbers != nil && !found.edited && beside != nil {
		return beside, false
	}
	if found.numbers == nil && before == nil {
		for _, s := range c.spans { // what the compiler says here may come from the last one before
			if s.end <= at && s.end > found.end {
				found = s
			}
		}
		found.edited = false
	}
	found.numbers = append(slices.Clone(found.numbers), before...)
	slices.Sort(found.numbers)
	return slices.Compact(found.numbers), found.edited
}

// beside returns the numbers of the mutants that are switched in the same statement as a place, within a span. The
// code of the span was there before, so one of them may have given an operand another type, or a macro
// an argument that it does not take.
func (c Composed) beside(in span, at int) []int {
	begin := strings.LastIndexAny(c.Text[:at], ";{}") + 1
	end := len(c.Text)
	if n := strings.IndexAny(c.Text[at:], ";{}"); n >= 0 {
		end = at + n
	}
	var numbers []int
	for _, s := range c.spans {
		if !s.edited && begin <= s.begin && s.begin < end && in.begin < s.begin && s.end < in.end {
			numbers = append(numbers, s.numbers...)
		}
	}
	slices.Sort(numbers)
	return slices.Compact(numbers)
}
