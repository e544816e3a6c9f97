// SPDX-License-Identifier: BSD-3-Clause

package nightly

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/shell"
	"timens-vmtest/vmtest/history"
)

// MailFile is the name of the file with the mail, in the folder of a night that has news.
const MailFile = "mail.txt"

const (
	columns = 72 // of a mail
	maxNews = 20 // of one kind that a mail names
)

// mail writes the mail of the night, if there are news, and has it sent.
func (n *night) mail(ctx context.Context) error {
	text := Mail(n.History, n.name)
	if text == "" {
		n.Report.Step("nothing changed, so there is no mail")
		return nil
	}
	path := filepath.Join(n.Out, nightsDir, n.name, MailFile)
	if err := cache.WriteFile(path, []byte(text)); err != nil {
		return err
	}
	n.Report.Step("wrote %s", path)
	if n.Notify == "" {
		return nil
	}
	cmd := exec.CommandContext(ctx, "sh", "-c", n.Notify)
	cmd.Stdin = strings.NewReader(text)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		return n.note("the mail was not sent: %s: %v: %s", n.Notify, err, oneLine(said.String()))
	}
	return nil
}

// section is the news of one kind.
type section struct {
	title string // such as "New failures"
	says  string // what the subject says of each
	bad   bool   // somebody has to look at it
	items []item
}

// item is one piece of news.
type item struct {
	name  string // what the subject calls it
	lines []string
}

// Mail returns the mail of a night: a subject, an empty line, and the text. It returns "" if
// nothing changed.
func Mail(h history.History, night string) string {
	h = h.Until(night)
	all := sections(h, night)
	if len(all) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Subject: %s\n\n", subject(night, all))
	for i, s := range all {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "%s (%d)\n", s.title, len(s.items))
		for j, it := range s.items {
			if j == maxNews {
				fmt.Fprintf(&b, "\n  ... and %d more\n", len(s.items)-j)
				break
			}
			b.WriteString("\n")
			for _, line := range it.lines {
				b.WriteString(line + "\n")
			}
		}
	}
	last := h.Nights[len(h.Nights)-1]
	for _, note := range last.Notes {
		b.WriteString("\n" + strings.Join(wrap("Note: "+note, ""), "\n") + "\n")
	}
	return b.String()
}

// subject says the first news and how many more there are.
func subject(night string, all []section) string {
	more := -1
	for _, s := range all {
		more += len(s.items)
	}
	text := fmt.Sprintf("[vmtest %s] %s: %s", night, all[0].says, all[0].items[0].name)
	if more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// sections returns all news of a night, the worst first.
func sections(h history.History, night string) []section {
	of := []section{{"New failures", "fails", true, nil}, {"Unstable", "unstable", true, nil}, {"Did not run", "did not run", true, nil}, {"Steps of figures", "a step", false, nil},
		{"Nights that are missing", "missing", true, nil}, {"Fixed", "fixed", false, nil}, {"New", "new", false, nil}, {"Gone", "gone", false, nil}}
	at := map[history.Kind]int{history.NewFailure: 0, history.Unstable: 1, history.DidNotRun: 2, history.Fixed: 5, history.NewTest: 6, history.Gone: 7}
	last, _ := h.Night(night)
	for _, alike := range history.News(h.States(night)) {
		i := at[alike[0].Kind]
		of[i].items = append(of[i].items, stateItem(last, alike))
	}
	for _, s := range h.Steps(night) {
		if s.News(night) {
			of[3].items = append(of[3].items, stepItem(s))
		}
	}
	for _, date := range h.Missed(night) {
		of[4].items = append(of[4].items, item{date, wrap("no night began on "+date, "  ")})
	}
	if i := len(h.Nights) - 2; i >= 0 && h.Nights[i].End != nil && h.Nights[i].End.CutOff {
		of[4].items = append(of[4].items, item{h.Nights[i].Name, wrap("the night "+h.Nights[i].Name+": "+h.Nights[i].End.Why, "  ")})
	}
	return slices.DeleteFunc(of, func(s section) bool { return len(s.items) == 0 })
}

// Headline is one piece of news of a night.
type Headline struct {
	Title string // such as "fails: timens.TestX on 3 cells"
	Text  string // what the mail says of it
	Bad   bool   // somebody has to look at it
}

// Headlines returns all news of a night, the worst first.
func Headlines(h history.History, night string) []Headline {
	var all []Headline
	for _, s := range sections(h.Until(night), night) {
		for _, it := range s.items {
			all = append(all, Headline{s.says + ": " + it.name, strings.Join(it.lines, "\n"), s.bad})
		}
	}
	return all
}

// stepItem says what a figure did.
func stepItem(s history.Step) item {
	name := fmt.Sprintf("%s of %s %+.0f %%", s.Figure, s.Cell, s.Percent())
	return item{name, wrap(fmt.Sprintf("%s of %s: %.4g since %s, before %.4g (%+.1f %%, p = %.1g, test of Mann and Whitney)",
		s.Figure, s.Cell, s.After, s.Night, s.Before, s.Percent(), s.P), "  ")}
}

// stateItem says what is known of a test, in one cell or several, or of a cell.
func stateItem(night history.Night, alike []history.State) item {
	s := alike[0]
	name := s.Cell
	if s.Test != "" {
		name = s.Test + " on " + s.Cell
	}
	lines := wrap(name, "  ")
	if n := len(alike); n > 1 {
		for _, other := range alike[1:] {
			lines = append(lines, wrap("and on "+other.Cell, "    ")...)
		}
		name = fmt.Sprintf("%s on %d cells", s.Test, n)
	}
	add := func(format string, args ...any) { lines = append(lines, wrap(fmt.Sprintf(format, args...), "    ")...) }
	c, _ := night.Cell(s.Cell)
	if why := night.WhyNot(s.Cell); s.Kind == history.DidNotRun && why != "" {
		add("%s", why)
	}
	if s.LastGood != "" && s.Kind != history.NewTest {
		add("since %s, last as expected on %s", s.Since, s.LastGood)
	}
	if s.Outcome == history.Bad {
		for _, line := range c.Why(s.Test) {
			add("%s", line)
		}
	}
	if f := s.Finding; f != nil {
		lines = append(lines, findingLines(*f)...)
	}
	if s.Outcome == history.Bad && c.Folder != "" {
		add("evidence: %s", c.Folder)
	}
	return item{name, lines}
}

// findingLines say what the search has found.
func findingLines(f history.Finding) []string {
	var lines []string
	add := func(format string, args ...any) {
		lines = append(lines, wrap(fmt.Sprintf(format, args...), "    ")...)
	}
	if f.Here.N > 0 {
		text := fmt.Sprintf("tried again: %d of %d fail", f.Here.Failed, f.Here.N)
		if f.There.N > 0 {
			text += fmt.Sprintf("; on the kernel of %s %d of %d", f.LastGood, f.There.Failed, f.There.N)
		}
		add("%s", text)
	}
	for _, c := range f.Changed {
		add("changed: %s", c)
	}
	switch {
	case f.Culprit != "":
		add("culprit: %s", f.Culprit)
		add("because: %s", f.Evidence)
	case f.Why != "":
		add("no culprit: %s", f.Why)
	}
	if f.Introduced != "" {
		lines = append(lines, "#regzbot introduced: "+f.Introduced)
	}
	if len(f.Command) > 0 {
		lines = append(lines, wrapCommand(f.Command, "    ")...)
	}
	return lines
}

// wrap breaks a text into lines of a mail. A word that is longer stays whole.
func wrap(text, indent string) []string { return broken(strings.Fields(text), indent, "  ", "") }

// wrapCommand breaks a command into lines that a shell reads as one.
func wrapCommand(words []string, indent string) []string {
	var quoted []string
	for _, w := range words {
		quoted = append(quoted, shell.Quote(w))
	}
	return broken(quoted, indent, "    ", ` \`)
}

func broken(words []string, indent, deeper, end string) []string {
	var lines []string
	line, empty := indent, true
	for _, w := range words {
		if !empty && len(line)+1+len(w)+len(end) > columns {
			lines = append(lines, line+end)
			line, empty = indent+deeper, true
		}
		if !empty {
			line += " "
		}
		line, empty = line+w, false
	}
	return append(lines, line)
}
