// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// wakeEnv is the environment variable with the number of the mutant that is awake.
const wakeEnv = "HARNESS_MUTANT"

// wakeFile is added to a package whose mutants sleep.
const wakeFile = "harness_mutant.go"

const wakeText = `package %s

import (
	"os"
	"strconv"
)

var harnessMutant, _ = strconv.Atoi(os.Getenv(%q))
`

// asleep returns the files of the package with all mutants in them, by their names. Each
// function stands there once for each of its mutants, so that any edit can sleep:
//
//	func f(a int) int { switch harnessMutant { case 17: return func() int { WITH 17 }() }; WITHOUT }
//
// A variable gets its value from such a function. The number of a mutant is its index plus one.
// The mutants that do not compile there are left out, and returned. Those that are not chosen are left out, too.
func (s *source) asleep(all []*mutant, chosen func(*mutant) bool) (texts map[string]string, refused map[*mutant]string, err error) {
	refused = make(map[*mutant]string)
	out := func(m *mutant) bool { _, no := refused[m]; return no || !chosen(m) }
	for {
		texts = map[string]string{wakeFile: fmt.Sprintf(wakeText, s.pkg.Name(), wakeEnv)}
		var regions []region
		for _, f := range s.files {
			text, in := f.asleep(all, out)
			texts[f.name] = text
			regions = append(regions, in...)
		}
		_, _, _, faults := s.check(texts)
		if len(faults) == 0 {
			return texts, refused, nil
		}
		for _, found := range faults {
			i := slices.IndexFunc(regions, func(r region) bool { return r.file == found.file && r.begin <= found.at && found.at < r.end })
			if i < 0 {
				return nil, nil, fmt.Errorf("%s with its mutants does not compile, and no mutant is to blame: %w", s.folder, found)
			}
			refused[regions[i].mutant] = found.msg
		}
	}
}

// region is where a mutant sleeps.
type region struct {
	file       string
	begin, end int
	mutant     *mutant
}

// asleep returns the text of a file with its mutants, but for those for which out returns true.
func (f *file) asleep(all []*mutant, out func(*mutant) bool) (string, []region) {
	var b strings.Builder
	var regions []region
	within := make(map[*definition][]int)
	var order []*definition
	for i, m := range all {
		if m.file != f || !m.in.sleeps() || out(m) {
			continue
		}
		if within[m.in] == nil {
			order = append(order, m.in)
		}
		within[m.in] = append(within[m.in], i)
	}
	slices.SortFunc(order, func(a, b *definition) int { return cmp.Compare(a.begin, b.begin) })
	last := 0
	for _, d := range order {
		b.WriteString(f.soft[last:d.begin])
		if !d.function {
			fmt.Fprintf(&b, "func() %s {", d.typ)
		}
		b.WriteString(" switch harnessMutant {")
		for _, i := range within[d] {
			m := all[i]
			begin := b.Len()
			with := f.text[d.begin:m.begin] + m.new + f.text[m.end:d.end]
			switch {
			case !d.function:
				fmt.Fprintf(&b, " case %d: return %s\n", i+1, with)
			case d.results == "":
				fmt.Fprintf(&b, " case %d: func() {%s\n}(); return\n", i+1, with)
			default:
				fmt.Fprintf(&b, " case %d: return func() %s {%s\n}()\n", i+1, d.results, with)
			}
			regions = append(regions, region{f.name, begin, b.Len(), m})
		}
		b.WriteString(" }; ")
		if d.function {
			b.WriteString(f.text[d.begin:d.end])
		} else {
			fmt.Fprintf(&b, "return %s }()", f.text[d.begin:d.end])
		}
		last = d.end
	}
	b.WriteString(f.soft[last:])
	return b.String(), regions
}
