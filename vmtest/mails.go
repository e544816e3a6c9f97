// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/internal/shell"
	"timens-vmtest/kernel"
	"timens-vmtest/kernel/outgoing"
	"timens-vmtest/kernel/patch"
	"timens-vmtest/kernel/series"
	"timens-vmtest/kernel/source"
	"timens-vmtest/vmtest/check"
	"timens-vmtest/vmtest/report"
	"timens-vmtest/vmtest/run"
	"timens-vmtest/vmtest/several"
)

// mails are the flags of "series export" for mails.
type mails struct {
	mbox    string // path, or "-"; "": no mails
	author  string
	version int
}

func (a *app) registerMails(set *flag.FlagSet) {
	set.StringVar(&a.mails.mbox, "mbox", "", "write the series to `FILE`, or - for standard output, as mails to be sent: with a cover letter, numbers, recipients and your name")
	set.StringVar(&a.mails.author, "author", "", "send as `'NAME <ADDRESS>'` (default: what git knows); it replaces a placeholder as author; needs -mbox")
	set.IntVar(&a.mails.version, "reroll", 1, "number `N` of the version of the series, from 2 on in each subject; needs -mbox")
	a.RegisterTree(set)
	set.StringVar(&a.Results, "results", "", "`DIR` with the results of \"presubmit\" that the cover letter gets (default results/ of the checkout); needs -mbox")
}

// mailsAlone refuses flags that say something of mails if none are to be written.
func (a *app) mailsAlone() error {
	for _, name := range []string{"author", "reroll", "tree", "range", "results"} {
		if a.mails.mbox == "" && a.Has(name) {
			return blame.Usagef("-%s is about mails; add -mbox FILE, or leave it out", name)
		}
	}
	if a.mails.version < 1 {
		return blame.Usagef("-reroll %d: versions begin with 1", a.mails.version)
	}
	return nil
}

// exportMails writes a series as the mails that are to be sent.
func (a *app) exportMails(ctx context.Context, args []string) (int, error) {
	m, err := a.mailing(ctx, args)
	if err != nil {
		return 0, err
	}
	var left []string
	cover, results, err := a.cover(m.Series)
	if err != nil {
		return 0, err
	}
	m.Cover = cover
	switch {
	case cover == nil && len(m.Series.Patches) > 1:
		left = append(left, fmt.Sprintf("there is no cover letter: write one to %s", filepath.Join(run.ShortPath(m.Series.Folder), series.CoverFile)))
	case cover != nil && cover.AsksResults() && results == nil:
		left = append(left, fmt.Sprintf("no presubmit has tested these patches: type \"%s\", and then this command again", a.presubmit(args)))
	}
	if cover != nil {
		filled := cover.WithResults(results)
		m.Cover = &filled
	}
	if m.Commit == "" {
		left = append(left, "there is no base-commit, as the base is no git tree without changes: give one by -tree, or -range")
	}
	if len(m.To) == 0 {
		left = append(left, "there are no recipients: scripts/get_maintainer.pl of the base names none")
	}
	box, err := m.Mailbox(ctx)
	if _, refused := errors.AsType[*blame.BuildError](err); refused { // git am does not name the hunk
		_, misfit := kernel.Apply(ctx, a.Host, m.Base, m.Series)
		return 0, cmp.Or(misfit, err)
	}
	if err != nil {
		return 0, err
	}
	a.progress.Clear()
	if a.mails.mbox == "-" {
		_, err := os.Stdout.Write(box)
		for _, text := range left {
			fmt.Fprintf(os.Stderr, "vmtest: to do: %s\n", text)
		}
		return 0, err
	}
	if err := writeNew(a.mails.mbox, box); err != nil {
		return 0, err
	}
	sayMails(a.mails.mbox, m, left)
	return 0, nil
}

// presubmit is the line to paste that tests the series of these arguments.
func (a *app) presubmit(args []string) string {
	words := []string{"presubmit"}
	for _, f := range []struct{ name, value string }{{"-base", a.Bases.String()}, {"-tree", a.Source.Tree}, {"-range", a.Commits}} {
		if f.value != "" {
			words = append(words, f.name, f.value)
		}
	}
	return a.command(append(words, args...)...)
}

// sayMails says what was written, what is left to do, and how the mails are sent.
func sayMails(mbox string, m outgoing.Mailing, left []string) {
	letter := ""
	if m.Cover != nil {
		letter = "a cover letter and "
	}
	fmt.Printf("%s has %s%d patches on linux-%s, from %s\n", mbox, letter, len(m.Series.Patches), m.Base.Version, m.Sender)
	for _, text := range left {
		fmt.Printf("to do    %s\n", text)
	}
	am := []string{"git", "am"}
	if m.Cover != nil {
		am = append(am, "--empty=drop") // it has no diff
	}
	fmt.Printf("apply    %s\n", shell.Quote(append(am, mbox)...))
	parts := mbox + ".d"
	fmt.Printf("send     mkdir %[1]s && git mailsplit -o%[1]s %[2]s && git send-email --suppress-cc=self %[1]s/*\n", shell.Quote(parts), shell.Quote(mbox))
}

// writeNew writes a file that does not exist yet.
func writeNew(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return blame.Usagef("%s exists, and may have edits of yours; remove it, or give -mbox another name", path)
	}
	if err != nil {
		return blame.Usagef("-mbox: %w", err)
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

// mailing returns the series that the arguments or -range name, and to whom it goes.
func (a *app) mailing(ctx context.Context, args []string) (outgoing.Mailing, error) {
	m := outgoing.Mailing{Version: a.mails.version, Now: time.Now()}
	switch {
	case a.Commits != "" && len(args) > 0:
		return m, blame.Usagef("-range is the series; %s cannot be another one", args[0])
	case a.Commits == "" && len(args) != 1:
		return m, blame.Usagef("give one series, by its name or folder, or commits of -tree by -range")
	case a.Commits == "":
		a.Series = args
	}
	if err := a.Confine(ctx); err != nil { // now that it is known whose series it is
		return m, err
	}
	if len(args) > 0 {
		if err := a.baseOfVariant(series.Folder(a.Checkout.Patches(), args[0])); err != nil {
			return m, err
		}
	}
	req, err := a.OneRequest(ctx)
	if err != nil {
		return m, err
	}
	m.Series = req.Series
	m.Series.Patches = slices.DeleteFunc(slices.Clone(m.Series.Patches), func(p patch.Patch) bool { return p.Local })
	for _, p := range m.Series.Patches {
		if p.Author == "" || p.Subject == "" {
			return m, blame.Usagef("%s has no author or no subject; \"vmtest series check -steps form\" names what a patch needs", p.Name)
		}
	}
	if len(m.Series.Patches) == 0 {
		return m, blame.Usagef("series %s has no patches", m.Series.Name)
	}
	if m.Sender, err = outgoing.Sender(ctx, a.mails.author); err != nil {
		return m, err
	}
	if m.Base, err = req.Base.Fetch(ctx, a.Host); err != nil {
		return m, err
	}
	if m.Commit, err = commitOf(ctx, req.Base); err != nil {
		return m, err
	}
	who, err := check.RecipientsOf(ctx, a.Host, m.Base, m.Series)
	m.To, m.Cc = who.To, who.Cc
	return m, err
}

// commitOf returns the commit of a base; "" if it is in no git tree, or if its tree has changes.
func commitOf(ctx context.Context, base source.Spec) (string, error) {
	if base.Commit != "" || base.Tree == "" {
		return base.Commit, nil
	}
	head, err := sandbox.GitLine(ctx, base.Tree, "rev-parse", "--verify", "--quiet", "HEAD")
	if err != nil { // no git tree, or nothing was ever committed
		return "", ctx.Err()
	}
	changed, err := sandbox.GitLine(ctx, base.Tree, "status", "--porcelain", "--untracked-files=no")
	if err != nil || changed != "" {
		return "", err
	}
	return head, nil
}

// cover returns the cover letter of a series, and what the last presubmit of exactly its
// patches has to say; nil: there is none.
func (a *app) cover(s series.Series) (cover *outgoing.Cover, results []byte, err error) {
	if s.Cover == nil {
		return nil, nil, nil
	}
	c, err := outgoing.ParseCover(s.Cover)
	if err != nil {
		return nil, nil, err
	}
	if faults := c.Faults(); faults != nil {
		return nil, nil, blame.Usagef("%s: %s", filepath.Join(run.ShortPath(s.Folder), series.CoverFile), faults[0])
	}
	var patches []string
	for _, p := range s.Patches {
		patches = append(patches, several.DigestOf(p.Text))
	}
	dir, err := several.Presubmitted(a.Results, patches)
	if err != nil || dir == "" {
		return &c, nil, err
	}
	results, err = os.ReadFile(filepath.Join(dir, report.OutgoingFile))
	if errors.Is(err, fs.ErrNotExist) {
		return &c, nil, nil
	}
	return &c, results, err
}
