// SPDX-License-Identifier: BSD-3-Clause

package thread

import (
	"cmp"
	"fmt"
	netmail "net/mail"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"timens-vmtest/kernel/patch"
)

// set has the mails of a mailbox that are one version of a series.
type set struct {
	tag    string
	of     int        // parts; 0 if they have no numbers
	covers []*message // with a diff they are none, and stand in mails
	mails  []*message // in the order of the mailbox
	thread string     // component of its first mail
}

func (s *set) all() []*message { return slices.Concat(s.covers, s.mails) }

func (s *set) first() *message { return s.all()[0] }

var (
	versionRE = regexp.MustCompile(`(?i)(?:\b|patch)v0*(\d+)(?:\.(\d+))?\b`)
	resendRE  = regexp.MustCompile(`(?i)\b(resend|repost)\b`)
	rfcRE     = regexp.MustCompile(`(?i)\brfc`)
	changeRE  = regexp.MustCompile(`(?m)^change-id:\s+(\S+)\s*$`)
)

// number is the version in the tag: 3 and 1 of "v3.1".
func (s *set) number() (major, minor int) {
	found := versionRE.FindStringSubmatch(s.tag)
	if found == nil {
		return 1, 0
	}
	major, _ = strconv.Atoi(found[1]) // too long for a number: it sorts as the oldest
	minor, _ = strconv.Atoi(found[2]) // "" is 0
	return major, minor
}

// version is what a set is called in messages.
func (s *set) version() string {
	major, minor := s.number()
	name := fmt.Sprintf("v%d", major)
	if minor > 0 {
		name += fmt.Sprintf(".%d", minor)
	}
	if rfcRE.MatchString(s.tag) {
		name = "RFC " + name
	}
	if resendRE.MatchString(s.tag) {
		name += " RESEND"
	}
	return name
}

// sent is when the set was sent, by its first mail; false if that cannot be read.
func (s *set) sent() (time.Time, bool) {
	date, err := netmail.ParseDate(s.first().Header("Date"))
	return date, err == nil
}

// older says that a is surely older than b. An RFC has versions of its own, so dates decide
// between it and another set.
func older(a, b *set) bool {
	if rfcRE.MatchString(a.tag) != rfcRE.MatchString(b.tag) {
		from, known := a.sent()
		to, both := b.sent()
		return known && both && from.Before(to)
	}
	aMajor, aMinor := a.number()
	bMajor, bMinor := b.number()
	resends := func(s *set) int { return len(resendRE.FindAllString(s.tag, -1)) }
	return cmp.Or(cmp.Compare(aMajor, bMajor), cmp.Compare(aMinor, bMinor), cmp.Compare(resends(a), resends(b))) < 0
}

// related says that two sets are versions of one series: they share a subject or the
// change-id of b4, or their sender put one under the other.
func related(a, b *set) bool {
	if older(a, b) == older(b, a) {
		return false
	}
	if a.thread != "" && a.thread == b.thread && a.first().Sender.Address == b.first().Sender.Address {
		return true
	}
	for _, m := range a.all() {
		for _, other := range b.all() {
			id := changeRE.FindSubmatch(m.Raw)
			if patch.BareSubject(m.Subject) == patch.BareSubject(other.Subject) || id != nil && slices.Contains(changeIDs(other), string(id[1])) {
				return true
			}
		}
	}
	return false
}

func changeIDs(m *message) (all []string) {
	for _, found := range changeRE.FindAllSubmatch(m.Raw, -1) {
		all = append(all, string(found[1]))
	}
	return all
}

// answers says that a set is of somebody who put patches of their own under another set.
func (s *set) answers(other *set) bool {
	hangs, same := false, false
	for _, m := range s.all() {
		for _, above := range other.all() {
			hangs = hangs || above.id != "" && slices.Contains(m.refs, above.id)
			same = same || patch.BareSubject(m.Subject) == patch.BareSubject(above.Subject)
		}
	}
	return hangs && !same && !related(s, other)
}

// setsOf parts mails by what the brackets of their subjects say and by their threads.
func setsOf(members []*message, component func(*message) string) []*set {
	var all []*set
	for _, m := range members {
		at := slices.IndexFunc(all, func(s *set) bool { return strings.EqualFold(s.tag, m.Tag) && s.of == m.Of })
		if at < 0 {
			at, all = len(all), append(all, &set{tag: m.Tag, of: m.Of})
		}
		all[at].add(m)
	}
	var parted []*set
	for _, s := range all {
		parted = append(parted, s.part(component)...)
	}
	return parted
}

func (s *set) add(m *message) {
	if m.IsCover() && !m.HasPatch {
		s.covers = append(s.covers, m)
		return
	}
	s.mails = append(s.mails, m)
}

// part parts a set by threads if it is of more than one. Parts with numbers that were sent
// with no thread at all are one set.
func (s *set) part(component func(*message) string) []*set {
	parted, doubled := s.of == 0, s.of == 0
	seen := make(map[int]bool)
	for _, m := range s.all() {
		doubled = doubled || seen[m.N]
		parted = parted || doubled || len(m.refs) > 0
		seen[m.N] = true
	}
	var all []*set
	for _, m := range s.all() {
		at := slices.IndexFunc(all, func(other *set) bool {
			// Where numbers tell nothing, what somebody else sends in reply is no part.
			return !parted || other.thread == component(m) && (!doubled || len(m.refs) == 0 || m.Sender.Address == other.first().Sender.Address)
		})
		if at < 0 {
			at, all = len(all), append(all, &set{tag: s.tag, of: s.of, thread: component(m)})
		}
		all[at].add(m)
	}
	return all
}

// choice is what is taken of a mailbox.
type choice struct {
	newest *set   // nil: there is no series
	family []*set // all versions of it, the oldest first
	beside []*set // patches that were sent in reply to it
	parts  []*message
}

// setOf is the version that a mail is of; nil: of none.
func (c choice) setOf(m *message) *set {
	for _, s := range c.family {
		if slices.Contains(s.all(), m) {
			return s
		}
	}
	return nil
}

// choose takes the newest version of the one series that there is.
func choose(file string, sets []*set) (c choice, err error) {
	var rest []*set
	for _, s := range sets {
		if slices.ContainsFunc(sets, func(other *set) bool { return s != other && s.answers(other) }) {
			c.beside = append(c.beside, s)
			continue
		}
		rest = append(rest, s)
	}
	if len(rest) == 0 {
		return c, nil
	}
	c.family = rest[:1:1]
	for i := 0; i < len(c.family); i++ {
		for _, s := range rest {
			if !slices.Contains(c.family, s) && related(c.family[i], s) {
				c.family = append(c.family, s)
			}
		}
	}
	for _, s := range rest {
		if !slices.Contains(c.family, s) {
			return c, notOneSeries(rest[0], s)
		}
	}
	if !slices.ContainsFunc(c.family, func(s *set) bool {
		return slices.ContainsFunc(s.mails, func(m *message) bool { return m.HasPatch || m.ClaimsPatch() })
	}) {
		return c, nil // cover letters alone
	}
	for _, s := range c.family {
		if !slices.ContainsFunc(c.family, func(other *set) bool { return s != other && !older(other, s) }) {
			c.newest = s
		}
	}
	if c.newest == nil {
		return c, notOneSeries(c.family[0], c.family[1])
	}
	slices.SortStableFunc(c.family, func(a, b *set) int {
		switch {
		case older(a, b):
			return -1
		case older(b, a):
			return 1
		}
		return 0
	})
	c.parts, err = c.assemble(file, c.family)
	return c, err
}
