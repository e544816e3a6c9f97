// SPDX-License-Identifier: BSD-3-Clause

package report

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"timens-vmtest/internal/wire"
	"timens-vmtest/vmtest/page/look"
	"timens-vmtest/vmtest/page/pagetest"
	"timens-vmtest/vmtest/verdict"
)

// htmlOf writes all reports of a run, and returns the one for a browser.
func htmlOf(t *testing.T, dir string, r verdict.Result) []byte {
	t.Helper()
	if err := Write(dir, r); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(dir, HTMLFile))
	if err != nil {
		t.Fatal(err)
	}
	return page
}

// Each report holds to the rules for pages, and has the sections for which there is something.
func TestHTML(t *testing.T) {
	for name, want := range map[string]string{
		"pass": "tests", "fail": "findings outputs splats tests", "lanes": "findings lateness tests", "build": "findings", "many": "findings outputs tests",
		"traced": "findings splats tests", "stopped": "findings outputs tests", "covered": "coverage", "nothing": "findings", "ordered": "findings tests", "changed": "tests",
		"split": "findings splats tests", "between": "tests",
	} {
		dir := t.TempDir()
		page := htmlOf(t, dir, results[name])
		for _, fault := range pagetest.Faults(page, os.DirFS(dir)) {
			t.Errorf("%s: %s", name, fault)
		}
		var got []string
		for _, n := range pagetest.Elements(page, "h2", "") {
			got = append(got, pagetest.Attr(n, "id"))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s has the sections %v, want %s", name, got, want)
		}
	}
	if len(results) != 13 {
		t.Errorf("%d results, of which this test knows 13", len(results))
	}
}

// A page has a link to the console of each shard that has one.
func TestHTMLShards(t *testing.T) {
	dir := t.TempDir()
	for _, n := range []int{1, 2} {
		sub := filepath.Join(dir, "real", wire.ShardDir(n))
		if err := os.MkdirAll(sub, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(sub, wire.ConsoleFile), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	page := string(htmlOf(t, dir, results["split"]))
	for _, want := range []string{`2 shards, 3 boots`, `<a href="real/shard1/console.log">console of shard 1</a>`, `<a href="real/shard2/console.log">console of shard 2</a>`, `shard 2`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %s", want)
		}
	}
}

// hostile is what a guest may print so that a browser runs it or shows another page.
const hostile = `</pre></title><script>alert(1)</script><svg onload="alert(1)"><img src=x onerror='alert(1)'>` + "\x00\x1b[31m\u202e" + `<!-- {{.}} &lt;`

// Whatever a guest, a patch or a kernel says stays text.
func TestHTMLHostile(t *testing.T) {
	lateness := 0.5
	bad := verdict.TestResult{TestID: wire.TestID{Package: "p", Name: "TestA"}, Status: verdict.Fail, Expected: verdict.Pass, Note: hostile, Output: hostile + "\n" + hostile, Telling: []string{hostile}, LatenessS: &lateness}
	r := judged(run, verdict.LaneResult{Lane: "real", Accel: "tcg", Tests: []verdict.TestResult{bad},
		Splats: []verdict.Splat{{Text: "WARNING: " + hostile, Test: "p.TestA", More: []string{hostile}, Near: hostile}}})
	r.Run.Series, r.Run.Base, r.Run.KernelWarning = hostile, hostile, []string{hostile}
	r.Findings[0].Text += hostile
	r.Coverage = &verdict.CoverageResult{Countable: 1, Missing: []verdict.MissingLine{{Path: hostile, N: 1, Text: hostile}}, Floor: verdict.Floor{Percent: 90, Reason: hostile}, Uncounted: map[string]int{hostile: 1}}
	dir := t.TempDir()
	page := htmlOf(t, dir, r)
	for _, fault := range pagetest.Faults(page, os.DirFS(dir)) {
		t.Error(fault)
	}
	if n := strings.Count(string(page), "alert(1)"); n < 30 {
		t.Errorf("the hostile text is on the page %d times only", n/3)
	}
	for _, tag := range []string{"script", "img"} {
		if n := len(pagetest.Elements(page, tag, "")); n > 0 {
			t.Errorf("%d elements %s", n, tag)
		}
	}
	if n := len(pagetest.Elements(page, "svg", "")); n != 1 {
		t.Errorf("%d plots, want one", n)
	}
	if strings.ContainsAny(string(page), "\x00\x1b\u202e") || strings.Contains(string(page), "<!-- ") {
		t.Error("a control character or a comment is on the page")
	}
}

// However much the tests print, the page stays below its bound and says what it leaves out.
func TestHTMLBound(t *testing.T) {
	l := verdict.LaneResult{Lane: "real", Accel: "tcg"}
	for i := range 1000 {
		one := broken("p", fmt.Sprintf("Test%d", i), strings.Repeat("<", 300))
		one.Output = strings.Repeat(strings.Repeat("'", 300)+"\n", 300)
		l.Tests = append(l.Tests, one)
		l.Splats = append(l.Splats, verdict.Splat{Text: fmt.Sprintf("WARNING: %c%c", 'a'+i/26%26, 'a'+i%26), More: slices.Repeat([]string{strings.Repeat("<", 300)}, 300)})
	}
	page, err := HTML(t.TempDir(), judged(run, l))
	if err != nil {
		t.Fatal(err)
	}
	if len(page) > look.MaxBytes || len(page) < look.MaxBytes/8 || !strings.Contains(string(page), "more are left out here") || !strings.Contains(string(page), "lines are left out here") {
		t.Errorf("the page has %d bytes", len(page))
	}
}

// The page links to a console log that is there, and to no other.
func TestHTMLConsole(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join("real", wire.ConsoleFile)
	if strings.Contains(string(htmlOf(t, dir, results["lanes"])), log) {
		t.Error("there is no console log, and a link to it")
	}
	if err := os.WriteFile(filepath.Join(dir, log), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if page := string(htmlOf(t, dir, results["lanes"])); !strings.Contains(page, `href="real/console.log"`) || strings.Contains(page, `href="virtual/console.log"`) {
		t.Error("the page does not link to the one console log that is there")
	}
}
