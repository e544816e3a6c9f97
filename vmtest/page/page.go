// SPDX-License-Identifier: BSD-3-Clause

// Package page makes the page of the nightly job: one HTML file from the history, for a browser
// and for paper. It decides nothing. What the history does not have is not on the page.
package page

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/url"
	"path"
	"strings"
	"time"

	"timens-vmtest/vmtest/history"
	"timens-vmtest/vmtest/page/look"
)

// File is the name of the page, in the folder of the history.
const File = "index.html"

// Stale is how old the page of the last night can be before a night is missing.
const Stale = 30 * time.Hour

// nights is how many nights the page looks back.
const nights = 60

// reportFile is the report for a browser in the folder of a run.
const reportFile = "report.html"

//go:embed index.tmpl
var text string

//go:embed stale.js
var script string

var page = look.Page(text, template.FuncMap{
	"script": func() template.JS { return template.JS(script) },
})

// Index returns the page of a night. files is the folder of the history: the page has links to
// what exists there.
func Index(h history.History, night string, files fs.FS) ([]byte, error) {
	v := view{History: h.Until(night), files: files}
	if len(v.Nights) == 0 {
		return nil, fmt.Errorf("the history has no night %s", night)
	}
	v.night = v.Nights[len(v.Nights)-1]
	v.recent = v.Nights[max(0, len(v.Nights)-nights):]
	v.states = v.States(night)
	v.rows, v.news = v.Rows(nights), v.newsItems()
	return look.Fit(page, func(divide int) any { v.divide = divide; return v.index() })
}

// view is what the sections of the page are made from.
type view struct {
	history.History // up to the night
	night           history.Night
	recent          []history.Night // the last nights, that one included
	states          []history.State
	rows            []history.Row
	news            []news
	files           fs.FS
	divide          int // how many times shorter than usual the lists are
}

// most returns how long a list may be.
func (v view) most(n int) int { return max(1, n/v.divide) }

// index is the data of the page. A section that is empty is left out.
type index struct {
	Night     string
	Sentence  string
	Dated     string // the time of the page, for people and programs
	Date      string
	StaleDate string // when it is stale, likewise
	StaleMS   int64  // and in milliseconds since 1970
	Notes     []string

	News     []news
	MoreNews int
	Quiet    string // what is said if there are no news

	Standing     []standing
	MoreStanding int

	Grid     *grid
	Matrix   *matrix
	Commands []command
	Mutants  []command
	Classes  []classes
	Charts   []look.Line
	MoreCharts,
	Steps int
	Coverage   []coverage
	Splats     []splat
	MoreSplats int
	Idle       []idle
	MoreIdle   int
	Costs      *costs
}

func (v view) index() index {
	made := v.made()
	p := index{
		Night: v.night.Name, Sentence: v.sentence(), Notes: v.notes(),
		Dated: made.Format(time.RFC3339), Date: made.UTC().Format("2006-01-02 15:04 UTC"),
		StaleDate: made.Add(Stale).UTC().Format("2006-01-02 15:04 UTC"), StaleMS: made.Add(Stale).UnixMilli(),
		Quiet: v.quiet(), Grid: v.grid(), Matrix: v.matrix(),
		Classes: v.classes(), Coverage: v.coverage(), Costs: v.costs(),
	}
	p.News, p.MoreNews = look.Head(v.news, v.most(30))
	for i := range p.News {
		p.News[i].clip(v.most(40))
	}
	p.Standing, p.MoreStanding = look.Head(v.standing(), v.most(60))
	p.Commands, p.Mutants = v.commands()
	p.Charts, p.MoreCharts = look.Head(v.charts(), v.most(120))
	p.Splats, p.MoreSplats = look.Head(v.splats(v.most(40)), v.most(30))
	p.Idle, p.MoreIdle = look.Head(v.idle(), v.most(100))
	return p
}

// made returns when the night ended, or began if it has not ended. It is the zero time if the
// history says neither: such a page is stale.
func (v view) made() time.Time {
	said := v.night.Plan.Began
	if v.night.End != nil {
		said = v.night.End.Ended
	}
	t, err := time.Parse(time.RFC3339, said)
	if err != nil {
		return time.Time{}
	}
	return t
}

// notes returns what a reader has to know of the night beside its results.
func (v view) notes() []string {
	var all []string
	switch end := v.night.End; {
	case end == nil:
		all = append(all, "The night has not ended.")
	case end.Why != "":
		all = append(all, "The night ended early: "+end.Why)
	}
	if n := len(v.night.Plan.LeftOut); n > 0 {
		all = append(all, fmt.Sprintf("The budget had no room for %d cells: %s", n, strings.Join(v.night.Plan.LeftOut, ", ")))
	}
	all = append(all, v.night.Notes...)
	if v.night.End != nil && v.night.End.Pruned != "" {
		all = append(all, v.night.End.Pruned)
	}
	shown, more := look.Head(all, v.most(30))
	if more > 0 {
		shown = append(shown, fmt.Sprintf("and %d more notes", more))
	}
	return shown
}

// link returns the URL of the evidence in a folder, relative to the page: its report for a
// browser, or else the folder. It returns "" if neither exists.
func (v view) link(folder string) string {
	for _, name := range []string{path.Join(folder, reportFile), folder} {
		if folder == "" || !fs.ValidPath(name) {
			return ""
		}
		if _, err := fs.Stat(v.files, name); err == nil {
			return (&url.URL{Path: name}).String()
		}
	}
	return ""
}

// lines makes a stranger's lines into one text.
func lines(all []string) string {
	var b bytes.Buffer
	for _, line := range all {
		b.WriteString(look.Plain(line) + "\n")
	}
	return b.String()
}
