// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"os"
	"strings"
)

const (
	readmeFile = "tests/mutants/README.md"
	tableBegin = "<!-- from tests/mutants/list; make mutants UPDATE=yes rewrites it -->\n"
	tableEnd   = "<!-- end -->\n"
)

// unknown is what a row shows for a mutant that has not been run.
const unknown = "?"

// updateReadme stores results in the tables. Rows of mutants that were not run
// stay as they are.
func updateReadme(all []mutant, results []result) error {
	text, err := os.ReadFile(readmeFile)
	if err != nil {
		return err
	}
	before, tables, after, err := splitReadme(string(text))
	if err != nil {
		return err
	}
	last := parseTables(tables)
	for _, r := range results {
		switch {
		case r.wrong != nil:
			delete(last, r.String())
		case r.equivalent != "":
			last[r.String()] = "nothing: " + r.equivalent
		default:
			last[r.String()] = shortened(r.caught, 4)
		}
	}
	return os.WriteFile(readmeFile, []byte(before+tableBegin+formatTables(all, last)+tableEnd+after), 0o644)
}

func splitReadme(text string) (before, tables, after string, err error) {
	before, rest, ok := strings.Cut(text, tableBegin)
	tables, after, ended := strings.Cut(rest, tableEnd)
	if !ok || !ended {
		return "", "", "", fmt.Errorf("%s lacks %q or %q", readmeFile, tableBegin, tableEnd)
	}
	return before, tables, after, nil
}

// formatTables returns a table for each series. last has what caught each
// mutant.
func formatTables(all []mutant, last map[string]string) string {
	var b strings.Builder
	for i, m := range all {
		if i == 0 || m.series != all[i-1].series {
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
