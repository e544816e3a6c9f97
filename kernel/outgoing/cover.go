// SPDX-License-Identifier: BSD-3-Clause

// Package outgoing makes of a series the mails that are sent: numbered, with a cover letter, the
// recipients and the name of whoever sends it.
package outgoing

import (
	"bytes"
	"mime"
	"net/mail"
	"regexp"
	"strings"

	"timens-vmtest/internal/blame"
	"timens-vmtest/kernel/patch"
)

// Cover is a cover letter, without what git adds to it: the list of the patches and the diffstat.
type Cover struct {
	Subject string // without "[PATCH 0/N]"
	Body    string // ends with a newline
}

// ResultsLine is the line of a cover letter that the results of the last presubmit take the place of.
const ResultsLine = "[results of vmtest presubmit]"

// ParseCover reads a cover letter: a header with a subject, an empty line, and the text. What
// "git format-patch --cover-letter" writes is one.
func ParseCover(text []byte) (Cover, error) {
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	if bytes.HasPrefix(text, []byte("From ")) { // as a mailbox begins
		_, text, _ = bytes.Cut(text, []byte("\n"))
	}
	m, err := mail.ReadMessage(bytes.NewReader(text))
	if err != nil {
		return Cover{}, blame.Usagef("the cover letter has no header; begin it with the line \"Subject: [PATCH 0/N] ...\" and an empty line: %w", err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil {
		return Cover{}, blame.Usagef("the subject of the cover letter: %w", err)
	}
	_, body, _ := strings.Cut(string(text), "\n\n")
	if at := generatedRE.FindStringIndex(body); at != nil {
		body = body[:at[0]]
	}
	return Cover{patch.BareSubject(subject), strings.Trim(body, "\n") + "\n"}, nil
}

// generatedRE matches where git's list of the patches begins: "NAME (2):" and an indented subject.
var generatedRE = regexp.MustCompile(`(?m)^\S.* \(\d+\):\n  \S`)

// Faults returns what has to be done to the cover letter before it can be sent.
func (c Cover) Faults() (all []string) {
	if c.Subject == "" || strings.Contains(c.Subject, "*** SUBJECT HERE ***") {
		all = append(all, "the cover letter has no subject")
	}
	if strings.TrimSpace(c.Body) == "" || strings.Contains(c.Body, "*** BLURB HERE ***") {
		all = append(all, "the cover letter says nothing; say why the kernel needs the series")
	}
	return all
}

// AsksResults reports whether the cover letter has a ResultsLine.
func (c Cover) AsksResults() bool { return resultsRE.MatchString(c.Body) }

// resultsRE matches the ResultsLine and the empty lines below it.
var resultsRE = regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(ResultsLine) + `\n+`)

// WithResults returns the cover letter with results in the place of its ResultsLine. Without
// results, the line goes, with the empty lines below it.
func (c Cover) WithResults(results []byte) Cover {
	text := strings.TrimRight(string(results), "\n")
	if text != "" {
		text += "\n\n"
	}
	c.Body = strings.Trim(resultsRE.ReplaceAllLiteralString(c.Body, text), "\n") + "\n"
	return c
}
