// SPDX-License-Identifier: BSD-3-Clause

package flags

import (
	"context"
	"fmt"
	"strings"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/shell"
	"timens-vmtest/kernel/series"
	"timens-vmtest/kernel/thread"
)

// LoadOne reads a series as the flags want it.
func (c *Command) LoadOne(ctx context.Context, which string) (series.Series, error) {
	if !c.trailers {
		return series.Load(ctx, c.Host.Sandbox, c.Checkout.Patches(), which)
	}
	if !thread.IsMailbox(which) {
		return series.Series{}, blame.Usagef("-trailers: %s is no mailbox (.mbox, .mbx, or - for standard input), and has no replies; leave the flag out", which)
	}
	return series.LoadMailbox(ctx, c.Host.Sandbox, which, thread.Options{Trailers: true})
}

// sayThread says in a few lines of progress what was left of a mailbox.
func (c *Command) sayThread(t thread.Thread) {
	if len(t.Left) > 0 {
		more := ""
		if c.piped == "" {
			more = fmt.Sprintf("; %q says which", shell.Quote("vmtest", "series", "show", t.File))
		}
		c.Host.Report.Step("%s%s", threadSummary(t), more)
	}
	for _, l := range t.Left {
		if l.Reason.Own() {
			c.Host.Report.Step("mail %d is left out, as it is a %s, %s: %q; to test it, too, save that mail alone as a file .patch, and pass it by -patch", l.Mail, l.Reason, l.Note, l.Subject)
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
			c.Host.Report.Step("mail %d gives %q, which is not taken: %s", g.Mail, g.Text, g.Why)
		}
	}
	if taken > 0 {
		c.Host.Report.Step("trailers of replies that are put into the changelogs: %d", taken)
	}
	if left > 0 {
		c.Host.Report.Step("trailers of replies that are left: %d; -trailers puts them into the changelogs", left)
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
