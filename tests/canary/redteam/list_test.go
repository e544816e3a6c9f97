// SPDX-License-Identifier: BSD-3-Clause

package redteam

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// listFile lists every behaviour and what the harness must report of it.
const listFile = "../behaviours.txt"

// fixtures is the folder of the recorded runs of the judge's tests.
const fixtures = "../../../vmtest/verdict/testdata"

// behaviour is one way for a guest to behave.
type behaviour struct {
	name  string   // its recorded run has the same name
	test  string   // the Test function of tests/canary that does it
	does  string   // what it does, for the page
	flags []string // further flags of vmtest run
	// unrecorded is the reason why no recorded run is kept.
	unrecorded string
	want       []string // lines of outcome.lines
}

// parseList reads a list: a name, then one indented line for each member. Lines
// before the first name that begin with "#" are returned as head.
func parseList(text string) (head string, all []behaviour, err error) {
	for i, line := range strings.Split(text, "\n") {
		fail := func(why string) error { return fmt.Errorf("%s:%d: %q %s", filepath.Base(listFile), i+1, line, why) }
		switch {
		case strings.HasPrefix(line, "#") && all == nil:
			head += line + "\n"
			continue
		case line == "":
			continue
		case strings.HasPrefix(line, "#"):
			return "", nil, fail("is a comment; comments may stand only before the first behaviour")
		case !strings.HasPrefix(line, "\t"):
			if slices.ContainsFunc(all, func(b behaviour) bool { return b.name == line }) {
				return "", nil, fail("is given twice")
			}
			all = append(all, behaviour{name: line})
			continue
		case len(all) == 0:
			return "", nil, fail("belongs to no behaviour")
		}
		b := &all[len(all)-1]
		key, value, _ := strings.Cut(line[1:], " ")
		switch value = strings.TrimSpace(value); key {
		case "test":
			b.test = value
		case "does":
			b.does = value
		case "flags":
			b.flags = strings.Fields(value)
		case "unrecorded":
			b.unrecorded = value
		case "want":
			b.want = append(b.want, value)
		default:
			return "", nil, fail("has an unknown member")
		}
	}
	return head, all, nil
}

// formatList is the inverse of parseList.
func formatList(head string, all []behaviour) string {
	var b strings.Builder
	b.WriteString(head)
	for _, one := range all {
		fmt.Fprintf(&b, "\n%s\n\ttest %s\n\tdoes %s\n", one.name, one.test, one.does)
		if one.flags != nil {
			fmt.Fprintf(&b, "\tflags %s\n", strings.Join(one.flags, " "))
		}
		if one.unrecorded != "" {
			fmt.Fprintf(&b, "\tunrecorded %s\n", one.unrecorded)
		}
		for _, line := range one.want {
			fmt.Fprintf(&b, "\twant %s\n", line)
		}
	}
	return b.String()
}

// loadList reads the list.
func loadList(t *testing.T) (head string, all []behaviour) {
	t.Helper()
	text, err := os.ReadFile(listFile)
	if err != nil {
		t.Fatal(err)
	}
	head, all, err = parseList(string(text))
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatalf("%s lists nothing", listFile)
	}
	return head, all
}

const tableBegin = "<!-- from tests/canary/behaviours.txt; make canary UPDATE=yes rewrites it -->\n"

// table returns the page's table of behaviours and of what vmtest reports.
func table(all []behaviour) string {
	var b strings.Builder
	b.WriteString("| name | what happens | verdict | tests | first finding |\n|---|---|---|---|---|\n")
	for _, one := range all {
		verdict, tests, says := "", "", ""
		for i, line := range one.want {
			switch i {
			case 0:
				verdict = line
			case 1:
				tests = line
			case 2:
				_, says, _ = strings.Cut(line, ": ")
			}
		}
		cell := func(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", one.name, cell(one.does), cell(verdict), cell(tests), cell(says))
	}
	return b.String()
}

const pageFile = "../../../docs/misbehaving-guests.md"
