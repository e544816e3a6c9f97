// SPDX-License-Identifier: BSD-3-Clause

// Package look is what all pages for a browser share: the style sheet, the charts, and how a
// text that a guest printed becomes harmless and short. A page is one file. It loads nothing.
package look

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"
	"unicode"
)

// MaxBytes is the largest size of a page.
const MaxBytes = 1_000_000

// maxText is how many characters a page shows of one line of text.
const maxText = 240

//go:embed style.css look.tmpl
var files embed.FS

// Page makes a template from a text. The template may use what look.tmpl defines, the
// functions of this package, and more functions.
func Page(text string, more template.FuncMap) *template.Template {
	t := template.New("page").Funcs(template.FuncMap{"plain": Plain, "style": style, "policy": policy, "list": list}).Funcs(more)
	return template.Must(template.Must(t.ParseFS(files, "look.tmpl")).Parse(text))
}

// style returns the style sheet. It is ours, so it is not escaped.
func style() (template.CSS, error) {
	text, err := files.ReadFile("style.css")
	return template.CSS(text), err
}

// policy returns a Content-Security-Policy. It forbids the browser to load anything, and to run
// any script but this one. So a text that escaped the escaping could do nothing.
func policy(script template.JS) string {
	allowed := "'none'"
	if script != "" {
		sum := sha256.Sum256([]byte(script))
		allowed = "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; script-src " + allowed
}

// list joins words as a sentence does: "a, b and c".
func list(words []string) string {
	if n := len(words); n > 1 {
		return strings.Join(words[:n-1], ", ") + " and " + words[n-1]
	}
	return strings.Join(words, "")
}

// Harmless removes from a stranger's text the characters that control a terminal or the
// direction of writing. Newlines and tabs stay. An invalid byte becomes U+FFFD, so the result is
// valid UTF-8. It escapes nothing; the template or the encoder does.
func Harmless(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
			return -1
		}
		return r // utf8.RuneError for an invalid byte
	}, text)
}

// Plain makes a line of a stranger's text harmless, and clips it.
func Plain(text string) string {
	text = Harmless(text)
	if n := 0; len(text) > maxText {
		for i := range text {
			if n++; n > maxText {
				return text[:i] + "..."
			}
		}
	}
	return text
}

// Head returns a copy of the first n elements of a list, and how many more there are.
func Head[T any](all []T, n int) (shown []T, more int) {
	n = min(n, len(all))
	return slices.Clone(all[:n]), len(all) - n
}

// mostDivided bounds Fit: a page that shows a 256th of everything has a fault.
const mostDivided = 256

// Fit returns a page of at most MaxBytes. It renders the page with all that there is to show.
// If that is too much, it renders it again with a half of each long list, with a quarter, and
// so on.
func Fit(t *template.Template, data func(divide int) any) ([]byte, error) {
	for divide := 1; divide <= mostDivided; divide *= 2 {
		var b bytes.Buffer
		if err := t.Execute(&b, data(divide)); err != nil {
			return nil, err
		}
		if b.Len() <= MaxBytes {
			return b.Bytes(), nil
		}
	}
	return nil, fmt.Errorf("a page has more than %d bytes", MaxBytes)
}

// Seconds writes seconds as a reader wants them: "1.20 ms", "40.1 s", "12 min".
func Seconds(s float64) string {
	switch a := math.Abs(s); {
	case a == 0:
		return "0 s"
	case a < 1e-3:
		return fmt.Sprintf("%.1f µs", s*1e6)
	case a < 1:
		return fmt.Sprintf("%.2f ms", s*1e3)
	case a < 600:
		return fmt.Sprintf("%.1f s", s)
	}
	return fmt.Sprintf("%.0f min", s/60)
}
