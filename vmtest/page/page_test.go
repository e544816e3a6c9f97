// SPDX-License-Identifier: BSD-3-Clause

package page

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"timens-vmtest/vmtest/history"
	"timens-vmtest/vmtest/page/look"
	"timens-vmtest/vmtest/page/pagetest"
)

var update = flag.Bool("update", false, "write the golden file instead of comparing with it")

// hostile is what a guest may print so that a browser runs it or shows another page.
const hostile = `</pre><script>alert(1)</script><img src=x onerror="alert(1)">` + "\x00\x1b[31m\u202e" + `{{.Night}} ' " &amp; javascript:alert(1)`

// cell returns a cell whose tests have these statuses, such as "p.TestA pass".
func cell(name string, tests ...string) history.Cell {
	c := history.Cell{Name: name, Stage: history.StageTests, Verdict: "pass", Folder: "nights/N/" + name, Command: []string{"bin/vmtest", "run", "-run", "^p\\.TestA$"}, CostS: 90,
		Figures: map[string]float64{history.DurationS: 40, history.LatenessS: 0.0012}}
	for _, t := range tests {
		name, status, _ := strings.Cut(t, " ")
		one := history.Test{Name: name, Status: status}
		if status != "pass" {
			c.Verdict, one.Telling = "fail", []string{"a_test.go:7: " + hostile}
		}
		c.Tests = append(c.Tests, one)
	}
	return c
}

// small returns a history of three nights that has something for each section.
func small() history.History {
	var h history.History
	real, control, canary, mutants := "6.12/s/default/real", "6.12/control/default/real", "canary", "mutants/0-c"
	for i := range 3 {
		name := fmt.Sprintf("2026-11-%02d", 29+i)
		if i == 2 {
			name = "2026-12-01"
		}
		n := history.Night{Name: name, Plan: history.Plan{Began: name + "T01:00:00Z", Cells: []string{real, control, canary}, Resting: []string{mutants}}, End: &history.End{Ended: name + "T03:00:00Z"}}
		statuses := []string{"p.TestA pass", "p.TestB fail", "p.TestC pass"}
		one, two, three := cell(real, statuses...), cell(control, "p.TestA pass", "p.TestB fail", "p.TestC fail"), history.Cell{Name: canary, Stage: history.StageTests, Verdict: "pass", CostS: 30}
		one.Coverage = &history.Coverage{Executed: 9, Countable: 10, Missing: []string{"kernel/fork.c:7"}}
		if i == 2 {
			one = cell(real, "p.TestA crash", "p.TestB fail", "p.TestC pass")
			one.Coverage = &history.Coverage{Executed: 8, Countable: 10, Missing: []string{"kernel/fork.c:7", "kernel/fork.c:9"}}
			one.Splats = []history.Splat{{Fingerprint: "f", Text: "WARNING: " + hostile, Test: "p.TestA", Lines: []string{"WARNING: " + hostile, " copy_process+0x1/0x2 kernel/fork.c:9"}}}
			one.Faults = []string{"splat during p.TestA: WARNING"}
			n.Findings = []history.Finding{{Cell: real, Test: "p.TestA", FirstBad: name, LastGood: "2026-11-30", Here: history.Tries{N: 5, Failed: 5}, There: history.Tries{N: 5},
				Changed: []history.Change{{What: "patch 0001-a.patch", From: "1", To: "2"}}, Culprit: "patch 0001-a.patch", Evidence: "5 of 5 fail with it", Introduced: "0123456789ab", Command: []string{"bin/vmtest", "run", "it's"}, Done: true}}
			n.Notes = []string{"the mail was not sent: " + hostile}
			three.Stage, three.Verdict, three.Trouble = history.StageNone, "unjudged", "no space left on device"
		} else if i == 0 {
			n.Plan.Resting, n.Plan.Cells = nil, append(n.Plan.Cells, mutants)
			n.Cells = append(n.Cells, history.Cell{Name: mutants, Stage: history.StageTests, Verdict: "fail", Trouble: "2 mutants survived", CostS: 300})
		}
		one.Exceptions = map[string]bool{"expect fail p TestB": true}
		n.Cells = append(n.Cells, one, two, three)
		h.Nights = append(h.Nights, n)
	}
	return h
}

// folder has the evidence of the cell that failed, and no other.
var folder = fstest.MapFS{
	"nights/N/6.12/s/default/real/report.html": {}, "nights/N/6.12/control/default/real/run.json": {},
}

func render(t *testing.T, h history.History, files fs.FS) []byte {
	t.Helper()
	text, err := Index(h, h.Nights[len(h.Nights)-1].Name, files)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// The page of a small history, which has every section but that of idle exceptions. Look at a
// diff before you commit it.
func TestGolden(t *testing.T) {
	got := render(t, small(), folder)
	for _, fault := range pagetest.Faults(got, folder) {
		t.Error(fault)
	}
	got = regexp.MustCompile(`(?s)<style>.*?</style>`).ReplaceAll(got, []byte("<style></style>"))
	name := filepath.Join("testdata", "small.html")
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil || string(got) != string(want) {
		t.Errorf("%v: the page differs from %s: go test ./vmtest/page -update, and look at git diff", err, name)
	}
}

// headings returns the ids of the sections.
func headings(page []byte) []string {
	var all []string
	for _, n := range pagetest.Elements(page, "h2", "") {
		all = append(all, pagetest.Attr(n, "id"))
	}
	return all
}

// What the history does not have is not on the page, not even as a heading.
func TestSections(t *testing.T) {
	all := []string{"changed", "standing", "grid", "cells", "commands", "mutants", "classes", "figures", "coverage", "splats", "costs"}
	if got := headings(render(t, small(), folder)); !slices.Equal(got, all) {
		t.Errorf("got the sections %v, want %v", got, all)
	}
	h := history.History{Nights: []history.Night{{Name: "2026-12-01", Plan: history.Plan{Began: "2026-12-01T01:00:00Z"}}}}
	page := render(t, h, folder)
	if got := headings(page); !slices.Equal(got, []string{"changed"}) {
		t.Errorf("of a night without cells: got the sections %v", got)
	}
	for _, fault := range pagetest.Faults(page, folder) {
		t.Error(fault)
	}
}

// What a guest printed stays text: no element, no attribute and no control character is made
// of it.
func TestHostile(t *testing.T) {
	page := render(t, small(), folder)
	if n := strings.Count(string(page), "alert(1)"); n < 6 {
		t.Errorf("the hostile text is on the page %d times only", n)
	}
	for _, tag := range []string{"img", "script"} {
		want := map[string]int{"script": 1}[tag] // our own
		if got := len(pagetest.Elements(page, tag, "")); got != want {
			t.Errorf("%d elements %s, want %d", got, tag, want)
		}
	}
	if strings.ContainsAny(string(page), "\x00\x1b\u202e") {
		t.Error("a control character is on the page")
	}
}

// A page of a night that ended is stale 30 hours later. One that says no time is stale at once.
func TestStale(t *testing.T) {
	h := small()
	ended := time.Date(2026, 12, 1, 3, 0, 0, 0, time.UTC)
	made := pagetest.Elements(render(t, h, folder), "p", "")[1]
	if after, err := strconv.ParseInt(pagetest.Attr(made, "data-stale-after"), 10, 64); err != nil || time.UnixMilli(after).Sub(ended) != 30*time.Hour {
		t.Errorf("the page is stale at %v, want 30 hours after %v", time.UnixMilli(after), ended)
	}
	if got, want := pagetest.Text(made), "This page is of 2026-12-01 03:00 UTC. It is stale after 2026-12-02 09:00 UTC: then a night is missing."; got != want {
		t.Errorf("without JavaScript the page says %q, want %q", got, want)
	}
	last := &h.Nights[len(h.Nights)-1]
	last.End = nil
	if got := string(render(t, h, folder)); !strings.Contains(got, "This page is of <time datetime=\"2026-12-01T01:00:00Z\">") || !strings.Contains(got, "The night has not ended.") {
		t.Error("a night that has not ended is dated by something else than its begin")
	}
	last.Plan.Began = "nonsense"
	made = pagetest.Elements(render(t, h, folder), "p", "")[1]
	if after, err := strconv.ParseInt(pagetest.Attr(made, "data-stale-after"), 10, 64); err != nil || after > 0 {
		t.Errorf("%v: a page without a date is stale at %v", err, time.UnixMilli(after))
	}
}

// The recorded forty nights: of each thing that happened the page says what there is to say.
func TestForty(t *testing.T) {
	h, err := history.Load("../nightly/testdata/forty")
	if err != nil || len(h.Nights) < 40 {
		t.Fatalf("%v, %d nights", err, len(h.Nights))
	}
	for night, want := range map[string][]string{
		"2026-09-06": {"3 cells", "1 new failure. Of 3 cells: 3 failed.", "first bad night</dt><dd>2026-09-06", "5 of 5 fail; on the kernel of 2026-09-05 0 of 5", "culprit</dt><dd>patch 0002-b.patch", "x_test.go:1: why", "vmtest run -series s"},
		"2026-09-13": {"#regzbot introduced: "},
		"2026-09-30": {"1 step. Of 3 cells: ", "duration_s of tree/s/default/real", "Mann and Whitney", "a step in the night 2026-09-26"},
		"2026-10-02": {"No night began on 2026-10-01"},
		"2026-10-04": {"was cut off: its 44 bytes", "Nothing changed. A test last changed in the night "},
		"2026-10-06": {"2 did not run", "the disk is full, and 2 cells did not run"},
	} {
		text, err := Index(h, night, fstest.MapFS{})
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if !strings.Contains(strings.ReplaceAll(string(text), "&#43;", "+"), w) {
				t.Errorf("the page of %s lacks %q", night, w)
			}
		}
		for _, fault := range pagetest.Faults(text, fstest.MapFS{}) {
			t.Errorf("%s: %s", night, fault)
		}
	}
}

// The grid has the tests that changed and no others, with a column for each night.
func TestGrid(t *testing.T) {
	grids := pagetest.Elements(render(t, small(), folder), "table", "grid")
	if len(grids) != 1 {
		t.Fatalf("%d grids", len(grids))
	}
	text := pagetest.Text(grids[0])
	for _, want := range []string{"test2026-122026-11\n013029", "p.TestA on 6.12/s/default/realF··\n", "\ncanary?··\n", "\n6.12/s/default/realF··\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("the grid lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "TestB") {
		t.Error("the grid has a test that never changed")
	}
}

// Exceptions are named when 30 nights in a row had them and none needed them.
func TestIdle(t *testing.T) {
	var h history.History
	for i := range 31 {
		name := time.Date(2026, 11, 1+i, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
		c := cell("6.12/s/default/real", "p.TestA pass")
		c.Exceptions = map[string]bool{"allow WARNING: idle": i == 0, "allow WARNING: needed": i == 5, "allow WARNING: elsewhere": false}
		if i > 5 {
			c.Exceptions["allow WARNING: young"] = false
		}
		other := cell("6.12/t/default/real", "p.TestA pass")
		other.Exceptions = map[string]bool{"allow WARNING: elsewhere": true}
		h.Nights = append(h.Nights, history.Night{Name: name, Plan: history.Plan{Cells: []string{c.Name, other.Name}}, Cells: []history.Cell{c, other}})
	}
	page := string(render(t, h, folder))
	for line, want := range map[string]bool{"idle": true, "needed": false, "elsewhere": false, "young": false} {
		if got := strings.Contains(page, "allow WARNING: "+line); got != want {
			t.Errorf("the exception %s is named: %v, want %v", line, got, want)
		}
	}
}

// However much there is to say, the page stays below its bound and says what it leaves out.
func TestBound(t *testing.T) {
	var h history.History
	for i := range 61 {
		name := time.Date(2026, 10, 1+i, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
		n := history.Night{Name: name, Plan: history.Plan{Began: name + "T01:00:00Z"}, End: &history.End{Ended: name + "T02:00:00Z"}}
		for k := range 12 {
			c := cell(fmt.Sprintf("6.12/s%d/default/real", k))
			n.Plan.Cells = append(n.Plan.Cells, c.Name)
			for m := range 60 {
				one := history.Test{Name: fmt.Sprintf("p.Test%d_%d", k, m), Status: "pass"}
				if i == 60 || (i+m)%7 == 0 {
					one.Status, one.Telling = "fail", []string{strings.Repeat("<'\"&", 200), strings.Repeat("<'\"&", 200)}
				}
				c.Tests = append(c.Tests, one)
				c.Splats = append(c.Splats, history.Splat{Fingerprint: fmt.Sprint(k, m), Text: strings.Repeat("<", 1000), Test: one.Name, Lines: slices.Repeat([]string{strings.Repeat("<", 300)}, 100)})
			}
			n.Cells = append(n.Cells, c)
		}
		h.Nights = append(h.Nights, n)
	}
	page := render(t, h, folder)
	if len(page) < look.MaxBytes/4 || len(page) > look.MaxBytes || !strings.Contains(string(page), "are left out here") {
		t.Errorf("the page has %d bytes", len(page))
	}
	for _, fault := range pagetest.Faults(page, folder) {
		t.Error(fault)
	}
}
