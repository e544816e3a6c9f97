// SPDX-License-Identifier: BSD-3-Clause

package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"timens-vmtest/internal/shell"
	"timens-vmtest/internal/wire"
	"timens-vmtest/vmtest/page/look"
	"timens-vmtest/vmtest/verdict"
)

//go:embed report.tmpl
var htmlText string

var htmlPage = look.Page(htmlText, template.FuncMap{"seconds": look.Seconds})

// Limits for one page. look.Fit divides them until the page is small enough.
const (
	maxHTMLOutputs = 40  // tests whose output is shown
	maxHTMLLines   = 200 // of each output and of each call trace
	maxHTMLSplats  = 20
	maxHTMLRows    = 3000 // findings, lines that did not run, and tests
)

// htmlMark is how something looks: a class for the colour, and a shape for who sees none.
type htmlMark struct{ Class, Shape, Word string }

// The types of the page.
type (
	htmlRun struct {
		Verdict       htmlMark
		Title, Counts string
		Seconds       float64
		Command       string
		Warnings      int
		Warning       string
		Lanes         []htmlLane
		LeftOut       []string // options
		Mended        []string
		New           []string
		Order         []string
		Findings      []htmlFinding
		Outputs       []htmlOutput
		Splats        []htmlSplat
		Plots         []look.Dots
		Coverage      *verdict.CoverageResult
		Uncounted     string
		Missing       []verdict.MissingLine
		Names         []string // of the lanes, which are columns
		Tests         []htmlTest
		MoreFindings  int
		MoreOutputs   int
		MoreSplats    int
		MoreMissing   int
		MoreTests     int
	}
	htmlLane struct {
		Name, Accel     string
		BootS, Duration float64
		Waited          float64 // 0 unless it is worth telling
		Shards, Boots   int
		MoreBoots       bool // than guests that run side by side
		Splats, Allowed int
		Consoles        []htmlConsole
	}
	htmlConsole struct {
		Name string // words for the link
		URL  string
	}
	htmlFinding struct {
		Who     string
		Text    []string
		Telling []string
		Next    string // the command that leads to the cause; "" if there is none
	}
	htmlOutput struct {
		Test, Lane, How string
		Mark            htmlMark
		Lines           []string
		Link            string   // URL of all that it printed; empty: it printed nothing
		Trace           string   // URL of what ftrace recorded; empty: nothing
		Traced          []string // its last lines
	}
	htmlSplat struct {
		Text, During, Where, Often string
		Lines                      []string
		More                       int
		Near                       string // the nearest line of the series; "" if none is near
	}
	htmlTest struct {
		Name    string
		Results []htmlResult
	}
	htmlResult struct {
		Mark htmlMark
		Text string
		Link string
	}
)

// HTML returns the report for a browser. dir is the folder of the run: the page has links to
// the console logs that are there.
func HTML(dir string, r verdict.Result) ([]byte, error) {
	return look.Fit(htmlPage, func(divide int) any { return toHTML(dir, r, divide) })
}

func toHTML(dir string, r verdict.Result, divide int) htmlRun {
	most := func(n int) int { return max(1, n/divide) }
	p := htmlRun{
		Verdict: markOf(r.Verdict), Title: title(r.Run), Counts: counts(r), Seconds: r.DurationS(), Coverage: r.Coverage,
		LeftOut: r.Run.LeftOut, Mended: namesOf(r, isMended), New: namesOf(r, isNew), Order: orderLines(r),
	}
	if len(r.Run.Command) > 0 {
		p.Command = shell.Quote(r.Run.Command...)
	}
	if len(r.Run.KernelWarning) > 0 {
		p.Warning = r.Run.KernelWarning[0]
	}
	for _, l := range r.Lanes {
		p.Names = append(p.Names, l.Lane)
		p.Lanes = append(p.Lanes, laneHTML(dir, l))
		if plot, ok := plotOf(l); ok {
			p.Plots = append(p.Plots, plot)
		}
	}
	all := merge(notRun(r))
	for i, next := range nexts(dir, all, r) {
		f := all[i]
		p.Findings = append(p.Findings, htmlFinding{blame(f.Finding), strings.Split(f.Text, "\n"), f.telling(r), next})
	}
	p.Findings, p.MoreFindings = look.Head(p.Findings, most(maxHTMLRows))
	p.Outputs, p.MoreOutputs = look.Head(outputsHTML(r, most(maxHTMLLines)), most(maxHTMLOutputs))
	p.Splats, p.MoreSplats = look.Head(splatsHTML(r, most(maxHTMLLines)), most(maxHTMLSplats))
	p.Tests, p.MoreTests = look.Head(testsHTML(r), most(maxHTMLRows))
	if c := r.Coverage; c != nil {
		p.Missing, p.MoreMissing = look.Head(c.Missing, most(maxHTMLRows))
		for i := range p.Missing {
			p.Missing[i].Text = strings.TrimSpace(p.Missing[i].Text)
		}
		p.Uncounted = uncounted(c.Uncounted)
	}
	return p
}

func markOf(v verdict.Verdict) htmlMark {
	return map[verdict.Verdict]htmlMark{
		verdict.Passed: {"good", "✓", "pass"}, verdict.Failed: {"bad", "✗", "FAIL"},
		verdict.Unbuilt: {"bad", "▲", "the kernel does not build"}, verdict.Unjudged: {"warn", "?", "no verdict"},
	}[v]
}

// markOfTest says how a test ended, and whether that was expected.
func markOfTest(t verdict.TestResult) htmlMark {
	m := htmlMark{"good", "✓", t.Status.String()}
	switch {
	case !t.AsExpected() && t.Status == verdict.Missing:
		m.Class, m.Shape = "warn", "○"
	case !t.AsExpected():
		m.Class, m.Shape = "bad", "✗"
	}
	return m
}

func laneHTML(dir string, l verdict.LaneResult) htmlLane {
	h := htmlLane{Name: l.Lane, Accel: l.Accel, BootS: l.BootS, Duration: l.DurationS, Shards: l.Shards, Boots: l.Boots, MoreBoots: l.Boots > max(1, l.Shards)}
	if l.Starved() {
		h.Waited = l.WaitedS
	}
	for _, s := range l.Splats {
		if s.Allowed != "" {
			h.Allowed++
		} else {
			h.Splats++
		}
	}
	for n := min(1, l.Shards); n <= l.Shards; n++ {
		log, name := path.Join(l.Lane, wire.ShardDir(n), wire.ConsoleFile), "console"
		if n > 0 {
			name = fmt.Sprintf("console of shard %d", n)
		}
		if verdict.Exists(filepath.Join(dir, log)) {
			h.Consoles = append(h.Consoles, htmlConsole{name, urlOf(log)})
		}
	}
	return h
}

// urlOf returns the URL of a file of the run's folder, relative to the page.
func urlOf(file string) string {
	if file == "" {
		return ""
	}
	return (&url.URL{Path: filepath.ToSlash(file)}).String()
}

// plotOf returns a plot of how late the timers of each test were.
func plotOf(l verdict.LaneResult) (look.Dots, bool) {
	var all []look.Dot
	most := look.Dot{}
	for _, t := range l.Tests {
		if t.LatenessS == nil {
			continue
		}
		one := look.Dot{Name: t.TestID.String(), Value: *t.LatenessS, Bad: !t.AsExpected()}
		if all = append(all, one); len(all) == 1 || one.Value > most.Value {
			most = one
		}
	}
	if len(all) == 0 {
		return look.Dots{}, false
	}
	return look.NewDots(fmt.Sprintf("lateness of %d tests in the lane %s, at most %s (%s)", len(all), l.Lane, look.Seconds(most.Value), most.Name), all), true
}

// outputsHTML returns the output of each test that ran and was not as expected.
func outputsHTML(r verdict.Result, most int) []htmlOutput {
	var all []htmlOutput
	for _, l := range r.Lanes {
		for _, t := range l.Tests {
			if t.AsExpected() || t.Output == "" && t.Telling == nil {
				continue
			}
			one := htmlOutput{Test: t.TestID.String(), Lane: l.Lane, Mark: markOfTest(t), How: "expected " + t.Expected.String(), Lines: t.Telling, Link: urlOf(outputPath(l, t)), Trace: urlOf(tracePath(l, t))}
			if t.Note != "" {
				one.How += "; " + t.Note
			}
			if t.Output != "" {
				one.Lines = middleOut(t.Output, outputPath(l, t), most)
			}
			if t.Trace != "" {
				lines := strings.Split(strings.TrimRight(look.Harmless(t.Trace), "\n"), "\n")
				one.Traced = lines[max(0, len(lines)-most):]
			}
			all = append(all, one)
		}
	}
	return all
}

// splatsHTML returns the first splat of each kind with the useful lines of its call trace.
func splatsHTML(r verdict.Result, most int) []htmlSplat {
	var all []htmlSplat
	for _, kind := range kindsOf(r) {
		first := kind[0]
		shown, more := look.Head(slices.DeleteFunc(slices.Clone(first.More), unread.MatchString), most)
		all = append(all, htmlSplat{first.Text, during(first.Test), first.where(""), times(len(kind)), shown, more, first.Near})
	}
	return all
}

// testsHTML returns a row for each test, with its result in each lane.
func testsHTML(r verdict.Result) []htmlTest {
	at := make(map[string]map[wire.TestID]verdict.TestResult)
	for _, l := range r.Lanes {
		at[l.Lane] = make(map[wire.TestID]verdict.TestResult)
		for _, t := range l.Tests {
			at[l.Lane][t.TestID] = t
		}
	}
	var all []htmlTest
	for _, id := range planned(r) {
		row := htmlTest{Name: id.String()}
		for _, l := range r.Lanes {
			one := htmlResult{}
			if t, ok := at[l.Lane][id]; ok {
				one = htmlResult{markOfTest(t), strings.TrimPrefix(cell(l, id), t.Status.String()+" "), urlOf(outputPath(l, t))}
				if t.Shard > 0 {
					one.Text += fmt.Sprintf(", shard %d", t.Shard)
				}
			}
			row.Results = append(row.Results, one)
		}
		all = append(all, row)
	}
	return all
}
