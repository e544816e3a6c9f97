// SPDX-License-Identifier: BSD-3-Clause

package patch

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/bluekeyes/go-gitdiff/gitdiff"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/sandbox"
)

// Load reads a file of one or more patches: what git format-patch, diff or quilt makes,
// or mails as they are.
func Load(ctx context.Context, box sandbox.Box, path string) ([]Patch, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, blame.Usagef("read patch: %w", err)
	}
	return LoadTexts(ctx, box, []Named{{filepath.Base(path), text}})
}

// named is the text of a file.
type Named struct {
	Name string
	Text []byte
}

// loadTexts makes patches of files, in their order. A cover letter is left out.
func LoadTexts(ctx context.Context, box sandbox.Box, files []Named) ([]Patch, error) {
	var inputs []input
	for _, f := range files {
		in, err := prepare(f.Name, f.Text)
		if err != nil {
			return nil, err
		}
		inputs = append(inputs, in)
	}
	all, err := readAll(ctx, box, inputs)
	if err != nil {
		return nil, err
	}
	var patches []Patch
	for i, mails := range all {
		some, err := patchesOf(files[i].Name, inputs[i], mails)
		if err != nil {
			return nil, err
		}
		for _, p := range some {
			if slices.ContainsFunc(patches, func(other Patch) bool { return other.Name == p.Name }) {
				return nil, blame.Usagef("%s: two patches would have the name %s; rename one of the files", files[i].Name, p.Name)
			}
			patches = append(patches, p)
		}
	}
	return patches, nil
}

var mailFieldRE = regexp.MustCompile(`^[!-9;-~]+:`)

// isMail knows a mail as git am does: every line down to the first empty one is a field
// of a header.
func isMail(text []byte) bool {
	text = bytes.TrimLeft(text, " \t\r\n")
	if bytes.HasPrefix(text, []byte("From ")) || bytes.HasPrefix(text, []byte("From: ")) {
		return true
	}
	fields := 0
	for line := range bytes.Lines(text) {
		switch line := bytes.TrimRight(line, "\r\n"); {
		case len(line) == 0:
			return fields > 0
		case line[0] == ' ' || line[0] == '\t':
		case !mailFieldRE.Match(line):
			return false
		}
		fields++
	}
	return fields > 0
}

// prepare takes off what Windows puts around a text, and refuses what is no text.
func prepare(name string, text []byte) (input, error) {
	if len(bytes.TrimSpace(text)) == 0 {
		return input{}, &blame.BuildError{Stage: "apply", Err: fmt.Errorf("%s changes no file: it is empty; save it again, or take it out of the series", name)}
	}
	if why := charsetFault(text); why != "" {
		return input{}, refused(name, "%s", why)
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if !isMail(text) {
		return input{text: text}, nil
	}
	if everyCR(text) {
		text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	}
	return input{text: text, mails: true}, nil
}

// patchesOf makes the patches of one file.
func patchesOf(name string, in input, mails []mail) ([]Patch, error) {
	if len(mails) == 0 {
		return nil, refused(name, "git mailsplit finds no mail in it")
	}
	var all []Patch
	for i, m := range mails {
		at := place{file: name}
		if len(mails) > 1 {
			at.mail = i + 1
		}
		msg := messageOf(m)
		if !msg.patch && (len(mails) > 1 || msg.cover()) && !msg.claims() {
			continue
		}
		p, err := m.asPatch(at)
		if err != nil {
			return nil, err
		}
		p.Name = flat(name)
		if len(mails) == 1 && (!in.mails || !m.changed()) {
			p.Text = in.text
		}
		if len(mails) > 1 {
			ext := filepath.Ext(p.Name)
			p.Name = fmt.Sprintf("%s-%d%s", strings.TrimSuffix(p.Name, ext), i+1, ext)
		}
		if !in.mails {
			p.describeText(m)
		}
		all = append(all, p)
	}
	return all, nil
}

// flat is a file name for a path below the series' folder.
func flat(path string) string { return strings.ReplaceAll(path, "/", "-") }

// changed says that decoding made another text of the mail.
func (m mail) changed() bool {
	return !bytes.Contains(m.raw, m.change) || !bytes.Contains(m.raw, bytes.TrimSpace(m.changelog))
}

// asPatch makes the patch of a mail, which has to have one.
func (m mail) asPatch(at place) (Patch, error) {
	at.lines = -1
	if n := bytes.Index(m.raw, m.change); n >= 0 && at.mail == 0 && len(m.change) > 0 {
		at.lines = bytes.Count(m.raw[:n], []byte("\n"))
	}
	if m.text && at.lines >= 0 {
		at.lines -= strings.Count(noMail, "\n")
	}
	p := Patch{Author: m.author, Date: m.date, Subject: bareSubject(m.subject), Changelog: strings.Trim(string(m.changelog), "\n")}
	if partsOf(m.raw).flowed {
		return p, refused(at.String(), "%q was sent as format=flowed, which folds long lines and takes spaces away; %s", m.outer, sendPlain)
	}
	if m.undecoded != "" {
		why, _, _ := strings.Cut(m.undecoded, "\n")
		return p, refused(at.String(), "%q cannot be decoded: %s; correct its charset, or %s", m.outer, strings.TrimPrefix(why, "error: "), sendPlain)
	}
	text := m.change
	if len(text) == 0 { // to see what else it may be
		text = m.changelog
	}
	if err := p.setDiff(at, text); err != nil {
		return p, err
	}
	if err := p.agrees(m); err != nil {
		return p, &blame.BuildError{Stage: "apply", Err: fmt.Errorf("%s: %w", at, err)}
	}
	p.Text = m.format(p.Subject)
	return p, nil
}

// agrees holds what was read to what git reads in the same text: no path and no line may
// be another one for git.
func (p Patch) agrees(m mail) error {
	if m.refused != "" {
		_, strays, _ := scan(m.change)
		for _, s := range strays {
			if strings.HasPrefix(s.text, "diff --git ") {
				return fmt.Errorf("git reads the words %q as the header of a diff, and refuses the patch; indent them", s.text)
			}
		}
		return fmt.Errorf("git cannot read its diff: %s", strings.TrimPrefix(m.refused, "error: "))
	}
	var ours []string
	for i, c := range p.Changes() {
		if p.files[i].IsBinary {
			ours = append(ours, "-\t-\t"+c.Path)
			continue
		}
		ours = append(ours, strconv.FormatInt(c.Added, 10)+"\t"+strconv.FormatInt(c.Deleted, 10)+"\t"+c.Path)
	}
	gits := strings.Split(strings.TrimSuffix(m.stat, "\x00"), "\x00")
	if !slices.Equal(ours, gits) {
		return fmt.Errorf("git reads other changes in it (%q) than vmtest does (%q); make it again by \"git format-patch\"", gits, ours)
	}
	return nil
}

// describeText takes what a text that is no mail says of itself: "git show" prints its
// author, and other tools a first line at most.
func (p *Patch) describeText(m mail) {
	text := strings.TrimSpace(string(m.changelog))
	header, err := gitdiff.ParsePatchHeader(text)
	if err != nil { // its date may be one that nobody can read
		header, err = gitdiff.ParsePatchHeader(dateRE.ReplaceAllString(text, ""))
	}
	if err == nil && header.Author != nil && strings.HasPrefix(text, "commit ") {
		p.Author, p.Subject, p.Changelog = header.Author.String(), header.Title, header.Body
		return
	}
	if p.Subject == "" {
		first, rest, _ := strings.Cut(text, "\n")
		p.Subject, p.Changelog = strings.TrimSpace(strings.TrimPrefix(first, "Description:")), strings.TrimSpace(rest)
	}
}

var dateRE = regexp.MustCompile(`(?m)^(Author|Commit)?Date:.*\n`)
