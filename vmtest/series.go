// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"timens-vmtest/internal/blame"
	"timens-vmtest/kernel/series"
	"timens-vmtest/kernel/thread"
)

// seriesListVerb lists the series of this project.
func seriesListVerb(ctx context.Context, a *app, args []string) (int, error) {
	if len(args) > 0 {
		return 0, blame.Usagef("it takes no arguments; \"vmtest series show %s\" says more of one", args[0])
	}
	names, err := series.Names(a.Checkout.Patches())
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		s, err := series.Load(ctx, a.Host.Sandbox, a.Checkout.Patches(), name)
		if err != nil {
			return 0, err
		}
		about, _, _ := strings.Cut(s.About, ". ")
		fmt.Printf("%-15s %d patches, design %s: %s\n", name, len(s.Patches), cmp.Or(s.Design, "by its headers"), strings.TrimSuffix(about, "."))
	}
	return 0, nil
}

// seriesShowVerb lists the patches of one series.
func seriesShowVerb(ctx context.Context, a *app, args []string) (int, error) {
	if len(args) != 1 {
		return 0, blame.Usagef("give one series: a name, a folder or a mailbox")
	}
	s, err := a.LoadOne(ctx, args[0])
	if err != nil {
		return 0, err
	}
	fmt.Printf("%s, design %s\n", s.Name, cmp.Or(s.Design, "by its headers"))
	if s.About != "" {
		fmt.Println(s.About)
	}
	for i, p := range s.Patches {
		fmt.Printf("\n%d/%d %s%s\n", i+1, len(s.Patches), p.Subject, from(s.Thread, i))
		for _, c := range p.Changes() {
			fmt.Printf("    %-60s %+5d %+5d\n", c.Path, c.Added, -c.Deleted)
		}
	}
	printThread(os.Stdout, s.Thread)
	return 0, nil
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
