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

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/sandbox"
)

// IsMailbox knows the names that mail clients and b4 give to mailboxes. A folder of such
// a name with a file "series" is none.
func IsMailbox(path string) bool {
	if _, err := os.Stat(filepath.Join(path, "series")); err == nil {
		return false
	}
	return strings.HasSuffix(path, ".mbox") || strings.HasSuffix(path, ".mbx")
}

// message is one mail of a mailbox.
type message struct {
	mail
	at    place
	id    string
	tag   string // in the brackets of the subject, less the numbers: "PATCH v3"
	n, of int    // from [PATCH n/of]; 0 if it has none
	patch bool   // it has a diff that is not quoted
}

// LoadMailbox reads the patches of a mailbox in the order of their numbers, wherever they
// lie. A cover letter and replies without a patch of their own are left out. Everything
// that leaves doubt is refused. file is the path from the root.
func LoadMailbox(ctx context.Context, box sandbox.Box, path string) (file string, patches []Patch, err error) {
	file, text, err := mailboxText(path)
	if err != nil {
		return "", nil, err
	}
	messages, err := readMailbox(ctx, box, file, text)
	if err != nil {
		return "", nil, err
	}
	messages, err = inOrder(messages)
	if err != nil {
		return "", nil, blame.Usagef("%s: %w", file, err)
	}
	for i, m := range messages {
		p, err := m.asPatch(m.at)
		if err != nil {
			return "", nil, err
		}
		p.Name = patchName(i+1, p.Subject)
		patches = append(patches, p)
	}
	return file, patches, nil
}

// mailboxText reads a mailbox, and says by what name it goes.
func mailboxText(path string) (name string, text []byte, err error) {
	if name, err = filepath.Abs(path); err != nil {
		return "", nil, err
	}
	info, err := os.Stat(name)
	if err != nil {
		return "", nil, blame.Usagef("series: %w", err)
	}
	if info.IsDir() {
		return "", nil, blame.Usagef("%s is a folder, and has no file \"series\"; name the mailbox file in it, or join the mails of a maildir by \"git mailsplit\" or the mail program's export", name)
	}
	if text, err = os.ReadFile(name); err != nil {
		return "", nil, blame.Usagef("series: %w", err)
	}
	return name, text, nil
}

// readMailbox splits and decodes by git's own tools, as git am does.
func readMailbox(ctx context.Context, box sandbox.Box, name string, text []byte) ([]message, error) {
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, refused(name, "it is empty; save the mails again")
	}
	in, err := prepare(name, text)
	if err != nil {
		return nil, err
	}
	if !in.mails {
		return nil, refused(name, "it holds no mail: its first lines are no header; pass a patch by -patch")
	}
	all, err := readAll(ctx, box, []input{in})
	if err != nil {
		return nil, err
	}
	if len(all[0]) == 0 {
		return nil, refused(name, "git mailsplit finds no mail in it; save it as a mailbox (mbox)")
	}
	var messages []message
	for i, m := range all[0] {
		msg := messageOf(m)
		msg.at = place{file: name, mail: i + 1}
		messages = append(messages, msg)
	}
	return messages, nil
}

// messageOf says what a mail is in its series.
func messageOf(m mail) message {
	msg := message{mail: m, id: m.header("Message-Id")}
	msg.readTag()
	sections, _, _ := scan(m.change)
	msg.patch = len(sections) > 0
	if msg.cover() && interdiffRE.Match(m.raw) { // it shows what changed since the last version
		msg.patch = false
	}
	return msg
}

var interdiffRE = regexp.MustCompile(`(?m)^(Interdiff|Range-diff)( against v\d+)?:$`)

// cover says that the mail has the number 0.
func (m message) cover() bool { return m.of > 0 && m.n == 0 }

// claims says that the mail calls itself a patch. A reply does not: its subject does not
// begin with a bracket.
func (m message) claims() bool { return !m.cover() && patchRE.MatchString(m.tag) }

// format is the form of git format-patch: what mailinfo prints is nearly it.
func (m mail) format(subject string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001\n")
	for _, field := range []struct{ name, value string }{{"From", m.author}, {"Date", m.date}, {"Subject", "[PATCH] " + subject}} {
		if field.value != "" {
			fmt.Fprintf(&b, "%s: %s\n", field.name, field.value)
		}
	}
	b.WriteByte('\n')
	b.Write(bytes.TrimRight(m.changelog, "\n"))
	b.WriteByte('\n')
	if !bytes.HasPrefix(m.change, []byte("---\n")) {
		b.WriteString("---\n")
	}
	b.Write(m.change)
	return b.Bytes()
}

var (
	tagRE    = regexp.MustCompile(`^\s*(\[[^\]]*\]\s*)+`)
	patchRE  = regexp.MustCompile(`(?i)\bpatch(v\d+)?\b`) // a [PATCHSET] is a cover letter
	numberRE = regexp.MustCompile(`\s*\b0*(\d+)/0*(\d+)\b\s*`)
)

// bareSubject is a subject without what mails put before it, as git am cleans it.
func bareSubject(subject string) string {
	return strings.Join(strings.Fields(beforeRE.ReplaceAllString(subject, "")), " ")
}

var beforeRE = regexp.MustCompile(`(?i)^(\s+|:|re:|\[[^\]]*\])*`)

// readTag takes the subject's brackets apart.
func (m *message) readTag() {
	m.tag = strings.TrimSpace(tagRE.FindString(m.outer))
	if found := numberRE.FindStringSubmatch(m.tag); found != nil {
		// Too many digits for a number are too many for a series: it is none.
		m.n, _ = strconv.Atoi(found[1])
		m.of, _ = strconv.Atoi(found[2])
		m.tag = strings.ReplaceAll(m.tag, found[0], "")
	}
}

// maxParts is more than any series has.
const maxParts = 1000

// inOrder picks the patches and sorts them, or says what leaves doubt.
func inOrder(all []message) ([]message, error) {
	var patches []message
	seen := make(map[string]bool)
	for _, m := range all {
		if m.id != "" && seen[m.id] { // the same mail by two lists
			continue
		}
		if !m.patch {
			if m.claims() {
				return nil, fmt.Errorf("mail %d: %q holds no patch, or one that is attached or damaged; save the mail as plain text, or take it out and pass the patch by -patch", m.at.mail, m.outer)
			}
			continue
		}
		seen[m.id] = true
		if strings.HasPrefix(strings.ToLower(m.outer), "re:") {
			return nil, fmt.Errorf("the reply %q holds a patch of its own; take it out of the mailbox, or pass it by -patch", m.outer)
		}
		patches = append(patches, m)
	}
	if len(patches) == 0 {
		return nil, fmt.Errorf("none of its %d mails holds a patch", len(all))
	}
	first := patches[0]
	numbered := func(m message) bool { return m.of > 0 }
	if !slices.ContainsFunc(patches, numbered) {
		for _, m := range patches {
			if m.tag != first.tag {
				return nil, notOneSeries(first, m)
			}
		}
		return patches, nil // git format-patch -N --stdout: in the order in which they lie
	}
	if first.of > maxParts {
		return nil, fmt.Errorf("%q: no series has %d parts", first.outer, first.of)
	}
	part := make([]*message, first.of+1)
	for _, m := range patches {
		switch {
		case !numbered(m):
			return nil, fmt.Errorf("%q holds a patch without a number, and others have one", m.outer)
		case m.tag != first.tag || m.of != first.of:
			return nil, notOneSeries(first, m)
		case m.n < 1 || m.n > m.of:
			return nil, fmt.Errorf("%q holds a patch, and there is no part %d of %d", m.outer, m.n, m.of)
		case part[m.n] != nil:
			return nil, fmt.Errorf("part %d of %d is there twice: %q and %q", m.n, m.of, part[m.n].outer, m.outer)
		}
		part[m.n] = &m
	}
	patches = nil
	for n, m := range part[1:] {
		if m == nil {
			return nil, fmt.Errorf("part %d of %d is missing", n+1, first.of)
		}
		patches = append(patches, *m)
	}
	return patches, nil
}

func notOneSeries(a, b message) error {
	return fmt.Errorf("%q and %q are not of one series; save one of them alone", a.outer, b.outer)
}

var notInNames = regexp.MustCompile(`[^A-Za-z0-9._]+`)

// patchName is a file name as git format-patch makes them.
func patchName(n int, subject string) string {
	name := notInNames.ReplaceAllString(subject, "-")
	name = strings.Trim(name[:min(len(name), 52)], "-.")
	return fmt.Sprintf("%04d-%s.patch", n, name)
}
