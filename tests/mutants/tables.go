// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"

	"timens-vmtest/kernel/source"
	"timens-vmtest/vmtest/run"
)

// tableFiles are the pages that have a table of results, by the name of the base.
var tableFiles = map[string]string{
	source.DefaultRelease: "tests/mutants/README.md",
	"7.3":                 "tests/mutants/7.3.md",
}

const (
	tableBegin = "<!-- from tests/mutants/list; make mutants UPDATE=yes rewrites it -->\n"
	tableEnd   = "<!-- end -->\n"
)

// A row shows this for a mutant that has not been run, that no test can notice, and
// that has no counterpart on the kernel.
const (
	unknown = "?"
	nothing = "nothing: "
	none    = "none: "
)

// updateTables stores results in the tables of a page. Rows of mutants that were not run
// stay as they are.
func updateTables(file string, all []mutant, results []result) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, tables, after, err := splitPage(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	last := parseTables(tables)
	for _, r := range results {
		switch {
		case r.wrong != nil:
			delete(last, r.String())
		case r.apart != "":
			last[r.String()] = none + r.apart
		case r.equivalent != "":
			last[r.String()] = nothing + r.equivalent
		default:
			last[r.String()] = shortened(r.caught, 4)
		}
	}
	return os.WriteFile(file, []byte(before+tableBegin+formatTables(all, last)+tableEnd+after), 0o644)
}

// readTables returns the last column of each mutant on a page.
func readTables(file string) (map[string]string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	_, tables, _, err := splitPage(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return parseTables(tables), nil
}

func splitPage(text string) (before, tables, after string, err error) {
	before, rest, ok := strings.Cut(text, tableBegin)
	tables, after, ended := strings.Cut(rest, tableEnd)
	if !ok || !ended {
		return "", "", "", fmt.Errorf("the page lacks %q or %q", tableBegin, tableEnd)
	}
	return before, tables, after, nil
}

// formatTables returns a table for each series of which a mutant has ever been run. last
// has what caught each mutant.
func formatTables(all []mutant, last map[string]string) string {
	ran := make(map[string]bool)
	for _, m := range all {
		ran[m.series] = ran[m.series] || last[m.String()] != ""
	}
	var b strings.Builder
	series := ""
	for _, m := range all {
		if !ran[m.series] {
			continue
		}
		if m.series != series {
			series = m.series
			fmt.Fprintf(&b, "\n### %s\n\n| mutant | what a user would see | caught by |\n|---|---|---|\n", m.series)
		}
		caught, ok := last[m.String()]
		if !ok {
			caught = unknown
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", m.name, cell(m.seen), cell(caught))
	}
	return b.String() + "\n"
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

// parseTables reads the last column of each mutant.
func parseTables(tables string) map[string]string {
	last := make(map[string]string)
	series := ""
	for line := range strings.Lines(tables) {
		line = strings.TrimSuffix(line, "\n")
		if name, ok := strings.CutPrefix(line, "### "); ok {
			series = name
		}
		row := strings.Split(strings.Trim(strings.ReplaceAll(line, `\|`, "\x00"), "| "), " | ")
		if len(row) == 3 && nameRE.MatchString(row[0]) && row[0] != "mutant" && row[2] != unknown {
			last[series+"/"+row[0]] = strings.ReplaceAll(row[2], "\x00", "|")
		}
	}
	return last
}

var testRE = regexp.MustCompile(`[a-z0-9/-]+\.Test\w+`)

// selects returns the -run regular expression of the tests that a row names; "" if it
// names none.
func selects(row string) string {
	if strings.HasPrefix(row, nothing) || strings.HasPrefix(row, none) {
		return ""
	}
	names := testRE.FindAllString(row, -1)
	if names == nil {
		return ""
	}
	return run.Only(names)
}
