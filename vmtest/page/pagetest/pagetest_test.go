// SPDX-License-Identifier: BSD-3-Clause

package pagetest

import (
	"strings"
	"testing"
	"testing/fstest"
)

// head begins a page without faults.
const head = `<!DOCTYPE html><html lang="en"><meta http-equiv="Content-Security-Policy" content="default-src 'none'"><h1>T</h1>`

func TestFaults(t *testing.T) {
	files := fstest.MapFS{"a b/report.html": {}}
	for page, want := range map[string]string{
		head + `<a href="a%20b/report.html">x</a><a href="#x">y</a><p id="x">`: "",
		"<h1>T</h1>": "the page has no language",
		strings.Replace(head, "default", "img", 1):                           "it has no Content-Security-Policy",
		head + "<h1>T</h1>":                                                  "it has 2 headings of the first level",
		head + "<h3>T</h3>":                                                  `the heading "T" is of level 3`,
		head + `<p id="x"><b id="x">`:                                        "two elements have the id x",
		head + `<a href="a/b">`:                                              "the link a/b: ",
		head + `<a href="../x">`:                                             "the link ../x: ",
		head + `<a href="#x">`:                                               "#x leads nowhere",
		head + `<a href="https://example.org/">`:                             "leads out of the folder",
		head + `<a href="//example.org/">`:                                   "leads out of the folder",
		head + `<a href="javascript:x()">`:                                   "leads out of the folder",
		head + `<img src="x">`:                                               "it has an element img",
		head + `<p onclick="x()">`:                                           "p has the attribute onclick",
		head + `<p style="x">`:                                               "p has the attribute style",
		head + `<script>x()</script>`:                                        "its policy does not allow its script",
		head + `<style>p { background: url(x) }</style>`:                     "the style sheet loads something",
		head + `<div role="region" tabindex="0" aria-label="x"><table><th>a`: `the heading "a" of a table has no scope`,
		head + `<table>`:                                                     "a table is in no region",
		head + `<div role="region" tabindex="0">`:                            "a region has no name",
		head + `<div role="region" aria-label="x">`:                          "a keyboard cannot reach it",
		head + `<svg role="img">`:                                            "has no name",
		head + `<abbr>x</abbr>`:                                              `abbr "x" has no name`,
		head + `<section aria-labelledby="x">`:                               "section is labelled by x, which is not there",
		head + `<span class="bad">fail</span>`:                               `"fail" has a colour and no shape`,
		head + strings.Repeat("x", 1_000_000):                                "it has 1",
	} {
		got := strings.Join(Faults([]byte(page), files), "\n")
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%.200s: got %q, want %q", page, got, want)
		}
	}
}
