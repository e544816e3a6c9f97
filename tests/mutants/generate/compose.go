// SPDX-License-Identifier: BSD-3-Clause

package generate

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Switch is the variable that selects a mutant. SwitchHeader declares it.
const (
	Switch       = "vmtest_mutant"
	SwitchHeader = "linux/vmtest_mutant.h"
)

// Asleep is an edit of a mutant in a file that has many. The file is as without it unless Switch is its
// number. A mutant of a list may have several edits, with one number.
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

// Compose writes a file in which all mutants are asleep. The mutants are those that Generate has made
// of the file, or those that Diff has found in it.
func Compose(src Source, config Config, all []Asleep) (Composed, error) {
	f, err := read(src, &conditions{config, make(map[string]bool)})
	if err != nil {
		return Composed{}, err
	}
	c := Composed{Alone: make(map[int]string)}
	numbered := make(map[int][]Asleep)
	for _, m := range all {
		numbered[m.Number] = append(numbered[m.Number], m)
	}
	var parts []part
	for _, number := range slices.Sorted(maps.Keys(numbered)) {
		some, why := f.parts(numbered[number])
		if parts = append(parts, some...); why != "" {
			c.Alone[number] = why
		}
	}
	w := writer{file: f, c: &c}
	if len(parts) > 0 {
		fmt.Fprintf(&w.out, "#include <%s>\n", SwitchHeader)
	}
	w.write(0, len(src.Text), merge(nested(parts)))
	c.Text = w.out.String()
	return c, nil
}

// parts returns where the edits of a mutant are switched, or why the mutant cannot be behind the switch.
func (f *file) parts(edits []Asleep) (all []part, why string) {
	number, refused, most := edits[0].Number, edits[0].Refused, 0
	for _, m := range edits {
		if InVDSO(m.File) {
			return nil, "code of the vDSO runs in user space, and cannot read the switch"
		}
		places := f.places(m.Mutant, edits)
		if len(places) == 0 {
			return nil, "what it edits is constant or outside of functions, or can only be copied together with a static variable or very much code"
		}
		most = max(most, len(places))
		all = append(all, part{places[min(refused, len(places)-1)], number, []Mutant{m.Mutant}})
	}
	if refused >= most {
		return nil, "the compiler refuses it behind the switch"
	}
	return all, ""
}

var vdsoRE = regexp.MustCompile(`^(lib/vdso|include/vdso|arch/\w+/include/asm/vdso|arch/\w+/entry/vdso)/`)

// The kernel runs these: they map the vDSO and its data.
var vdsoInKernelRE = regexp.MustCompile(`/(vma|datastore)\.c$`)

// InVDSO says whether the code of a file runs in user space.
func InVDSO(path string) bool {
	return vdsoRE.MatchString(path) && !vdsoInKernelRE.MatchString(path)
}

// part is edits of a mutant, and the place at which they are switched.
type part struct {
	place
	number int
	edits  []Mutant // in the order of the text
}

// replaced returns a part of a text with edits made.
func replaced(text string, begin, end int, edits []Mutant) string {
	var b strings.Builder
	for _, e := range edits {
		b.WriteString(text[begin:e.Begin])
		b.WriteString(e.New)
		begin = e.End
	}
	b.WriteString(text[begin:end])
	return b.String()
}

// byPlace sorts edits in the order of the text.
func byPlace(edits []Mutant) {
	slices.SortStableFunc(edits, func(a, b Mutant) int { return cmp.Or(cmp.Compare(a.Begin, b.Begin), cmp.Compare(a.End, b.End)) })
}

// nested sorts parts so that each is followed by those that lie in it. Two that overlap otherwise
// are parts of one list of statements; both become as large as the two together.
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

// merge makes one part of those of one mutant that lie in each other.
func merge(parts []part) []part {
	var all []part
	for _, p := range parts {
		around := slices.IndexFunc(all, func(o part) bool { return o.number == p.number && o.begin <= p.begin && p.begin < o.end })
		if around < 0 {
			all = append(all, p)
			continue
		}
		all[around].edits = append(all[around].edits, p.edits...)
		byPlace(all[around].edits)
	}
	return all
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
	file *file
	out  strings.Builder
	c    *Composed
}

func (w *writer) text() string { return w.file.src.Text }

// write writes the text from begin to end, with the parts that lie in it.
func (w *writer) write(begin, end int, parts []part) {
	for len(parts) > 0 {
		p := parts[0]
		w.out.WriteString(w.text()[begin:p.begin])
		begin = p.end
		if p.form == asInsertion || p.form == asInclude {
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
	w.out.WriteString(w.text()[begin:end])
}

// insert writes statements that are there only with their mutant, or a line that is there for all.
func (w *writer) insert(p part) {
	at, m := w.out.Len(), p.edits[0]
	switch {
	case p.form == asInclude:
		w.out.WriteString(m.New)
	case m.Kind == Listed:
		fmt.Fprintf(&w.out, "if (%s == %d) { %s%s } ", Switch, p.number, w.file.locals(m.New), m.New)
	default:
		fmt.Fprintf(&w.out, "if (%s == %d) %s", Switch, p.number, strings.TrimLeft(m.New, " \t\n"))
	}
	w.span(span{begin: at, numbers: []int{p.number}, edited: true})
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
		begin, test, then, otherwise, end = "{ ", "if ("+Switch+" == %d) { ", " } else ", "{ "+w.locals(p, inner), " } }"
	case asTruth:
		test, otherwise = Switch+" == %d ? !!(", "!!("
	}
	w.out.WriteString(begin)
	var numbers []int
	for _, one := range same {
		fmt.Fprintf(&w.out, test, one.number)
		at, edited := w.out.Len(), replaced(w.text(), p.begin, p.end, one.edits)
		if p.form == asStatement {
			w.out.WriteString(w.file.locals(edited))
		}
		w.out.WriteString(edited)
		w.span(span{begin: at, numbers: []int{one.number}, edited: true})
		w.out.WriteString(then)
		numbers = append(numbers, one.number)
	}
	w.out.WriteString(otherwise)
	w.write(p.begin, p.end, inner)
	w.out.WriteString(end)
	w.span(span{begin: whole, numbers: numbers})
}

// locals declares the labels of a place, as its statements stand twice. Those of a place within it are declared there.
func (w *writer) locals(p place, inner []part) string {
	var labels []string
	for _, l := range w.file.labels {
		if p.begin <= l.at && l.at < p.end && !slices.ContainsFunc(inner, func(i part) bool { return i.form == asStatement && i.begin <= l.at && l.at < i.end }) {
			labels = append(labels, l.label)
		}
	}
	return declareLabels(labels)
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
