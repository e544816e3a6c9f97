// SPDX-License-Identifier: BSD-3-Clause

package page

import (
	"fmt"
	"slices"
	"strings"

	"timens-vmtest/internal/shell"
	"timens-vmtest/vmtest/history"
	"timens-vmtest/vmtest/page/look"
)

// news is one thing that changed.
type news struct {
	Title string
	Mark  mark
	Cells []string // in which a test changed
	Facts []fact
	Lines string   // why it fails: what the test or the kernel printed
	Trace []string // of a splat, decoded if it could be
	More  int      // lines of Trace that are left out

	Introduced, Command string
	Link                string
}

// fact is a pair of a word and what is known.
type fact struct{ Name, Text string }

// mark is how a kind of news looks: a class for the colour, and a shape for who sees none.
type mark struct{ Class, Shape, Word string }

var marks = map[history.Kind]mark{
	history.NewFailure: {"bad", "✗", "new failure"}, history.FailingSince: {"bad", "✗", "failing"}, history.Unstable: {"warn", "~", "unstable"},
	history.DidNotRun: {"warn", "○", "did not run"}, history.Fixed: {"good", "✓", "fixed"}, history.NewTest: {"good", "+", "new"},
	history.Gone: {"soft", "−", "gone"},
}

var (
	stepMark    = mark{"warn", "↕", "step"}
	missingMark = mark{"warn", "○", "no night"}
)

// order is the order of news, the worst first.
var order = []history.Kind{history.NewFailure, history.Unstable, history.DidNotRun, history.Fixed, history.NewTest, history.Gone}

// newsItems returns all that changed in the night.
func (v view) newsItems() []news {
	groups := history.News(v.states)
	slices.SortStableFunc(groups, func(a, b []history.State) int { return slices.Index(order, a[0].Kind) - slices.Index(order, b[0].Kind) })
	var all []news
	for _, alike := range groups {
		all = append(all, v.newsItem(alike))
	}
	var figures []news
	for _, s := range v.Steps(v.night.Name) {
		if s.News(v.night.Name) {
			figures = append(figures, news{Title: s.Figure + " of " + s.Cell, Mark: stepMark, Facts: []fact{
				{"since", s.Night}, {"now", unit(s.Figure, s.After) + fmt.Sprintf(" (%+.1f %%)", s.Percent())}, {"before", unit(s.Figure, s.Before)},
				{"noise does this", fmt.Sprintf("with a probability of %.1g (test of Mann and Whitney)", s.P)}}})
		}
	}
	for _, date := range v.Missed(v.night.Name) {
		figures = append(figures, news{Title: "No night began on " + date, Mark: missingMark})
	}
	if i := len(v.Nights) - 2; i >= 0 && v.Nights[i].End != nil && v.Nights[i].End.CutOff {
		figures = append(figures, news{Title: "The night " + v.Nights[i].Name + " was cut off", Mark: missingMark, Facts: []fact{{"because", v.Nights[i].End.Why}}})
	}
	at := slices.IndexFunc(all, func(n news) bool { return n.Mark.Class != "bad" && n.Mark.Class != "warn" })
	if at < 0 {
		at = len(all)
	}
	return slices.Insert(all, at, figures...)
}

// newsItem says what is known of a test, in one cell or several, or of a cell.
func (v view) newsItem(alike []history.State) news {
	s := alike[0]
	c, _ := v.night.Cell(s.Cell)
	n := news{Title: s.Test, Mark: marks[s.Kind], Link: v.link(c.Folder)}
	if s.Test == "" {
		n.Title = s.Cell
	} else {
		for _, one := range alike {
			n.Cells = append(n.Cells, one.Cell)
		}
	}
	add := func(name, text string) {
		if text != "" {
			n.Facts = append(n.Facts, fact{name, text})
		}
	}
	if s.Kind == history.DidNotRun {
		add("because", v.night.WhyNot(s.Cell))
	}
	if s.Outcome == history.Bad {
		add("first bad night", s.Since)
		add("last as expected", s.LastGood)
		n.Lines = lines(c.Why(s.Test))
		n.Trace = trace(c, s.Test)
	} else if s.Kind != history.NewTest {
		add("since", s.Since)
		add("last as expected", s.LastGood)
	}
	if f := s.Finding; f != nil {
		n.found(*f, add)
	}
	if n.Command == "" && s.Outcome == history.Bad {
		n.Command = quoted(c.Command)
	}
	return n
}

// found adds what the search found.
func (n *news) found(f history.Finding, add func(name, text string)) {
	add("tried again", tried(f))
	for _, c := range f.Changed {
		add("changed", c.String())
	}
	add("culprit", f.Culprit)
	if f.Culprit != "" {
		add("evidence", f.Evidence)
	} else {
		add("no culprit", f.Why)
	}
	n.Introduced, n.Command = f.Introduced, quoted(f.Command)
}

// tried says how often the test failed when it ran again, on both kernels.
func tried(f history.Finding) string {
	if f.Here.N == 0 {
		return ""
	}
	text := fmt.Sprintf("%d of %d fail", f.Here.Failed, f.Here.N)
	if f.There.N > 0 {
		text += fmt.Sprintf("; on the kernel of %s %d of %d", f.LastGood, f.There.Failed, f.There.N)
	}
	return text
}

// trace returns the lines of the first splat that is not allowed, of a test or of a cell.
func trace(c history.Cell, test string) []string {
	for _, s := range c.Splats {
		if s.Allowed == "" && (test == "" || s.Test == test) {
			return s.Lines
		}
	}
	return nil
}

// quoted writes a command as a shell reads it.
func quoted(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return shell.Quote(words...)
}

// clip shortens the news.
func (n *news) clip(most int) {
	n.Trace, n.More = look.Head(n.Trace, most)
}

// sentence says the night in a sentence or two.
func (v view) sentence() string {
	var counts []string
	for i := 0; i < len(v.news); {
		word, k := v.news[i].Mark.Word, 0
		for ; i < len(v.news) && v.news[i].Mark.Word == word; i++ {
			k++
		}
		counts = append(counts, plural(k, word))
	}
	text := "Nothing changed."
	if counts != nil {
		text = strings.Join(counts, ", ") + "."
	}
	n := make(map[string]int)
	planned := slices.Concat(v.night.Plan.Cells, v.night.Plan.LeftOut)
	for _, name := range planned {
		n[v.became(name).Word]++
	}
	var cells []string
	for _, of := range [][2]string{{passed.Word, "passed"}, {failed.Word, "failed"}, {unbuilt.Word, "did not build"}, {unjudged.Word, "without a verdict"}, {didNotRun.Word, "did not run"}} {
		if n[of[0]] > 0 {
			cells = append(cells, fmt.Sprintf("%d %s", n[of[0]], of[1]))
		}
	}
	return text + fmt.Sprintf(" Of %s: %s.", plural(len(planned), "cell"), strings.Join(cells, ", "))
}

// plural counts things.
func plural(n int, word string) string {
	if n == 1 || !slices.Contains([]string{"cell", "new failure", "step", "no night"}, word) {
		return fmt.Sprintf("%d %s", n, word)
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// quiet says when something last changed.
func (v view) quiet() string {
	last := len(v.recent)
	for _, r := range v.rows {
		for i := range r.Outcomes[1:] {
			if was, is := r.Outcomes[i+1], r.Outcomes[i]; is != was && (is == history.Good || is == history.Bad) && (was == history.Good || was == history.Bad) {
				last = min(last, i)
				break
			}
		}
	}
	if last == len(v.recent) {
		return "Nothing changed."
	}
	return "Nothing changed. A test last changed in the night " + v.recent[len(v.recent)-1-last].Name + "."
}

// standing is something that is not as expected, and was so the night before.
type standing struct {
	Name, Cell string
	Mark       mark
	Since      string
	LastGood   string
	Tried      string
	Known      string // the culprit, or why there is none
	Line       string // the first line of the failure
	Link       string
}

// standing returns what is still not as expected.
func (v view) standing() []standing {
	var all []standing
	for _, s := range v.states {
		if s.News || s.Kind != history.FailingSince && s.Kind != history.Unstable && (s.Kind != history.DidNotRun || s.Test != "") {
			continue
		}
		c, _ := v.night.Cell(s.Cell)
		one := standing{Name: s.Test, Cell: s.Cell, Mark: marks[s.Kind], Since: s.Since, LastGood: s.LastGood, Link: v.link(c.Folder)}
		if one.Name == "" {
			one.Name = "the cell as a whole"
		}
		if f := s.Finding; f != nil {
			one.Tried, one.Known = tried(*f), f.Culprit
			if one.Known == "" {
				one.Known = f.Why
			}
		}
		if s.Outcome == history.Bad {
			if t, ok := c.Test(s.Test); !ok {
				one.Line = strings.Join(c.Why(""), " ")
			} else if len(t.Telling) > 0 {
				one.Line = t.Telling[0]
			} else {
				one.Line = t.Status
			}
		} else if s.Kind == history.DidNotRun {
			one.Line = v.night.WhyNot(s.Cell)
		}
		all = append(all, one)
	}
	return all
}
