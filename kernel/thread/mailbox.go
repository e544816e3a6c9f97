// SPDX-License-Identifier: BSD-3-Clause

package thread

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kernel/patch"
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
	patch.Mail
	number int // in the mailbox, from 1
	id     string
	refs   []string // Message-Ids of the mails that it answers, the nearest first
}

// Options say what is made of a mailbox.
type Options struct {
	Trailers bool // put the trailers that replies give into the changelogs, as b4 does
}

// Load reads the patches of a mailbox in the order of their numbers, wherever they
// lie, and of several versions of a series the newest. The Thread says what is left out.
// Everything that leaves doubt is refused.
func Load(ctx context.Context, box sandbox.Box, path string, opts Options) (Thread, error) {
	file, text, err := mailboxText(path)
	if err != nil {
		return Thread{}, err
	}
	mailboxes, err := patch.ReadMails(ctx, box, []patch.Named{{Name: file, Text: text}})
	if err != nil {
		return Thread{}, err
	}
	t, parts, err := threadOf(file, messagesOf(mailboxes[0]))
	if err != nil {
		return Thread{}, blame.Usagef("%s: %w", file, err)
	}
	if opts.Trailers {
		t.takeTrailers(parts)
	}
	for i, m := range parts {
		p, err := m.Patch(file, m.number)
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

// messagesOf reads in the headers of mails what they answer.
func messagesOf(mails []patch.Mail) []message {
	var all []message
	for i, m := range mails {
		msg := message{Mail: m, number: i + 1}
		if ids := idRE.FindStringSubmatch(m.Header("Message-Id")); ids != nil {
			msg.id = ids[1]
		}
		msg.readRefs()
		all = append(all, msg)
	}
	return all
}

// idRE finds the Message-Ids in a field of a header.
var idRE = regexp.MustCompile(`<([^<>\s]+)>`)

// readRefs takes In-Reply-To first: References has the whole way up, the root first.
func (m *message) readRefs() {
	above := idRE.FindAllStringSubmatch(m.Header("References"), -1)
	slices.Reverse(above)
	for _, found := range append(idRE.FindAllStringSubmatch(m.Header("In-Reply-To"), -1), above...) {
		if id := found[1]; id != m.id && !slices.Contains(m.refs, id) {
			m.refs = append(m.refs, id)
		}
	}
}

var notInNames = regexp.MustCompile(`[^A-Za-z0-9._]+`)

// patchName is a file name as git format-patch makes them.
func patchName(n int, subject string) string {
	name := notInNames.ReplaceAllString(subject, "-")
	name = strings.Trim(name[:min(len(name), 52)], "-.")
	return fmt.Sprintf("%04d-%s.patch", n, name)
}
