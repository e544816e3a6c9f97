// SPDX-License-Identifier: BSD-3-Clause

// Package thread reads a series out of a mailbox. It tells the patches of the newest version
// from older versions, replies and notices, puts them in their order, and collects the
// trailers that replies give.
package thread

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"timens-vmtest/kernel/patch"
)

// Thread is what a mailbox holds: the patches that are taken from it, and what is left.
type Thread struct {
	File     string // path of the mailbox, from the root; "" if the series is from none
	Mails    int    // that the mailbox holds
	Version  string // of the series, such as "v2 RESEND"; "v1" if its mails name none
	Patches  []patch.Patch
	Taken    []Taken // where each of the patches is from
	Left     []Left  // in the order of the mailbox
	Trailers []Trailer
}

// Taken says where a patch of a thread is from.
type Taken struct {
	Mail    int    // from 1
	Version string // another one than the thread's if a new version resends single parts
}

// Left is a mail that is left out.
type Left struct {
	Mail    int // from 1
	Subject string
	Reason  Reason
	Note    string // what else there is to say; may be ""
}

// Reason is why a mail is left out.
type Reason string

// All reasons.
const (
	Cover     Reason = "cover letter"
	Reply     Reason = "reply"
	ReplyDiff Reason = "reply with a diff"
	Beside    Reason = "patch in reply"
	Reverts   Reason = "revert"
	Notice    Reason = "notice"
	Older     Reason = "older version"
	Again     Reason = "same mail again"
	NoPatch   Reason = "no patch"
)

// Reasons lists them in the order in which they are told.
var Reasons = []Reason{Cover, Reply, ReplyDiff, Beside, Reverts, Notice, Older, Again, NoPatch}

// Own says that a mail which is left out for this reason has a diff of its own that
// nothing else holds.
func (r Reason) Own() bool { return r == ReplyDiff || r == Beside }

// replies says that a mail which is left out for this reason may give trailers.
func (r Reason) replies() bool { return r == Reply || r == ReplyDiff }

var (
	// replyRE knows a reply by its subject. Programs write "Re:" in many languages, and
	// whatever stands before the brackets of a [PATCH] was put there by one.
	replyRE = regexp.MustCompile(`(?i)^\s*((re|aw|antw|fwd?)(\[\d+\])?\s*[:：]|[\p{L}]{1,4}(\[\d+\])?\s*[:：]\s*[\[(])`)

	// noticeRE knows what programs of maintainers say of a patch, with its diff.
	noticeRE = regexp.MustCompile(`(?i)^\s*(\[tip: ?[^\]]*\]|\[syzbot\b[^\]]*\]|patch ".*" has been added to the .* tree|failed: patch .* failed to apply|applied ".*" to )|\.patch (added to|removed from) `)
)

// left says that a mail is no part of any series, whatever it holds. claimed says that the
// mailbox has mails that call themselves patches.
func (m message) left(claimed bool) (Reason, string) {
	untagged := !m.ClaimsPatch() && m.Of == 0
	answers := replyRE.MatchString(m.Subject) || untagged && len(m.refs) > 0 && (claimed || !m.HasPatch)
	switch {
	case noticeRE.MatchString(m.Subject):
		return Notice, ""
	case answers && m.HasPatch:
		return ReplyDiff, "from " + m.Sender.String()
	case answers:
		return Reply, ""
	case !m.HasPatch && !m.ClaimsPatch() && !m.IsCover():
		return NoPatch, ""
	}
	return "", ""
}

// threadOf picks the patches of a mailbox, in their order, or says what leaves doubt.
func threadOf(file string, all []message) (t Thread, parts []*message, err error) {
	t = Thread{File: file, Mails: len(all)}
	why := make([]Left, len(all)) // by mail
	leave := func(m *message, reason Reason, note string) {
		why[m.number-1] = Left{Mail: m.number, Subject: m.Subject, Reason: reason, Note: note}
	}
	known := repeated(all, leave)
	claimed := slices.ContainsFunc(known, func(m *message) bool { return m.ClaimsPatch() && !replyRE.MatchString(m.Subject) })
	var members []*message
	for _, m := range known {
		if reason, note := m.left(claimed); reason != "" {
			leave(m, reason, note)
			continue
		}
		if of := reverted(m, known); of != nil {
			leave(m, Reverts, fmt.Sprintf("of mail %d", of.number))
			continue
		}
		members = append(members, m)
	}
	c, err := choose(file, setsOf(members, componentsOf(known)))
	if err != nil {
		return t, nil, err
	}
	if c.newest == nil {
		return t, nil, nothingTaken(all, known)
	}
	for _, s := range c.beside {
		for _, m := range s.all() {
			leave(m, Beside, "from "+m.Sender.String())
		}
	}
	for _, s := range c.family {
		for _, m := range s.all() {
			if s == c.newest && m.IsCover() && !m.HasPatch {
				leave(m, Cover, "")
			} else if !slices.Contains(c.parts, m) {
				leave(m, Older, s.version())
			}
		}
	}
	t.Version = c.newest.version()
	for _, m := range c.parts {
		t.Taken = append(t.Taken, Taken{m.number, c.setOf(m).version()})
	}
	t.Trailers = trailersOf(known, why, c)
	t.Left = slices.DeleteFunc(why, func(l Left) bool { return l.Reason == "" })
	return t, c.parts, nil
}

// repeated leaves the mails out that came by two lists, and returns the others. Of such a
// pair that is taken which has the patch. Two mails of one Message-Id with two patches stay.
func repeated(all []message, leave func(*message, Reason, string)) []*message {
	var known []*message
	at := make(map[string]int) // in known, by Message-Id
	for i := range all {
		m := &all[i]
		n, again := at[m.id]
		if !again || m.id == "" || m.HasPatch && known[n].HasPatch && m.PatchID() != known[n].PatchID() {
			at[m.id] = len(known)
			known = append(known, m)
			continue
		}
		other := known[n]
		if m.HasPatch && !other.HasPatch {
			known[n], m, other = m, other, m
		}
		leave(m, Again, fmt.Sprintf("as mail %d", other.number))
	}
	return known
}

// reverted is the mail whose patch a patch of no number reverts; nil: it reverts none.
func reverted(m *message, known []*message) *message {
	of, ok := strings.CutPrefix(strings.TrimSuffix(patch.BareSubject(m.Subject), `"`), `Revert "`)
	if !ok || m.Of > 0 {
		return nil
	}
	for _, other := range known {
		if other != m && other.HasPatch && patch.BareSubject(other.Subject) == of {
			return other
		}
	}
	return nil
}

// componentsOf says which mails hang together by what they answer, whether those mails are
// there or not. Mails without a Message-Id are one component, "".
func componentsOf(all []*message) func(*message) string {
	above := make(map[string]string)
	root := func(id string) string {
		for above[id] != "" {
			id = above[id]
		}
		return id
	}
	for _, m := range all {
		for _, ref := range m.refs {
			if a, b := root(m.id), root(ref); m.id != "" && a != b {
				above[a] = b
			}
		}
	}
	return func(m *message) string { return root(m.id) }
}

// nothingTaken is the error of a mailbox in which there is no series.
func nothingTaken(all []message, known []*message) error {
	for _, m := range known {
		if m.HasPatch {
			return fmt.Errorf("none of its %d mails is a patch of a series; mail %d, %q, has a diff: save that mail as a file .patch, and pass it by -patch", len(all), m.number, m.Subject)
		}
	}
	for _, m := range known {
		if m.Of > 0 && m.id != "" {
			return fmt.Errorf("none of its %d mails holds a patch, and %q announces %d; %s", len(all), m.Subject, m.Of, fetch(m.id))
		}
	}
	return fmt.Errorf("none of its %d mails holds a patch", len(all))
}
