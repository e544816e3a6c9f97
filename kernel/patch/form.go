// SPDX-License-Identifier: BSD-3-Clause

package patch

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/bluekeyes/go-gitdiff/gitdiff"
)

// Formalities are what a maintainer would send the patch back for, whatever it does. They
// are those that Documentation/process of the kernel asks for.
func (p Patch) Formalities() []string {
	all := p.subjectFaults()
	all = append(all, p.changelogFaults()...)
	for _, f := range p.files {
		if emptied(f) {
			all = append(all, fmt.Sprintf("it leaves %s empty; have it remove the file", f.NewName))
		}
		if !f.IsNew || len(f.TextFragments) == 0 {
			continue
		}
		top := ""
		for _, line := range f.TextFragments[0].Lines[:min(2, len(f.TextFragments[0].Lines))] {
			top += line.Line
		}
		if !strings.Contains(top, "SPDX-License-Identifier: ") && !selftestConfig.MatchString(f.NewName) {
			all = append(all, fmt.Sprintf("%s is new and does not begin with its SPDX-License-Identifier", f.NewName))
		}
	}
	return all
}

// selftestConfig matches the file that lists which options a selftest needs. None of those of the
// kernel has an SPDX line.
var selftestConfig = regexp.MustCompile(`^tools/testing/selftests/.*/config$`)

// maxSubject is the length of a subject without "[PATCH]": "no more than 70-75
// characters" (submitting-patches.rst, "The canonical patch format").
const maxSubject = 75

// SubjectPrefix is what stands before the summary in a subject, such as "time/namespace";
// "" if there is none.
func SubjectPrefix(subject string) string {
	prefix, _, ok := strings.Cut(subject, ": ")
	if !ok {
		return ""
	}
	return prefix
}

// IsRevert says that git wrote the subject, and whatever it repeats has its form from
// another commit.
func IsRevert(subject string) bool { return strings.HasPrefix(subject, `Revert "`) }

// subjectFaults holds the subject to "subsystem: summary phrase" and to the imperative
// mood (submitting-patches.rst, "Describe your changes" and "The canonical patch format").
func (p Patch) subjectFaults() []string {
	subject := p.Subject
	if subject == "" {
		return []string{"it has no subject"}
	}
	if IsRevert(subject) {
		return nil
	}
	var all []string
	summary := subject
	if prefix := SubjectPrefix(subject); prefix == "" {
		all = append(all, `the subject does not begin with its subsystem ("fork: Do this")`)
	} else {
		summary = strings.TrimSpace(subject[len(prefix)+1:])
	}
	if n := utf8.RuneCountInString(subject); n > maxSubject {
		all = append(all, fmt.Sprintf("the subject has %d characters; %d are the most", n, maxSubject))
	}
	if strings.HasSuffix(subject, ".") {
		all = append(all, "the subject ends with a full stop")
	}
	first, _, _ := strings.Cut(summary, " ")
	if verb, ok := notImperative[strings.ToLower(first)]; ok {
		all = append(all, fmt.Sprintf("the subject says %q; say in the imperative what the patch does: %q", first, likeCase(verb, first)))
	}
	return all
}

// likeCase is word with a capital where like has one.
func likeCase(word, like string) string {
	if like[:1] != strings.ToLower(like[:1]) {
		return strings.ToUpper(word[:1]) + word[1:]
	}
	return word
}

// notImperative has the verb of each word that begins a subject in another mood than the
// imperative.
var notImperative = moods("add", "allow", "avoid", "change", "check", "clean", "convert", "correct", "create", "delete", "disable", "document",
	"drop", "enable", "ensure", "export", "extend", "factor", "fix", "handle", "implement", "improve", "introduce", "make", "modify", "move",
	"prevent", "provide", "reduce", "refactor", "remove", "rename", "replace", "report", "return", "rework", "simplify", "stop", "support", "update", "use")

// moods are the other moods of verbs, with the verb of each.
func moods(verbs ...string) map[string]string {
	all := make(map[string]string)
	for _, verb := range verbs {
		stem := verb[:len(verb)-1]
		forms := []string{verb + "s", verb + "ed", verb + "ing"}
		switch {
		case strings.HasSuffix(verb, "e"):
			forms = []string{stem + "es", stem + "ed", stem + "ing"}
		case strings.HasSuffix(verb, "fy"):
			forms = []string{stem + "ies", stem + "ied", stem + "ying"}
		case strings.HasSuffix(verb, "op"):
			forms = []string{verb + "s", verb + "ped", verb + "ping"}
		case strings.HasSuffix(verb, "x"):
			forms[0] = verb + "es"
		}
		for _, form := range forms {
			all[form] = verb
		}
	}
	return all
}

var (
	// trailerRE is a line such as "Reviewed-by: Ann <a@example.org>".
	trailerRE = regexp.MustCompile(`^(Fixes|Closes|Link|Cc|[A-Z][a-z]+(?:-[a-z]+)*-by):`)

	// fixesRE is the form that submitting-patches.rst asks for. Longer hashes are taken
	// (checkpatch takes them, too).
	fixesRE = regexp.MustCompile(`^Fixes: [0-9a-f]{12,40} \(".+"\)$`)
)

// changelogFaults holds the changelog and its tags to submitting-patches.rst.
func (p Patch) changelogFaults() []string {
	var all []string
	complain := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	lines := strings.Split(p.Changelog, "\n")
	isTag := func(line string) bool { return trailerRE.MatchString(line) }
	isText := func(line string) bool { return strings.TrimSpace(line) != "" && !isTag(line) }
	if p.Subject != "" && !slices.ContainsFunc(lines, isText) {
		complain("the changelog is empty; say why the change is needed")
	}
	for _, line := range lines {
		if strings.HasPrefix(strings.ToLower(line), "fixes:") && !fixesRE.MatchString(line) {
			complain(`%q is not of the form: Fixes: 123456789abc ("subject of that commit")`, line)
		}
	}
	switch {
	case p.Subject == "" && p.Author == "":
	case p.Author == "":
		complain("it has no author")
	case !slices.Contains(lines, "Signed-off-by: "+p.Author):
		complain("there is no Signed-off-by of its author, %s", p.Author)
	default:
		if late := afterSignature(lines, "Signed-off-by: "+p.Author); late != "" {
			complain("%q stands below the Signed-off-by of the author; it belongs above it", late)
		}
	}
	return all
}

// authorsTags are known when a patch is written.
var authorsTags = []string{"Fixes:", "Reported-by:", "Closes:", "Suggested-by:"}

// afterSignature is the first tag below the author's Signed-off-by that the author has to
// put above it. Whom a report and a mistake are from is known when the patch is written;
// maintainers add other tags below, and their own Signed-off-by last (submitting-patches.rst,
// "Sign your work"; maintainer-tip.rst, "Ordering of commit tags").
func afterSignature(lines []string, signature string) string {
	below := lines[slices.Index(lines, signature)+1:]
	for _, line := range below {
		for _, tag := range authorsTags {
			if strings.HasPrefix(line, tag) {
				return line
			}
		}
	}
	return ""
}

// AddTrailer adds a line such as "Acked-by: Ann <a@example.org>" to the changelog of a mail.
func (m *Mail) AddTrailer(line string) { m.Changelog = withTrailer(m.Changelog, line) }

// withTrailer adds a line to the tags below a changelog: at their end, as b4 does. The tags
// that are known when a patch is written belong above the first Signed-off-by.
func withTrailer(changelog []byte, line string) []byte {
	text := strings.TrimRight(string(changelog), "\n")
	lines := strings.Split(text, "\n")
	at := len(lines)
	for at > 0 && trailerRE.MatchString(lines[at-1]) {
		at--
	}
	switch {
	case at == len(lines) && text == "":
		lines = nil
	case at == len(lines): // there are none yet
		lines = append(lines, "")
	}
	name, _, _ := strings.Cut(line, ":")
	if n := slices.IndexFunc(lines[min(at, len(lines)):], func(l string) bool { return strings.HasPrefix(l, "Signed-off-by:") }); n >= 0 && slices.ContainsFunc(authorsTags, func(tag string) bool { return strings.EqualFold(tag, name+":") }) {
		return []byte(strings.Join(slices.Insert(lines, at+n, line), "\n") + "\n")
	}
	return []byte(strings.Join(append(lines, line), "\n") + "\n")
}

// emptied says that a patch takes all that is in a file and leaves the file.
func emptied(f *gitdiff.File) bool {
	return !f.IsDelete && len(f.TextFragments) == 1 && f.TextFragments[0].NewPosition == 0 && f.TextFragments[0].NewLines == 0
}
