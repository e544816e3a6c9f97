// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/txtar"

	"timens-vmtest/kernel/source"
)

// mutant is a small wrong edit of a kernel that a test must notice.
type mutant struct {
	series string // series whose kernel it edits
	name   string // unique in its series
	seen   string // what a user would see
	run    string // -run regular expression of the tests that are likely to notice
	tests  string // -tests folders; "" means those of every run
	// generated says that a machine made the mutant: no list has it, and run is empty.
	generated bool
	// equivalent is the reason why no test can notice; "" if one must.
	equivalent string
	// none has the releases on which the mutant has no counterpart, and why.
	none    map[source.Release]string
	changes []change
}

func (m mutant) String() string { return m.series + "/" + m.name }

// loadLists reads all lists of a folder. A list that names several series adds
// its mutants to each.
func loadLists(dir string) ([]mutant, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s has no list", dir)
	}
	var all []mutant
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			return nil, err
		}
		some, err := parseList(a)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		all = append(all, some...)
	}
	seen := make(map[string]bool)
	for _, m := range all {
		if seen[m.String()] {
			return nil, fmt.Errorf("%s: there are two %v", dir, m)
		}
		seen[m.String()] = true
	}
	slices.SortStableFunc(all, func(a, b mutant) int { return strings.Compare(a.series, b.series) })
	return all, nil
}

// parseList reads one list. A line "series" in the archive's comment names one
// or more series. Each file of the archive is a mutant.
func parseList(a *txtar.Archive) ([]mutant, error) {
	var series []string
	for line := range strings.Lines(string(a.Comment)) {
		if names, ok := strings.CutPrefix(line, "series "); ok {
			series = append(series, strings.Fields(names)...)
		}
	}
	if len(series) == 0 {
		return nil, fmt.Errorf("no line \"series\" above the first mutant")
	}
	if len(a.Files) == 0 {
		return nil, fmt.Errorf("no mutant")
	}
	var all []mutant
	for _, s := range series {
		for _, f := range a.Files {
			m, err := parseMutant(f)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", f.Name, err)
			}
			m.series = s
			all = append(all, m)
		}
	}
	return all, nil
}

var nameRE = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// parseMutant reads the members, one a line, and the hunks after them. A hunk
// begins with "@@ FILE" or "@@ FILE FUNCTION".
func parseMutant(f txtar.File) (mutant, error) {
	m := mutant{name: f.Name, none: make(map[source.Release]string)}
	if !nameRE.MatchString(f.Name) {
		return mutant{}, fmt.Errorf("the name is not made of small letters, digits and single dashes")
	}
	head, rest, _ := strings.Cut("\n"+string(f.Data), "\n@@ ")
	for line := range strings.Lines(head) {
		if err := m.parseMember(strings.TrimSpace(line)); err != nil {
			return mutant{}, err
		}
	}
	if m.seen == "" || m.run == "" {
		return mutant{}, fmt.Errorf("lacks a line seen or run")
	}
	if _, err := regexp.Compile(m.run); err != nil {
		return mutant{}, err
	}
	if rest == "" {
		return mutant{}, fmt.Errorf("edits nothing")
	}
	for hunk := range strings.SplitSeq(rest, "\n@@ ") {
		if err := m.parseHunk(hunk); err != nil {
			return mutant{}, err
		}
	}
	return m, nil
}

func (m *mutant) parseMember(line string) error {
	key, value, _ := strings.Cut(line, " ")
	switch key {
	case "":
	case "seen":
		m.seen = value
	case "run":
		m.run = value
	case "tests":
		m.tests = value
	case "equivalent":
		m.equivalent = value
	case "none":
		name, reason, _ := strings.Cut(value, " ")
		release, ok := source.ParseRelease(name)
		if !ok || reason == "" {
			return fmt.Errorf("%q: want a release N.N and a reason", line)
		}
		m.none[release] = reason
	default:
		return fmt.Errorf("%q is no member", line)
	}
	return nil
}

// parseHunk reads a hunk. "@@ or FILE FUNCTION" begins another form of the hunk
// above; without lines of its own it has those of the form above.
func (m *mutant) parseHunk(hunk string) error {
	where, lines, _ := strings.Cut(hunk, "\n")
	where, other := strings.CutPrefix(where, "or ")
	file, within, _ := strings.Cut(where, " ")
	if !other {
		e, err := parseEdit(file, within, strings.Split(lines, "\n"))
		m.changes = append(m.changes, change{e})
		return err
	}
	if len(m.changes) == 0 {
		return fmt.Errorf("\"@@ or %s\" has no hunk above", where)
	}
	last := &m.changes[len(m.changes)-1]
	above := (*last)[len(*last)-1]
	e := edit{file, within, above.old, above.new}
	if strings.TrimSpace(lines) != "" {
		var err error
		if e, err = parseEdit(file, within, strings.Split(lines, "\n")); err != nil {
			return err
		}
	}
	*last = append(*last, e)
	return nil
}
