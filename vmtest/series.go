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
	"timens-vmtest/kernel"
	"timens-vmtest/kernel/series"
	"timens-vmtest/kernel/source"
	"timens-vmtest/kernel/thread"
)

// givenBase fetches the base that the flags name. If they name none, given is false.
func (a *app) givenBase(ctx context.Context) (base source.Base, given bool, err error) {
	if err := a.OneBase(); err != nil || a.Source == (source.Spec{}) {
		return base, false, err
	}
	base, err = a.Source.Fetch(ctx, a.Host)
	return base, true, err
}

// seriesListVerb lists the series of this project, and if a base is given, which variant of
// each applies to it.
func seriesListVerb(ctx context.Context, a *app, args []string) (int, error) {
	if len(args) > 0 {
		return 0, blame.Usagef("it takes no arguments; \"vmtest series show %s\" says more of one", args[0])
	}
	names, err := series.Names(a.Checkout.Patches())
	if err != nil {
		return 0, err
	}
	base, given, err := a.givenBase(ctx)
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		s, err := series.Load(ctx, a.Host.Sandbox, a.Checkout.Patches(), name)
		if err != nil {
			return 0, err
		}
		what := ""
		if s.Variants != nil {
			what = ", for " + strings.Join(series.Releases(s.Variants), " and ")
		}
		if given {
			chosen, _, fits, err := kernel.Choose(ctx, a.Host, base, s)
			if err != nil {
				return 0, err
			}
			s, what = chosen, chosen.For()+", which "+applyOn(base, fits)
		}
		about, _, _ := strings.Cut(s.About, ". ")
		fmt.Printf("%-15s %d patches%s, design %s: %s\n", name, len(s.Patches), what, cmp.Or(s.Design, "by its headers"), strings.TrimSuffix(about, "."))
	}
	return 0, nil
}

// applyOn says whether patches apply to a base.
func applyOn(base source.Base, fits bool) string {
	if fits {
		return "apply to linux-" + base.Version
	}
	return "do not apply to linux-" + base.Version
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
	base, given, err := a.givenBase(ctx)
	if err != nil {
		return 0, err
	}
	what := ""
	if s.Variants != nil {
		what = fmt.Sprintf("; there are variants for %s", strings.Join(series.Releases(s.Variants), " and "))
	}
	if given {
		chosen, fits, err := a.Choose(ctx, base, s)
		if err != nil {
			return 0, err
		}
		s, what = chosen, "; the patches"+chosen.For()+" "+applyOn(base, fits)
	}
	fmt.Printf("%s, design %s%s\n", s.Name, cmp.Or(s.Design, "by its headers"), what)
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
