// SPDX-License-Identifier: BSD-3-Clause

package ktap

import (
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	const output = "TAP version 13\nok 2 second # of two\n1..4\n# a comment\nok 1 - first\nnot ok 3 third\nok 4 # SKIP no such clock\n# Totals: pass:2 fail:1\n1..4\n"
	got, err := Parse(output)
	want := []Row{{"first", true, ""}, {"second # of two", true, ""}, {"third", false, ""}, {"", true, "no such clock"}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

func TestParseRefuses(t *testing.T) {
	for output, want := range map[string]string{
		"":                                "there is no plan",
		"ok 1 a\n":                        "there is no plan",
		"1..0 # SKIP no such member\n":    "it planned nothing",
		"1..0\n":                          "it planned nothing",
		"1..2\nok 1 a\n":                  "1 rows, 2 were planned",
		"1..2\nok 2 a\n":                  "row 1 of 2 is missing",
		"1..1\nok 1 a\nok 2 b\n":          "2 rows, 1 were planned",
		"1..2\nok 1 a\nok 1 a\nok 2 b\n":  "row 1 is there twice",
		"1..1\n1..2\nok 1 a\n":            "a second plan",
		"1..1\nBail out! No memory\n":     "Bail out! No memory",
		"1..1\nok 0 a\n":                  "no number that a row can have",
		"1..1\nok 99999999999999999999 a": "no number that a row can have",
	} {
		if rows, err := Parse(output); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, %v, want an error that says %q", output, rows, err, want)
		}
	}
}
