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
	refs  []string // Message-Ids of the mails that it answers, the nearest first
	tag   string   // in the brackets of the subject, less the numbers: "PATCH v3"
	n, of int      // from [PATCH n/of]; 0 if it has none
	patch bool     // it has a diff that is not quoted
}

// Options say what is made of a mailbox.
type Options struct {
	Trailers bool // put the trailers that replies give into the changelogs, as b4 does
}

// LoadMailbox reads the patches of a mailbox in the order of their numbers, wherever they
// lie, and of several versions of a series the newest. The Thread says what is left out.
// Everything that leaves doubt is refused.
func LoadMailbox(ctx context.Context, box sandbox.Box, path string, opts Options) (Thread, error) {
	file, text, err := mailboxText(path)
	if err != nil {
		return Thread{}, err
	}
	messages, err := readMailbox(ctx, box, file, text)
	if err != nil {
		return Thread{}, err
	}
	t, parts, err := threadOf(file, messages)
	if err != nil {
		return Thread{}, blame.Usagef("%s: %w", file, err)
	}
	if opts.Trailers {
		t.takeTrailers(parts)
	}
	for i, m := range parts {
		p, err := m.asPatch(m.at)
		if err != nil {
			return Thread{}, err
		}
		p.Name = patchName(i+1, p.Subject)
		t.Patches = append(t.Patches, p)
	}
	return t, nil
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
	msg := message{mail: m}
	if ids := idRE.FindStringSubmatch(m.header("Message-Id")); ids != nil {
		msg.id = ids[1]
	}
	msg.readRefs()
	msg.readTag()
	sections, _, _ := scan(m.change)
	msg.patch = len(sections) > 0
	if msg.cover() && interdiffRE.Match(m.raw) { // it shows what changed since the last version
		msg.patch = false
	}
	return msg
}

// idRE finds the Message-Ids in a field of a header.
var idRE = regexp.MustCompile(`<([^<>\s]+)>`)

// readRefs takes In-Reply-To first: References has the whole way up, the root first.
func (m *message) readRefs() {
	above := idRE.FindAllStringSubmatch(m.header("References"), -1)
	slices.Reverse(above)
	for _, found := range append(idRE.FindAllStringSubmatch(m.header("In-Reply-To"), -1), above...) {
		if id := found[1]; id != m.id && !slices.Contains(m.refs, id) {
			m.refs = append(m.refs, id)
		}
	}
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

var notInNames = regexp.MustCompile(`[^A-Za-z0-9._]+`)

// patchName is a file name as git format-patch makes them.
func patchName(n int, subject string) string {
	name := notInNames.ReplaceAllString(subject, "-")
	name = strings.Trim(name[:min(len(name), 52)], "-.")
	return fmt.Sprintf("%04d-%s.patch", n, name)
}
