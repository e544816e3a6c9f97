// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/shell"
	"timens-vmtest/kernel/series"
	"timens-vmtest/kernel/thread"
)

// loadOne reads a series as the flags want it.
func (a *app) loadOne(ctx context.Context, which string) (series.Series, error) {
	if !a.trailers {
		return series.Load(ctx, a.host.Sandbox, a.checkout.Patches(), which)
	}
	if !thread.IsMailbox(which) {
		return series.Series{}, blame.Usagef("-trailers: %s is no mailbox (.mbox, .mbx, or - for standard input), and has no replies; leave the flag out", which)
	}
	return series.LoadMailbox(ctx, a.host.Sandbox, which, thread.Options{Trailers: true})
}

// sayThread says in a few lines of progress what was left of a mailbox.
func (a *app) sayThread(t thread.Thread) {
	if len(t.Left) > 0 {
		more := ""
		if a.piped == "" {
			more = fmt.Sprintf("; %q says which", shell.Quote("vmtest", "series", "show", t.File))
		}
		a.progress.Step("%s%s", threadSummary(t), more)
	}
	for _, l := range t.Left {
		if l.Reason.Own() {
			a.progress.Step("mail %d is left out, as it is a %s, %s: %q; to test it, too, save that mail alone as a file .patch, and pass it by -patch", l.Mail, l.Reason, l.Note, l.Subject)
		}
	}
	taken, left := 0, 0
	for _, g := range t.Trailers {
		switch {
		case g.Taken:
			taken++
		case g.Why == "":
			left++
		default:
			a.progress.Step("mail %d gives %q, which is not taken: %s", g.Mail, g.Text, g.Why)
		}
	}
	if taken > 0 {
		a.progress.Step("trailers of replies that are put into the changelogs: %d", taken)
	}
	if left > 0 {
		a.progress.Step("trailers of replies that are left: %d; -trailers puts them into the changelogs", left)
	}
}

// threadSummary says how many mails of a mailbox are patches, and what the others are.
func threadSummary(t thread.Thread) string {
	are := "are patches"
	if len(t.Taken) == 1 {
		are = "is a patch"
	}
	text := fmt.Sprintf("of %d mails, %d %s of %s", t.Mails, len(t.Taken), are, t.Version)
	var kinds []string
	for _, reason := range thread.Reasons {
		n := 0
		for _, l := range t.Left {
			if l.Reason == reason {
				n++
			}
		}
		if n > 0 {
			kinds = append(kinds, fmt.Sprintf("%s: %d", reason, n))
		}
	}
	// What resends single parts leaves the others as they were.
	older := 0
	for _, part := range t.Taken {
		if part.Version != t.Version {
			older++
		}
	}
	if older > 0 {
		text += fmt.Sprintf(" (%d of them are of the version before, which %s does not send again)", older, t.Version)
	}
	return text + "; left out are " + strings.Join(kinds, ", ")
}

// from says which mail of a thread a patch is.
func from(t thread.Thread, i int) string {
	if i >= len(t.Taken) || len(t.Left) == 0 {
		return ""
	}
	return fmt.Sprintf(" (mail %d, %s)", t.Taken[i].Mail, t.Taken[i].Version)
}

// printThread lists what a mailbox holds beside the patches. Whatever its mails say is
// quoted: a terminal does not obey it.
func printThread(w io.Writer, t thread.Thread) {
	if len(t.Left) > 0 {
		fmt.Fprintf(w, "\nleft out of %d mails:\n", t.Mails)
		table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, l := range t.Left {
			fmt.Fprintf(table, "    mail %d\t%s\t%q\n", l.Mail, strings.TrimSuffix(fmt.Sprintf("%s, %s", l.Reason, l.Note), ", "), l.Subject)
		}
		table.Flush()
	}
	if slices.ContainsFunc(t.Left, func(l thread.Left) bool { return l.Reason.Own() }) {
		fmt.Fprintln(w, "To test the diff of a reply, too, save that mail alone as a file .patch, and pass it by -patch.")
	}
	if len(t.Trailers) == 0 {
		return
	}
	fmt.Fprintln(w, "\ntrailers that replies give:")
	for _, g := range t.Trailers {
		what := "taken"
		switch {
		case g.Why != "":
			what = fmt.Sprintf("not taken: %q", g.Why)
		case !g.Taken:
			what = "left; -trailers takes it"
		}
		whose := ""
		for _, n := range g.Patches {
			whose += fmt.Sprintf(" %d", n)
		}
		if whose != "" {
			whose = ", patch" + whose
		}
		fmt.Fprintf(w, "    mail %d%s: %q, %s\n", g.Mail, whose, g.Text, what)
	}
}
