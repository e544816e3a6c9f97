// SPDX-License-Identifier: BSD-3-Clause

package patch

import (
	"bytes"
	"encoding/base64"
	"regexp"
	"strings"
)

// How a text is to be saved that is not what its author wrote.
const (
	saveAgain = `save the mail as it is ("raw" in the list's archive, "b4 am", or the mail program's "save as"), which vmtest decodes`
	sendPlain = `take it from the list's archive, or have it sent again as plain text`
)

var (
	quotedRE = regexp.MustCompile(`=(?:[0-9A-F]{2}|\r?\n)`)
	entityRE = regexp.MustCompile(`&(?:lt|gt|amp|quot|nbsp|#\d+);`)
	flowedRE = regexp.MustCompile(`(?i)^content-type:[ \t]*text/plain(?:[^\n]|\n[ \t])*format="?flowed`)
	htmlRE   = regexp.MustCompile(`(?i)^content-type:[ \t]*text/html`)
	boundRE  = regexp.MustCompile(`(?i)boundary="?([^"\s;]+)`)
	base64RE = regexp.MustCompile(`^[A-Za-z0-9+/\s]+={0,2}\s*$`)
)

// stillEncoded names the encoding of a diff that nobody has decoded. Every "=" of such a
// text begins an escape, as does every "&" of one out of a web page.
func stillEncoded(diff []byte) string {
	escapes := quotedRE.FindAll(diff, -1)
	if len(escapes) > 0 && len(escapes) == bytes.Count(diff, []byte("=")) &&
		(bytes.Contains(diff, []byte("=3D")) || bytes.Contains(diff, []byte("=20\n")) || bytes.Contains(diff, []byte("=09\n"))) {
		return "quoted-printable"
	}
	entities := entityRE.FindAll(diff, -1)
	if len(entities) > 0 && len(entities) == bytes.Count(diff, []byte("&")) && !bytes.ContainsAny(diff, "<>") {
		return "HTML"
	}
	return ""
}

// hidden says in what a text without a diff may hold one; "" if it has none.
func hidden(text []byte) string {
	if base64RE.Match(text) {
		packed := strings.Join(strings.Fields(string(text)), "")
		plain, err := base64.StdEncoding.DecodeString(packed)
		if err == nil && (bytes.Contains(plain, []byte("diff ")) || bytes.Contains(plain, []byte("--- "))) {
			return "it is encoded in base64; " + saveAgain
		}
	}
	if combinedRE.Match(text) {
		return combined
	}
	return ""
}

var combinedRE = regexp.MustCompile(`(?m)^diff --(cc|combined) `)

const combined = `it has the combined diff of a merge, which git does not apply; make patches of the commits by "git format-patch"`

// charsetFault says why a text cannot be read at all, whatever is in it.
func charsetFault(text []byte) string {
	switch {
	case bytes.HasPrefix(text, []byte("\xff\xfe")), bytes.HasPrefix(text, []byte("\xfe\xff")):
		return `it is in UTF-16, as PowerShell's ">" writes; make it again by "git format-patch -o DIR"`
	case bytes.HasPrefix(text, []byte("\x1f\x8b")), bytes.HasPrefix(text, []byte("BZh")), bytes.HasPrefix(text, []byte("\xfd7zXZ")), bytes.HasPrefix(text, []byte("(\xb5/\xfd")):
		return "it is compressed; unpack it"
	}
	return ""
}

// parts are what the header of a mail and of its parts say of it.
type parts struct {
	flowed  bool
	html    bool   // a part is a web page
	without []byte // the mail without such parts
}

// partsOf looks at the header of the mail and at those behind each boundary.
func partsOf(raw []byte) parts {
	var p parts
	var bounds []string
	for _, m := range boundRE.FindAllSubmatch(raw, -1) {
		bounds = append(bounds, "--"+string(m[1]))
	}
	var header []byte
	inHeader, drop := true, false
	for line := range bytes.Lines(raw) {
		text := strings.TrimRight(string(line), "\r\n")
		for _, bound := range bounds {
			if text == bound || text == bound+"--" {
				inHeader, drop, header = text == bound, false, nil
			}
		}
		if inHeader {
			header = append(header, line...)
			if text == "" {
				inHeader = false
				drop = p.take(header)
			}
			p.without = append(p.without, line...)
			continue
		}
		if !drop {
			p.without = append(p.without, line...)
		}
	}
	return p
}

// take looks at one header, and says that its part is a web page.
func (p *parts) take(header []byte) (html bool) {
	for _, field := range fieldsOf(header) {
		p.flowed = p.flowed || flowedRE.Match(field)
		html = html || htmlRE.Match(field)
	}
	p.html = p.html || html
	return html
}

// fieldsOf cuts a header into its fields, each with the lines that continue it.
func fieldsOf(header []byte) [][]byte {
	var all [][]byte
	for line := range bytes.Lines(header) {
		if len(all) > 0 && (line[0] == ' ' || line[0] == '\t') {
			all[len(all)-1] = append(all[len(all)-1], line...)
			continue
		}
		all = append(all, bytes.Clone(line))
	}
	return all
}
