// SPDX-License-Identifier: BSD-3-Clause

package outgoing

import (
	"strings"
	"testing"
)

// The cover letters are what git writes, and what a person writes.
func TestParseCover(t *testing.T) {
	const blurb = "Programs want it.\n\nName (1):\nthis is no list of git.\n"
	for name, tc := range map[string]struct{ text, subject, body string }{
		"by hand":       {"Subject: clone3: Take offsets\n\n" + blurb, "clone3: Take offsets", blurb},
		"lines with CR": {"Subject: x\r\n\r\nA\r\n", "x", "A\n"},
		"of git": {"From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001\nFrom: A <a@example.org>\nSubject: [PATCH v2 0/2] clone3:\n Take offsets\n\n" + blurb +
			"\nA. Author (2):\n  one\n  two\n\n a.c | 2 +-\n 1 file changed\n\n-- \n2.39.5\n", "clone3: Take offsets", blurb},
		"encoded": {"Subject: =?UTF-8?q?=C3=84nderung?=\n\nA\n", "Änderung", "A\n"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseCover([]byte(tc.text))
			if want := (Cover{tc.subject, tc.body}); err != nil || got != want {
				t.Errorf("got %q, %v, want %q", got, err, want)
			}
		})
	}
	if c, err := ParseCover([]byte("Programs want it.\n")); err == nil {
		t.Errorf("a text without a header became %q", c)
	}
}

func TestCoverFaults(t *testing.T) {
	for text, want := range map[string]string{
		"Subject: x\n\nWhy.\n":                                                 "",
		"Subject: [PATCH 0/2]\n\nWhy.\n":                                       "no subject",
		"Subject: [PATCH 0/2] *** SUBJECT HERE ***\n\nWhy.\n":                  "no subject",
		"Subject: x\n\n":                                                       "says nothing",
		"Subject: x\n\n*** BLURB HERE ***\n":                                   "says nothing",
		"Subject: *** SUBJECT HERE ***\n\n*** BLURB HERE ***\n\nA (1):\n  b\n": "no subject, the cover letter says nothing",
	} {
		c, err := ParseCover([]byte(text))
		got := strings.Join(c.Faults(), ", ")
		if err != nil || want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%q: got %q, %v, want %q", text, got, err, want)
		}
	}
}

// The line for results stands alone. Results are taken as they are.
func TestWithResults(t *testing.T) {
	c := Cover{"s", "Why.\n\n" + ResultsLine + "\n\nSince v1: nothing.\n"}
	for results, want := range map[string]string{
		"Presubmit  pass\nBase $1\n": "Why.\n\nPresubmit  pass\nBase $1\n\nSince v1: nothing.\n",
		"":                           "Why.\n\nSince v1: nothing.\n",
	} {
		if got := c.WithResults([]byte(results)); got.Body != want || got.Subject != "s" {
			t.Errorf("with %q: got %q, want %q", results, got, want)
		}
	}
	if !c.AsksResults() || (Cover{"s", "It says " + ResultsLine + ".\n"}).AsksResults() {
		t.Error("the line for results is not told from a text that quotes it")
	}
}
