// SPDX-License-Identifier: BSD-3-Clause

package outgoing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kernel/patch"
	"timens-vmtest/kernel/series"
	"timens-vmtest/kernel/source"
)

// Mailing is a series that is sent.
type Mailing struct {
	Series  series.Series
	Base    source.Base
	Commit  string       // of the base; "" if it is in no git tree
	Sender  patch.Person // writes the cover letter, and replaces a placeholder as author
	Version int          // of the series; 0 and 1 are the first, whose mails do not name it
	To, Cc  []string     // addresses
	Cover   *Cover       // nil: none
	Now     time.Time    // the date of the mails
}

// Mailbox returns the mails, one after the other, as a mailbox that "git am", "git mailsplit" and b4
// read. git makes them from commits, so they are what "git format-patch" would write in a git
// tree of the kernel.
func (m Mailing) Mailbox(ctx context.Context) ([]byte, error) {
	dir, err := os.MkdirTemp("", "vmtest-mails-")
	if err != nil {
		return nil, err
	}
	defer cache.RemoveAll(dir)
	g := git{dir: filepath.Join(dir, "tree"), mailing: m}
	if err := g.makeBase(ctx); err != nil {
		return nil, err
	}
	if err := g.commitPatches(ctx, dir); err != nil {
		return nil, err
	}
	return g.format(ctx, filepath.Join(dir, "mails"))
}

// git is a git tree that has those files of the base which the series touches.
type git struct {
	dir     string
	mailing Mailing
}

// run runs git in the tree. Whoever sends the series is the committer: git takes the sender of the cover letter from there.
func (g git) run(ctx context.Context, args ...string) ([]byte, error) {
	cmd := sandbox.Git(ctx, g.dir, args...)
	at := g.mailing.Now.Format(time.RFC3339)
	cmd.Env = append(cmd.Env,
		"GIT_COMMITTER_NAME="+g.mailing.Sender.Name, "GIT_COMMITTER_EMAIL="+g.mailing.Sender.Address, "GIT_COMMITTER_DATE="+at,
		"GIT_AUTHOR_NAME="+g.mailing.Sender.Name, "GIT_AUTHOR_EMAIL="+g.mailing.Sender.Address, "GIT_AUTHOR_DATE="+at)
	return sandbox.Run(cmd)
}

// makeBase commits the files of the base.
func (g git) makeBase(ctx context.Context) error {
	if err := os.MkdirAll(g.dir, 0o755); err != nil {
		return err
	}
	for _, p := range g.mailing.Series.Patches {
		for _, path := range p.Touches() {
			if err := copyFile(filepath.Join(g.mailing.Base.Dir, path), filepath.Join(g.dir, path)); err != nil {
				return err
			}
		}
	}
	for _, args := range [][]string{
		{"init", "-q", "--initial-branch=" + branch},
		{"add", "--all", "--force", "."},
		{"commit", "-q", "--allow-empty", "--no-verify", "-m", "base"},
		{"tag", baseTag},
	} {
		if _, err := g.run(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

const (
	branch  = "series"
	baseTag = "base"
)

// copyFile copies a file of the base. A file that a patch adds is in no base.
func copyFile(from, to string) error {
	text, err := cache.ReadRegular(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, text, info.Mode().Perm()|0o600)
}

// commitPatches commits the patches, in the name of whoever sends them where they have a placeholder.
func (g git) commitPatches(ctx context.Context, dir string) error {
	var paths []string
	for _, p := range g.mailing.Series.Patches {
		path := filepath.Join(dir, p.Name)
		if err := os.WriteFile(path, g.mailing.signed(p), 0o644); err != nil {
			return err
		}
		paths = append(paths, path)
	}
	_, err := g.run(ctx, slices.Concat([]string{"am", "-q"}, series.AsCommits, paths)...)
	if err != nil && ctx.Err() == nil {
		return &blame.BuildError{Stage: "apply", Err: fmt.Errorf("the series does not apply to linux-%s: %w", g.mailing.Base.Version, err)}
	}
	return err
}

// signed returns the text of a patch with the sender's name where the author is a placeholder.
func (m Mailing) signed(p patch.Patch) []byte {
	if !p.Placeholder() {
		return p.Text
	}
	head, rest, _ := bytes.Cut(p.Text, []byte("\n\n"))
	var lines []string
	for line := range strings.Lines(string(head) + "\n") {
		switch {
		case strings.HasPrefix(line, "From: "):
			line = "From: " + m.Sender.String() + "\n"
		case strings.HasPrefix(line, "Date: "):
			line = "Date: " + m.Now.Format(time.RFC1123Z) + "\n"
		}
		lines = append(lines, line)
	}
	changelog, diff, _ := bytes.Cut(rest, []byte("\n---\n"))
	signature := []byte("Signed-off-by: ")
	changelog = bytes.ReplaceAll(changelog, append(slices.Clone(signature), p.Author...), append(slices.Clone(signature), m.Sender.String()...))
	return slices.Concat([]byte(strings.Join(lines, "")), []byte("\n"), changelog, []byte("\n---\n"), diff)
}

// format makes mails of the commits.
func (g git) format(ctx context.Context, to string) ([]byte, error) {
	m := g.mailing
	args := slices.Concat(series.PlainDiff, []string{
		"-c", "format.encodeEmailHeaders=true", "-c", "i18n.logOutputEncoding=UTF-8",
		"format-patch", "--zero-commit", "--no-signature", "--thread=shallow", "-o", to,
	}, series.PlainPatch)
	if m.Version > 1 {
		args = append(args, fmt.Sprintf("--reroll-count=%d", m.Version))
	}
	for _, address := range m.To {
		args = append(args, "--to="+address)
	}
	for _, address := range m.Cc {
		args = append(args, "--cc="+address)
	}
	if m.Cover != nil {
		if _, err := g.run(ctx, "config", "branch."+branch+".description", m.Cover.Subject+"\n\n"+m.Cover.Body); err != nil {
			return nil, err
		}
		args = append(args, "--cover-letter", "--cover-from-description=subject")
	}
	out, err := g.run(ctx, append(args, baseTag+".."+branch)...)
	if err != nil {
		return nil, err
	}
	var box bytes.Buffer
	for i, path := range strings.Split(strings.TrimSuffix(string(out), "\n"), "\n") {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if i == 0 && m.Cover != nil {
			text = encodedSender(text)
		}
		box.Write(bytes.TrimRight(text, "\n"))
		box.WriteString("\n")
		if i == 0 && m.Commit != "" { // where "git format-patch --base" puts it
			fmt.Fprintf(&box, "\nbase-commit: %s\n", m.Commit)
		}
		box.WriteString("\n")
	}
	return box.Bytes(), nil
}

// encodedSender encodes the sender's name in a cover letter. git leaves it as it is there.
func encodedSender(text []byte) []byte {
	before, rest, _ := bytes.Cut(text, []byte("\nFrom: "))
	line, rest, _ := bytes.Cut(rest, []byte("\n"))
	a, err := mail.ParseAddress(string(line))
	if err != nil || !bytes.ContainsFunc(line, func(r rune) bool { return r > unicode.MaxASCII }) {
		return text
	}
	return slices.Concat(before, []byte("\nFrom: "+a.String()+"\n"), rest)
}

// Sender returns who sends a series: the one that is given as NAME <ADDRESS>, or else the one
// that git knows. It refuses a placeholder.
func Sender(ctx context.Context, given string) (patch.Person, error) {
	if given == "" {
		out, err := sandbox.Run(sandbox.Command(ctx, "", nil, "git", "-c", "user.useConfigOnly=true", "var", "GIT_AUTHOR_IDENT"))
		if err != nil {
			return patch.Person{}, blame.Usagef("git does not know your name; type \"git config --global user.name NAME\" and \"git config --global user.email ADDRESS\", or pass -author 'NAME <ADDRESS>'")
		}
		at := bytes.LastIndexByte(out, '>') + 1
		given = string(out[:at])
	}
	a, err := mail.ParseAddress(given)
	if err != nil || a.Name == "" {
		return patch.Person{}, blame.Usagef("-author %s is not of the form 'NAME <ADDRESS>'", given)
	}
	p := patch.Person{Name: a.Name, Address: a.Address}
	if p.Placeholder() {
		return p, blame.Usagef("-author %s is a placeholder: mail to an address below .invalid arrives nowhere; give your own", given)
	}
	return p, nil
}
