// SPDX-License-Identifier: BSD-3-Clause

package patch

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"timens-vmtest/internal/blame"
)

// Mail is what git makes of one mail, or of one text that is no mail.
type Mail struct {
	Raw       []byte
	Subject   string // of the mail's own header, with its brackets; decoded
	Sender    Person // of the mail's own header
	Changelog []byte
	Change    []byte // all below the changelog: notes, diffstat, diff, signature

	Tag      string // in the brackets of the subject, less the numbers: "PATCH v3"
	N, Of    int    // from [PATCH N/Of]; 0 if it has none
	HasPatch bool   // it has a diff that is not quoted

	text      bool   // it is no mail, and has no header
	author    string // NAME <ADDRESS>; in-body headers go before the mail's own, as in date and title
	date      string
	title     string // subject of the patch, with its brackets
	undecoded string // why the text could not be decoded; "" if it could be
	stat      string // what "git apply --numstat -z" says of Change
	refused   string // why "git apply" cannot read Change; "" if it can
}

// Person is a name and an address.
type Person struct{ Name, Address string }

func (p Person) String() string { return strings.TrimSpace(p.Name + " <" + p.Address + ">") }

// Placeholder reports whether the person is a placeholder: mail to an address below .invalid
// arrives nowhere (RFC 2606).
func (p Person) Placeholder() bool { return strings.HasSuffix(strings.ToLower(p.Address), ".invalid") }

// Decoded says that the text of the mail could be decoded.
func (m Mail) Decoded() bool { return m.undecoded == "" }

// describe takes in what mailinfo printed.
func (m *Mail) describe(info, outer []byte) {
	m.Subject = infoField(outer, "Subject")
	m.Sender = Person{infoField(outer, "Author"), infoField(outer, "Email")}
	m.date, m.title = infoField(info, "Date"), infoField(info, "Subject")
	name, address := infoField(info, "Author"), infoField(info, "Email")
	if address != "" {
		m.author = fmt.Sprintf("%s <%s>", name, address)
	}
	if m.Subject == "" {
		m.Subject = strings.Join(strings.Fields(m.Header("Subject")), " ")
	}
	if m.title == "" {
		m.title = m.Subject
	}
}

func infoField(info []byte, name string) string {
	for line := range strings.Lines(string(info)) {
		if value, ok := strings.CutPrefix(line, name+": "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// Header is a field of the mail's header as it stands there, unfolded.
func (m Mail) Header(name string) string {
	head, _, _ := strings.Cut(string(m.Raw), "\n\n")
	value, found := "", false
	for line := range strings.Lines(head) {
		if found && (line[0] == ' ' || line[0] == '\t') {
			value += line
			continue
		}
		if found {
			break
		}
		key, rest, ok := strings.Cut(line, ":")
		if found = ok && strings.EqualFold(key, name); found {
			value = rest
		}
	}
	return strings.TrimSpace(value)
}

// classify says what the mail is in a series.
func (m *Mail) classify() {
	m.readTag()
	sections, _, _ := scan(m.Change)
	m.HasPatch = len(sections) > 0
	if m.IsCover() && interdiffRE.Match(m.Raw) { // it shows what changed since the last version
		m.HasPatch = false
	}
}

var interdiffRE = regexp.MustCompile(`(?m)^(Interdiff|Range-diff)( against v\d+)?:$`)

// IsCover says that the mail is a cover letter: it has the number 0.
func (m Mail) IsCover() bool { return m.Of > 0 && m.N == 0 }

// ClaimsPatch says that the mail calls itself a patch. A reply does not: its subject does not
// begin with a bracket.
func (m Mail) ClaimsPatch() bool { return !m.IsCover() && patchRE.MatchString(m.Tag) }

var (
	tagRE    = regexp.MustCompile(`^\s*(\[[^\]]*\]\s*)+`)
	patchRE  = regexp.MustCompile(`(?i)\bpatch(v\d+)?\b`) // a [PATCHSET] is a cover letter
	numberRE = regexp.MustCompile(`\s*\b0*(\d+)/0*(\d+)\b\s*`)
)

// BareSubject is a subject without what mails put before it, as git am cleans it.
func BareSubject(subject string) string {
	return strings.Join(strings.Fields(beforeRE.ReplaceAllString(subject, "")), " ")
}

var beforeRE = regexp.MustCompile(`(?i)^(\s+|:|re:|\[[^\]]*\])*`)

// readTag takes the subject's brackets apart.
func (m *Mail) readTag() {
	m.Tag = strings.TrimSpace(tagRE.FindString(m.Subject))
	if found := numberRE.FindStringSubmatch(m.Tag); found != nil {
		// Too many digits for a number are too many for a series: it is none.
		m.N, _ = strconv.Atoi(found[1])
		m.Of, _ = strconv.Atoi(found[2])
		m.Tag = strings.ReplaceAll(m.Tag, found[0], "")
	}
}

// format is the form of git format-patch: what mailinfo prints is nearly it.
func (m Mail) format(subject string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001\n")
	for _, field := range []struct{ name, value string }{{"From", m.author}, {"Date", m.date}, {"Subject", "[PATCH] " + subject}} {
		if field.value != "" {
			fmt.Fprintf(&b, "%s: %s\n", field.name, field.value)
		}
	}
	b.WriteByte('\n')
	b.Write(bytes.TrimRight(m.Changelog, "\n"))
	b.WriteByte('\n')
	if !bytes.HasPrefix(m.Change, []byte("---\n")) {
		b.WriteString("---\n")
	}
	b.Write(m.Change)
	return b.Bytes()
}

// changed says that decoding made another text of the mail.
func (m Mail) changed() bool {
	return !bytes.Contains(m.Raw, m.Change) || !bytes.Contains(m.Raw, bytes.TrimSpace(m.Changelog))
}

// Patch makes the patch of a mail, which has to have one. For messages, it takes the file that
// the mail is from and its number there, from 1; the number is 0 if the file is one mail.
func (m Mail) Patch(file string, number int) (Patch, error) {
	at := place{file: file, mail: number, lines: -1}
	if n := bytes.Index(m.Raw, m.Change); n >= 0 && at.mail == 0 && len(m.Change) > 0 {
		at.lines = bytes.Count(m.Raw[:n], []byte("\n"))
	}
	if m.text && at.lines >= 0 {
		at.lines -= strings.Count(noMail, "\n")
	}
	p := Patch{Author: m.author, Date: m.date, Subject: BareSubject(m.title), Changelog: strings.Trim(string(m.Changelog), "\n")}
	if partsOf(m.Raw).flowed {
		return p, refused(at.String(), "%q was sent as format=flowed, which folds long lines and takes spaces away; %s", m.Subject, sendPlain)
	}
	if m.undecoded != "" {
		why, _, _ := strings.Cut(m.undecoded, "\n")
		return p, refused(at.String(), "%q cannot be decoded: %s; correct its charset, or %s", m.Subject, strings.TrimPrefix(why, "error: "), sendPlain)
	}
	text := m.Change
	if len(text) == 0 { // to see what else it may be
		text = m.Changelog
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
func (p Patch) agrees(m Mail) error {
	if m.refused != "" {
		_, strays, _ := scan(m.Change)
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

var spaceRE = regexp.MustCompile(`\s+`)

// PatchID is the same for mails whose diffs differ in line numbers and white space alone, as
// in "git patch-id".
func (m Mail) PatchID() string {
	sections, _, _ := scan(m.Change)
	var b bytes.Buffer
	for _, s := range sections {
		for line := range bytes.Lines(s.text) {
			if bytes.HasPrefix(line, []byte("index ")) || bytes.HasPrefix(line, []byte("@@ ")) {
				continue
			}
			b.Write(spaceRE.ReplaceAll(line, nil))
		}
	}
	return b.String()
}
