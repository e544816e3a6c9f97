// SPDX-License-Identifier: BSD-3-Clause

package thread

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"timens-vmtest/kernel/patch"
)

// Trailer is a line such as "Reviewed-by: Ann <a@example.org>" that a reply gives.
type Trailer struct {
	Mail    int    // from 1
	Text    string // the line
	Patches []int  // whose it is, by their numbers from 1
	Taken   bool   // it is in the changelogs of these patches
	Why     string // why no option takes it; "" if Options.Trailers does
}

var (
	givenRE = regexp.MustCompile(`^\s*([A-Za-z][A-Za-z-]+):\s+(\S.*?)\s*$`)
	byRE    = regexp.MustCompile(`(?i)^([a-z]+-)+by$`)
	plainRE = regexp.MustCompile(`(?i)^(fixes|closes|link|buglink)$`) // they name no person
	hashRE  = regexp.MustCompile(`^[0-9a-f]{6,}\b`)
	// personRE takes what may follow the address, such as "# x86".
	personRE = regexp.MustCompile(`^(.*?)\s*<([^<>\s]+@[^<>\s]+)>(.*)$`)
	mailtoRE = regexp.MustCompile(`<mailto:[^>]*>`) // mail programs make it of an address
	bareRE   = regexp.MustCompile(`^()(\S+@\S+)(.*)$`)
	// wrappedRE is a trailer that a mail program broke before the address.
	wrappedRE = regexp.MustCompile(`(?m)^([A-Za-z-]+-[Bb]y:[ \t]+[^<\n]+)\n(<[^>\n]+>)$`)
)

// given is a trailer as a mail has it.
type given struct {
	name, value string
	by          patch.Person // none if its name is none of a person
}

func (g given) String() string { return g.name + ": " + g.value }

// same says that two lines say the same, as git interpret-trailers and b4 compare them.
func (g given) same(line string) bool { return strings.EqualFold(g.String(), strings.TrimSpace(line)) }

// trailers are those of a mail's text, above its signature. What is quoted is none.
func (m message) trailers() []given {
	if !m.Decoded() {
		return nil
	}
	text := string(m.Changelog) + "\n" + string(m.Change)
	text, _, _ = strings.Cut("\n"+text, "\n-- \n")
	var all []given
	for line := range strings.Lines(wrappedRE.ReplaceAllString(text, "$1 $2")) {
		found := givenRE.FindStringSubmatch(strings.TrimRight(line, "\r\n"))
		if found == nil {
			continue
		}
		g := given{name: found[1], value: mailtoRE.ReplaceAllString(found[2], "")}
		isBy := byRE.MatchString(g.name)
		switch {
		case isBy && personRE.MatchString(g.value):
			parts := personRE.FindStringSubmatch(g.value)
			g.by = patch.Person{Name: strings.Trim(parts[1], `"`), Address: parts[2]}
			g.value = g.by.String() + parts[3]
		case isBy && bareRE.MatchString(g.value):
			g.by.Address = bareRE.FindStringSubmatch(g.value)[2]
		case isBy:
		case !plainRE.MatchString(g.name) || strings.EqualFold(g.name, "fixes") && !hashRE.MatchString(g.value):
			continue
		}
		// The diff in a reply is what these two sign.
		signs := strings.EqualFold(g.name, "signed-off-by") || strings.EqualFold(g.name, "co-developed-by")
		if !signs || !m.HasPatch {
			all = append(all, g)
		}
	}
	return all
}

// foreign says why a trailer is not taken from this sender: it has to be their own.
func (g given) foreign(sender patch.Person) string {
	switch {
	case !byRE.MatchString(g.name):
		return ""
	case g.by.Address == "":
		return "it has no address"
	case sameAddress(g.by.Address, sender.Address), g.by.Name != "" && strings.EqualFold(g.by.Name, sender.Name):
		return ""
	}
	return "the mail is from " + sender.String()
}

var plusRE = regexp.MustCompile(`\+[^@]*@`)

// sameAddress compares as b4 does: ann+kernel@example.org is ann@example.org, and so is
// ann@lists.example.org.
func sameAddress(a, b string) bool {
	a, b = plusRE.ReplaceAllString(strings.ToLower(a), "@"), plusRE.ReplaceAllString(strings.ToLower(b), "@")
	aName, aHost, _ := strings.Cut(a, "@")
	bName, bHost, _ := strings.Cut(b, "@")
	if a == b || aName != bName {
		return a == b
	}
	longer, shorter := aHost, bHost
	if len(longer) < len(shorter) {
		longer, shorter = shorter, longer
	}
	above, ok := strings.CutSuffix(longer, "."+shorter)
	return ok && !strings.Contains(above, ".")
}

// trailersOf lists what the replies give, each to the patches that it is for. What a
// changelog has already is left out. why says of each mail why it is left out.
func trailersOf(known []*message, why []Left, c choice) []Trailer {
	byID := make(map[string]*message)
	for _, m := range known {
		if m.id != "" {
			byID[m.id] = m
		}
	}
	var all []Trailer
	for _, m := range known {
		if !why[m.number-1].Reason.replies() {
			continue
		}
		patches, whyNot := c.answered(m, why, byID)
		for _, g := range m.trailers() {
			t := Trailer{Mail: m.number, Text: g.String(), Why: g.foreign(m.Sender)}
			if t.Why == "" {
				t.Why = whyNot
			}
			for _, n := range patches {
				old := slices.ContainsFunc(all, func(other Trailer) bool {
					return other.Why == t.Why && g.same(other.Text) && slices.Contains(other.Patches, n)
				})
				if !old && !slices.ContainsFunc(strings.Split(string(c.parts[n-1].Changelog), "\n"), g.same) {
					t.Patches = append(t.Patches, n)
				}
			}
			if len(t.Patches) > 0 || len(patches) == 0 {
				all = append(all, t)
			}
		}
	}
	return all
}

// answered goes up from a reply to the patch or the cover letter that it is for. A patch of
// an older version counts if its diff is still the same. It returns numbers from 1.
func (c choice) answered(m *message, why []Left, byID map[string]*message) (patches []int, whyNot string) {
	seen := make(map[*message]bool)
	for seen[m] = true; ; seen[m] = true {
		var above *message
		for _, id := range m.refs {
			if above = byID[id]; above != nil {
				break
			}
		}
		if above == nil || seen[above] {
			return nil, "the mail answers no patch of this mailbox"
		}
		m = above
		if why[m.number-1].Reason.replies() {
			continue
		}
		s := c.setOf(m)
		if s == nil && c.announces(m) {
			s = c.newest
		}
		if s == nil {
			return nil, fmt.Sprintf("it is for mail %d, which is not taken", m.number)
		}
		for i, part := range c.parts {
			if part == m || !m.HasPatch && c.setOf(part) == s || m.HasPatch && s != c.setOf(part) && part.PatchID() == m.PatchID() {
				patches = append(patches, i+1)
			}
		}
		if patches == nil {
			return nil, fmt.Sprintf("it is for %s of the series (mail %d), which is another patch", s.version(), m.number)
		}
		return patches, ""
	}
}

// announces says that a mail is the cover letter of the newest version, though its subject
// has no number: all patches are replies of its author to it.
func (c choice) announces(m *message) bool {
	return !m.HasPatch && len(m.refs) == 0 && !slices.ContainsFunc(c.parts, func(part *message) bool {
		return !slices.Contains(part.refs, m.id) || part.Sender.Address != m.Sender.Address
	})
}

// takeTrailers puts the trailers into the changelogs of the patches.
func (t *Thread) takeTrailers(parts []*message) {
	for i := range t.Trailers {
		g := &t.Trailers[i]
		if g.Why != "" {
			continue
		}
		g.Taken = true
		for _, n := range g.Patches {
			parts[n-1].AddTrailer(g.Text)
		}
	}
}
