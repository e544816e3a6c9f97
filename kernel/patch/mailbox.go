// SPDX-License-Identifier: BSD-3-Clause

package patch

import (
	"bytes"
	"context"
	"fmt"
	"mime"
	"net/mail"
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

// IsMailbox knows the names that mail clients and b4 give to mailboxes.
func IsMailbox(path string) bool {
	return strings.HasSuffix(path, ".mbox") || strings.HasSuffix(path, ".mbx")
}

// message is one mail of a mailbox.
type message struct {
	id      string
	subject string
	tag     string // in the brackets of the subject, less the numbers: "PATCH v3"
	n, of   int    // from [PATCH n/of]; 0 if it has none
	text    []byte // as a patch: From, Date, Subject, changelog and diff, decoded
	patch   bool   // it has a diff that is not quoted
}

// loadMailbox makes a series of a mailbox: the patches in the order of their
// numbers, wherever they lie. A cover letter and replies without a patch of
// their own are left out. Everything that leaves doubt is refused.
func loadMailbox(ctx context.Context, path string) (Series, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return Series{}, err
	}
	if _, err := os.Stat(path); err != nil {
		return Series{}, blame.Usagef("series: %w", err)
	}
	messages, err := readMailbox(ctx, path)
	if err != nil {
		return Series{}, err
	}
	messages, err = inOrder(messages)
	if err != nil {
		return Series{}, blame.Usagef("%s: %w", path, err)
	}
	s := Series{Name: strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))}
	for i, m := range messages {
		p, err := Parse(patchName(i+1, m.subject), m.text)
		if err != nil {
			return Series{}, err
		}
		s.Patches = append(s.Patches, p)
	}
	return s, nil
}

// readMailbox splits and decodes by git's own tools, as git am does.
func readMailbox(ctx context.Context, path string) ([]message, error) {
	tmp, err := os.MkdirTemp("", "vmtest-mbox-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	if _, err := sandbox.Run(sandbox.Git(ctx, tmp, "mailsplit", "-b", "-o"+tmp, path)); err != nil {
		return nil, blame.Usagef("split %s: %w", path, err)
	}
	mails, err := filepath.Glob(filepath.Join(tmp, "*"))
	if err != nil {
		return nil, err
	}
	var all []message
	for _, file := range mails {
		m, err := readMessage(ctx, tmp, file)
		if err != nil {
			return nil, blame.Usagef("%s, mail %d: %w", path, len(all)+1, err)
		}
		all = append(all, m)
	}
	return all, nil
}

func readMessage(ctx context.Context, tmp, file string) (message, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return message{}, err
	}
	parsed, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return message{}, fmt.Errorf("its header cannot be read: %w", err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(parsed.Header.Get("Subject"))
	if err != nil {
		return message{}, fmt.Errorf("its subject cannot be decoded: %w", err)
	}
	m := message{id: parsed.Header.Get("Message-Id"), subject: strings.Join(strings.Fields(subject), " ")}
	m.readTag()
	changelog, diff := filepath.Join(tmp, "changelog"), filepath.Join(tmp, "diff")
	cmd := sandbox.Git(ctx, tmp, "mailinfo", "--encoding=UTF-8", "--quoted-cr=strip", changelog, diff)
	cmd.Stdin = bytes.NewReader(raw)
	header, err := sandbox.Run(cmd)
	if err != nil {
		return message{}, err
	}
	log, err := os.ReadFile(changelog)
	if err != nil {
		return message{}, err
	}
	change, err := os.ReadFile(diff)
	if err != nil {
		return message{}, err
	}
	if files, _, err := gitdiff.Parse(bytes.NewReader(change)); err == nil && len(files) == 0 {
		return m, nil
	}
	m.patch = true
	if _, params, err := mime.ParseMediaType(parsed.Header.Get("Content-Type")); err == nil && strings.EqualFold(params["format"], "flowed") {
		return message{}, fmt.Errorf("%q was sent as format=flowed, which folds long lines and takes spaces away; take it from the list's archive, or have it sent again", m.subject)
	}
	m.text = asPatch(string(header), log, change, m.subject)
	return m, nil
}

// asPatch is the form of git format-patch: what mailinfo prints is nearly it.
func asPatch(header string, changelog, diff []byte, subject string) []byte {
	var b bytes.Buffer
	field := func(name string) string {
		for line := range strings.Lines(header) {
			if value, ok := strings.CutPrefix(line, name+": "); ok {
				return strings.TrimSpace(value)
			}
		}
		return ""
	}
	fmt.Fprintf(&b, "From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001\n")
	fmt.Fprintf(&b, "From: %s <%s>\nDate: %s\nSubject: [PATCH] %s\n\n", field("Author"), field("Email"), field("Date"), tagRE.ReplaceAllString(subject, ""))
	b.Write(bytes.TrimRight(changelog, "\n"))
	b.WriteByte('\n')
	if !bytes.HasPrefix(diff, []byte("---")) {
		b.WriteString("---\n")
	}
	b.Write(diff)
	return b.Bytes()
}

var (
	tagRE    = regexp.MustCompile(`^\s*(\[[^\]]*\]\s*)+`)
	patchRE  = regexp.MustCompile(`(?i)\bpatch(v\d+)?\b`) // a [PATCHSET] is a cover letter
	numberRE = regexp.MustCompile(`\s*\b0*(\d+)/0*(\d+)\b\s*`)
)

// readTag takes the subject's brackets apart.
func (m *message) readTag() {
	m.tag = strings.TrimSpace(tagRE.FindString(m.subject))
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
			// A reply has no tag: its subject does not begin with a bracket.
			if cover := m.of > 0 && m.n == 0; !cover && patchRE.MatchString(m.tag) {
				return nil, fmt.Errorf("%q holds no patch, or one that is attached or damaged; save the mail as plain text, or take it out and pass the patch by -patch", m.subject)
			}
			continue
		}
		seen[m.id] = true
		if strings.HasPrefix(strings.ToLower(m.subject), "re:") {
			return nil, fmt.Errorf("the reply %q holds a patch of its own; take it out of the mailbox, or pass it by -patch", m.subject)
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
		return nil, fmt.Errorf("%q: no series has %d parts", first.subject, first.of)
	}
	part := make([]*message, first.of+1)
	for _, m := range patches {
		switch {
		case !numbered(m):
			return nil, fmt.Errorf("%q holds a patch without a number, and others have one", m.subject)
		case m.tag != first.tag || m.of != first.of:
			return nil, notOneSeries(first, m)
		case m.n < 1 || m.n > m.of:
			return nil, fmt.Errorf("%q holds a patch, and there is no part %d of %d", m.subject, m.n, m.of)
		case part[m.n] != nil:
			return nil, fmt.Errorf("part %d of %d is there twice: %q and %q", m.n, m.of, part[m.n].subject, m.subject)
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
	return fmt.Errorf("%q and %q are not of one series; save one of them alone", a.subject, b.subject)
}

var notInNames = regexp.MustCompile(`[^A-Za-z0-9._]+`)

// patchName is a file name as git format-patch makes them.
func patchName(n int, subject string) string {
	name := notInNames.ReplaceAllString(tagRE.ReplaceAllString(subject, ""), "-")
	name = strings.Trim(name[:min(len(name), 52)], "-.")
	return fmt.Sprintf("%04d-%s.patch", n, name)
}
