// SPDX-License-Identifier: BSD-3-Clause

package report

import (
	"bytes"
	"fmt"
	"html/template"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"timens-vmtest/vmtest/page/look"
	"timens-vmtest/vmtest/verdict"
)

// Files that Write writes if coverage was measured: the diff of the series, with the tests
// that ran each line.
const (
	CoverageTextFile = "coverage.txt"
	CoverageHTMLFile = "coverage.html"
)

// maxMissing is how many lines that did not run are shown on a screen.
const maxMissing = 8

// coverageSummary prints how many lines ran, which did not, and why others cannot be
// counted.
func coverageSummary(w io.Writer, dir string, c *verdict.CoverageResult) {
	fmt.Fprintf(w, "coverage %s, floor %d %%", c.Summary(), c.Floor.Percent)
	if c.Floor.Reason != "" {
		fmt.Fprintf(w, " (%s)", look.Harmless(c.Floor.Reason))
	}
	fmt.Fprintln(w)
	for i, m := range c.Missing {
		if i == maxMissing {
			fmt.Fprintf(w, "  ... and %d more in %s\n", len(c.Missing)-i, filepath.Join(dir, CoverageTextFile))
			break
		}
		fmt.Fprintf(w, "  not executed: %s:%d: %s\n", look.Harmless(m.Path), m.N, look.Harmless(strings.TrimSpace(m.Text)))
	}
	if len(c.Uncounted) > 0 {
		fmt.Fprintf(w, "  not counted: %s\n", uncounted(c.Uncounted))
	}
}

// uncounted returns a text such as "12 blank; 30 comment", the most frequent reason first.
func uncounted(n map[string]int) string {
	reasons := slices.SortedFunc(maps.Keys(n), func(a, b string) int {
		if n[a] != n[b] {
			return n[b] - n[a]
		}
		return strings.Compare(a, b)
	})
	for i, reason := range reasons {
		reasons[i] = fmt.Sprintf("%d %s", n[reason], reason)
	}
	return strings.Join(reasons, "; ")
}

// Marks in the margin of the annotated diff.
const (
	markRan     = "ran"
	markPartly  = "partly"
	markMissing = "MISSING"
	markNone    = "-"
)

func mark(l verdict.CoveredLine) string {
	switch {
	case l.Op != "+":
		return ""
	case !l.Countable():
		return markNone
	case !l.Executed():
		return markMissing
	case l.Partly:
		return markPartly
	}
	return markRan
}

// by names the tests that ran a line. If there are more than three, it names two and counts
// the others.
func by(l verdict.CoveredLine, tests []string) string {
	if l.Uncounted != "" {
		return l.Uncounted
	}
	var names []string
	for _, n := range l.Tests {
		if n >= 0 && n < len(tests) {
			names = append(names, tests[n])
		}
	}
	if len(names) > 3 {
		return fmt.Sprintf("%s, %s and %d more tests", names[0], names[1], len(names)-2)
	}
	return strings.Join(names, ", ")
}

// CoverageText returns the annotated diff as text. Each line has a mark, its number and its
// text, and the tests that ran it if they differ from those of the line before.
func CoverageText(c *verdict.CoverageResult) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s, floor %d %%\n%s, %s, %s; %s: cannot be counted, for the reason after the line\n",
		c.Summary(), c.Floor.Percent, markRan, markPartly+": some of its code did not", markMissing+": did not run", markNone)
	for _, f := range c.Files {
		fmt.Fprintf(&b, "\n=== %s\n", look.Harmless(f.Path))
		last, said := 0, ""
		for _, l := range f.Lines {
			if l.N > last+1 && last > 0 {
				fmt.Fprintln(&b, "        ...")
			}
			last = max(last, l.N)
			number := ""
			if l.N > 0 {
				number = fmt.Sprint(l.N)
			}
			fmt.Fprintf(&b, "%-7s %5s %s%s", mark(l), number, l.Op, look.Harmless(l.Text))
			if who := by(l, c.Tests); l.Op == "+" && who != "" && who != said {
				fmt.Fprintf(&b, "    <- %s", who)
				said = who
			}
			fmt.Fprintln(&b)
		}
	}
	return b.Bytes()
}

var coveragePage = template.Must(template.New("coverage").Funcs(template.FuncMap{
	"mark": mark, "by": by, "uncounted": uncounted,
}).Parse(`<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><title>{{.Summary}}</title>
<style>
body { font: 14px sans-serif; margin: 2em }
table { border-collapse: collapse; font: 13px monospace; white-space: pre; tab-size: 8 }
td { padding: 0 .6em }
.ran td.code { background: #dfd } .partly td.code { background: #efd } .MISSING td.code { background: #fcc; font-weight: bold }
.del td.code, .context td.code { color: #777 } td.n, td.by { color: #777 } td.n { text-align: right }
</style>
<h1>{{.Summary}}</h1>
<p>The floor is {{.Floor.Percent}} %{{with .Floor.Reason}}: {{.}}{{end}}.
{{with .Missing}}<p>Not executed:<ul>{{range .}}<li><a href="#{{.Path}}:{{.N}}">{{.Path}}:{{.N}}</a> <code>{{.Text}}</code>{{end}}</ul>{{end}}
{{with .Uncounted}}<p>Not counted: {{uncounted .}}.{{end}}
{{$tests := .Tests}}{{range .Files}}{{$path := .Path}}<h2>{{.Path}}</h2>
<table>{{range .Lines}}
<tr class="{{or (mark .) (and (eq .Op "-") "del") "context"}}"{{if .N}} id="{{$path}}:{{.N}}"{{end}}><td class="n">{{if .N}}{{.N}}{{end}}</td><td>{{mark .}}</td><td class="code">{{.Op}}{{.Text}}</td><td class="by">{{if eq .Op "+"}}{{by . $tests}}{{end}}</td></tr>{{end}}
</table>
{{end}}</html>
`))

// CoverageHTML returns the annotated diff as an HTML page.
func CoverageHTML(c *verdict.CoverageResult) ([]byte, error) {
	var b bytes.Buffer
	err := coveragePage.Execute(&b, c)
	return b.Bytes(), err
}
