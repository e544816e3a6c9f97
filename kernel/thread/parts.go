// SPDX-License-Identifier: BSD-3-Clause

package thread

import (
	"errors"
	"fmt"
	"slices"

	"timens-vmtest/internal/shell"
	"timens-vmtest/kernel/patch"
)

// maxParts is more than any series has.
const maxParts = 1000

// assemble has the parts of the last of some versions, in their order. If that one resends
// single parts, each as a reply to the part of its number, the others are those of the
// version before.
func (c choice) assemble(file string, versions []*set) ([]*message, error) {
	s, before := versions[len(versions)-1], versions[:len(versions)-1]
	parts, err := s.parts()
	if gap, ok := errors.AsType[*incomplete](err); !ok {
		return parts, err
	} else if len(before) == 0 || !c.rerolls(s, before) {
		return nil, c.explain(file, gap)
	}
	base, err := c.assemble(file, before)
	if err != nil {
		return nil, err
	}
	for i, m := range parts {
		if m == nil {
			parts[i] = base[i]
		}
	}
	return parts, nil
}

// rerolls says that every part of a set answers the part of its number of the version
// before, or of one before that.
func (c choice) rerolls(s *set, before []*set) bool {
	for _, m := range s.mails {
		if !slices.ContainsFunc(before, func(old *set) bool {
			return old.of == m.Of && slices.ContainsFunc(old.mails, func(part *message) bool { return part.N == m.N && slices.Contains(m.refs, part.id) })
		}) {
			return false
		}
	}
	return len(s.mails) > 0 && before[len(before)-1].of == s.of
}

// incomplete is the error of a set that lacks parts.
type incomplete struct {
	set     *set
	missing int // the first of them
	parts   []*message
}

func (e *incomplete) Error() string {
	between := ""
	var near []*message
	for _, m := range []*message{e.at(e.missing - 1), e.at(e.missing + 1)} {
		if m != nil {
			near = append(near, m)
		}
	}
	switch {
	case len(near) == 2:
		between = fmt.Sprintf(", between %q (mail %d) and %q (mail %d)", near[0].Subject, near[0].number, near[1].Subject, near[1].number)
	case len(near) == 1 && near[0].N < e.missing:
		between = fmt.Sprintf(", behind %q (mail %d)", near[0].Subject, near[0].number)
	case len(near) == 1:
		between = fmt.Sprintf(", before %q (mail %d)", near[0].Subject, near[0].number)
	}
	more := ""
	if others := e.count() - 1; others > 0 {
		more = fmt.Sprintf(", and %d more", others)
	}
	of := ""
	if version := e.set.version(); version != "v1" {
		of = " of " + version
	}
	return fmt.Sprintf("part %d of %d%s is missing%s%s", e.missing, e.set.of, of, between, more)
}

func (e *incomplete) at(n int) *message {
	if n < 1 || n > len(e.parts) {
		return nil
	}
	return e.parts[n-1]
}

func (e *incomplete) count() (missing int) {
	for _, m := range e.parts {
		if m == nil {
			missing++
		}
	}
	return missing
}

// explain says what there is in place of a version that lacks parts.
func (c choice) explain(file string, gap *incomplete) error {
	for _, s := range slices.Backward(c.family) {
		if _, err := s.parts(); err != nil || s == gap.set {
			continue
		}
		major, minor := s.number()
		if _, other := gap.set.number(); minor > 0 || other > 0 || s.version() != fmt.Sprintf("v%d", major) || s.first().id == "" {
			return fmt.Errorf("%w; %s is whole: save its mails alone to test it", gap, s.version())
		}
		return fmt.Errorf("%w; %s is whole: to test it, type \"%s | vmtest run -series -\"", gap, s.version(),
			shell.Quote("b4", "am", "-v", fmt.Sprint(major), "-m", file, "-o-"))
	}
	if id := gap.set.first().id; id != "" {
		return fmt.Errorf("%w; %s", gap, fetch(id))
	}
	return fmt.Errorf("%w; save the whole thread", gap)
}

// fetch is how to get the thread of a mail.
func fetch(id string) string {
	return fmt.Sprintf("fetch the whole thread: type \"%s | vmtest run -series -\"", shell.Quote("b4", "am", "-o-", id))
}

// parts has a patch for each number. With an error of a missing part, those that are there
// come too.
func (s *set) parts() ([]*message, error) {
	for _, m := range s.mails {
		if !m.HasPatch {
			return nil, fmt.Errorf("mail %d: %q holds no patch, or one that is attached or damaged; save the mail as plain text, or take it out and pass the patch by -patch", m.number, m.Subject)
		}
	}
	if s.of == 0 { // git format-patch -N --stdout: in the order in which they lie
		for i, m := range s.mails {
			for _, other := range s.mails[:i] {
				if patch.BareSubject(m.Subject) == patch.BareSubject(other.Subject) {
					return nil, fmt.Errorf("%q is there twice, in mails %d and %d; take the older one out", m.Subject, other.number, m.number)
				}
			}
		}
		return s.mails, nil
	}
	if s.of > maxParts {
		return nil, fmt.Errorf("%q: no series has %d parts", s.first().Subject, s.of)
	}
	all := make([]*message, s.of)
	for _, m := range s.mails {
		switch {
		case m.N < 1 || m.N > s.of:
			return nil, fmt.Errorf("%q holds a patch, and there is no part %d of %d", m.Subject, m.N, m.Of)
		case all[m.N-1] != nil:
			return nil, fmt.Errorf("part %d of %d is there twice: %q (mail %d) and %q (mail %d); take one out", m.N, m.Of, all[m.N-1].Subject, all[m.N-1].number, m.Subject, m.number)
		}
		all[m.N-1] = m
	}
	if n := slices.Index(all, nil); n >= 0 {
		return all, &incomplete{set: s, missing: n + 1, parts: all}
	}
	return all, nil
}

// notOneSeries names two sets of which only one can be meant.
func notOneSeries(a, b *set) error {
	first, second := a.first(), b.first()
	if a.tag == b.tag && (a.of == 0) != (b.of == 0) {
		if a.of == 0 {
			second = first
		}
		return fmt.Errorf("%q holds a patch without a number, and others have one; take it out, and pass it by -patch", second.Subject)
	}
	how := "save one of them alone"
	if first.id != "" && second.id != "" {
		how = fmt.Sprintf("take one of them: type \"%s\" or \"%s\", and pass its output by \"-series -\"", shell.Quote("b4", "am", "-o-", first.id), shell.Quote("b4", "am", "-o-", second.id))
	}
	return fmt.Errorf("%q (mail %d) and %q (mail %d) are not of one series; %s", first.Subject, first.number, second.Subject, second.number, how)
}
