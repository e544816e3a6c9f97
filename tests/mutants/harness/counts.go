// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"os"
	"strings"
	"unicode/utf8"
)

// maxShown is how many characters of a line are shown.
const maxShown = 160

// show returns the place of a mutant and its edit in one line.
func (m *mutant) show() string {
	folder, _, _ := strings.Cut(m.name, "/"+m.file.name+"/")
	return fmt.Sprintf("%s/%s:%d: %s: %s  becomes  %s", folder, m.file.name, m.line, m.kind, shortened(m.was), shortened(m.is))
}

func shortened(s string) string {
	if utf8.RuneCountInString(s) <= maxShown {
		return s
	}
	return string([]rune(s)[:maxShown]) + "..."
}

// What became of a mutant that no test has noticed.
const (
	refused  = "does not compile"
	equal    = "the compiler makes the same code"
	survives = "survives"
)

// became returns the test that noticed a mutant, or what became of it otherwise.
func (o outcome) became() string {
	switch {
	case o.refused != "":
		return refused
	case o.equivalent:
		return equal
	case o.by == "":
		return survives
	}
	return o.by
}

// counts has how many mutants of a package there are.
type counts struct {
	made, refused int
	same          int // the compiler makes the same code
	equivalent    int // a person has said so
	outside       int
	unknown       int // they survive without a reason
	caught        int
	late          int // of the caught, those that the time limit caught
}

// count sums up results.
func count(results []outcome, known []survivor) counts {
	var c counts
	for _, o := range results {
		c.made++
		entry, listed := knows(known, o.name)
		switch o.became() {
		case refused:
			c.refused++
		case equal:
			c.same++
		case survives:
			switch {
			case !listed:
				c.unknown++
			case entry.equivalent:
				c.equivalent++
			default:
				c.outside++
			}
		case timedOut:
			c.late++
			c.caught++
		default:
			c.caught++
		}
	}
	return c
}

// share returns how many of the mutants that a test could notice are caught, in percent.
func (c counts) share() string {
	of := c.caught + c.outside + c.unknown
	if of == 0 {
		return "none"
	}
	return fmt.Sprintf("%.1f %%", 100*float64(c.caught)/float64(of))
}

func (c counts) String() string {
	return fmt.Sprintf("%d mutants: %d do not compile, %d are equivalent (%d of them by the compiler), %d are caught (%d by the time limit), %d survive (%d of them without a reason); %s of those that can be caught are caught",
		c.made, c.refused, c.same+c.equivalent, c.same, c.caught, c.late, c.outside+c.unknown, c.unknown, c.share())
}

// pageFile has the numbers.
const pageFile = "tests/mutants/harness/README.md"

// row returns the row of a package in the table of pageFile.
func (c counts) row(folder string) string {
	return fmt.Sprintf("| `%s` | %d | %d | %d | %d | %d | %d | %d | %s |", folder, c.made, c.refused, c.same, c.equivalent, c.caught, c.late, c.outside, c.share())
}

// updatePage stores the numbers of a package.
func updatePage(folder string, c counts) error {
	text, err := os.ReadFile(pageFile)
	if err != nil {
		return err
	}
	page, err := withRow(string(text), folder, c)
	if err != nil {
		return err
	}
	return os.WriteFile(pageFile, []byte(page), 0o644)
}

// withRow returns a page with other numbers of a package.
func withRow(page, folder string, c counts) (string, error) {
	lines := strings.Split(page, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "| `"+folder+"` |") {
			lines[i] = c.row(folder)
			return strings.Join(lines, "\n"), nil
		}
	}
	return "", fmt.Errorf("%s has no row for `%s`; add one to its table", pageFile, folder)
}
