// SPDX-License-Identifier: BSD-3-Clause

// Package pagetest holds pages to the rules that a reader with a keyboard, a screen reader, a
// printer or no network needs. It is for the tests of the packages that make pages.
package pagetest

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/html"

	"timens-vmtest/vmtest/page/look"
)

// Faults returns what is wrong with a page. Its links lead to files.
func Faults(page []byte, files fs.FS) []string {
	root, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		return []string{err.Error()}
	}
	c := checker{files: files, ids: make(map[string]bool)}
	if len(page) > look.MaxBytes {
		c.fault("it has %d bytes", len(page))
	}
	for n := range root.Descendants() {
		if id := Attr(n, "id"); id != "" && c.ids[id] {
			c.fault("two elements have the id %s", id)
		} else if id != "" {
			c.ids[id] = true
		}
	}
	for n := range root.Descendants() {
		if n.Type == html.ElementNode {
			c.element(n)
		}
	}
	if c.h1 != 1 {
		c.fault("it has %d headings of the first level", c.h1)
	}
	if c.policy == "" || !strings.Contains(c.policy, "default-src 'none'") {
		c.fault("it has no Content-Security-Policy")
	}
	for _, s := range c.scripts {
		sum := sha256.Sum256([]byte(s))
		if !strings.Contains(c.policy, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") {
			c.fault("its policy does not allow its script")
		}
	}
	return c.faults
}

type checker struct {
	files   fs.FS
	ids     map[string]bool
	level   int // of the last heading
	h1      int
	policy  string
	scripts []string
	faults  []string
}

func (c *checker) fault(format string, args ...any) {
	c.faults = append(c.faults, fmt.Sprintf(format, args...))
}

// loading are elements that make a browser load or run something.
var loading = []string{"link", "img", "iframe", "object", "embed", "form", "base", "audio", "video", "image", "use", "foreignobject"}

func (c *checker) element(n *html.Node) {
	if slices.Contains(loading, n.Data) {
		c.fault("it has an element %s", n.Data)
	}
	for _, a := range n.Attr {
		switch {
		case strings.HasPrefix(a.Key, "on"), a.Key == "src", a.Key == "style":
			c.fault("%s has the attribute %s", n.Data, a.Key)
		case a.Key == "href":
			c.link(a.Val)
		case strings.HasPrefix(a.Key, "aria-labelledby") && !c.ids[a.Val]:
			c.fault("%s is labelled by %s, which is not there", n.Data, a.Val)
		}
	}
	switch n.Data {
	case "html":
		if Attr(n, "lang") == "" {
			c.fault("the page has no language")
		}
	case "meta":
		if strings.EqualFold(Attr(n, "http-equiv"), "Content-Security-Policy") {
			c.policy = Attr(n, "content")
		}
	case "script":
		c.scripts = append(c.scripts, Text(n))
	case "style":
		if css := Text(n); regexp.MustCompile(`(?i)url\(|@import|//[a-z]`).MatchString(css) {
			c.fault("the style sheet loads something")
		}
	case "th":
		if Attr(n, "scope") == "" {
			c.fault("the heading %q of a table has no scope", Text(n))
		}
	case "table":
		if r := parent(n, "role", "region"); r == nil {
			c.fault("a table is in no region, so that a keyboard cannot scroll it")
		}
	case "svg", "abbr":
		if n.Data == "svg" && (Attr(n, "role") != "img" || Attr(n, "aria-label") == "") || n.Data == "abbr" && Attr(n, "title") == "" {
			c.fault("%s %q has no name", n.Data, Text(n))
		}
	case "h1", "h2", "h3", "h4":
		level := int(n.Data[1] - '0')
		if level > c.level+1 {
			c.fault("the heading %q is of level %d, and that before it of %d", Text(n), level, c.level)
		}
		if c.level = level; level == 1 {
			c.h1++
		}
	}
	if Attr(n, "role") == "region" && (Attr(n, "aria-label") == "" || Attr(n, "tabindex") != "0") {
		c.fault("a region has no name, or a keyboard cannot reach it")
	}
	if slices.ContainsFunc(strings.Fields(Attr(n, "class")), func(s string) bool { return s == "bad" || s == "warn" || s == "good" }) && n.Data == "span" &&
		strings.IndexFunc(Text(n), func(r rune) bool { return r > 0x7f || r == '+' || r == '~' || r == '?' }) < 0 {
		c.fault("%q has a colour and no shape", Text(n))
	}
}

// link checks where a link leads.
func (c *checker) link(to string) {
	u, err := url.Parse(to)
	switch {
	case err != nil:
		c.fault("%v", err)
	case u.Scheme != "" || u.Host != "":
		c.fault("%s leads out of the folder", to)
	case u.Path == "" && !c.ids[u.Fragment]:
		c.fault("%s leads nowhere", to)
	case u.Path != "":
		if _, err := fs.Stat(c.files, strings.TrimPrefix(u.Path, "./")); err != nil {
			c.fault("the link %s: %v", to, err)
		}
	}
}

// Elements returns the elements of a page that have a tag and, if it is not empty, a class.
func Elements(page []byte, tag, class string) []*html.Node {
	root, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		return nil
	}
	var all []*html.Node
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && n.Data == tag && (class == "" || slices.Contains(strings.Fields(Attr(n, "class")), class)) {
			all = append(all, n)
		}
	}
	return all
}

// Text returns all text of an element.
func Text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

// Attr returns an attribute of an element, or "".
func Attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func parent(n *html.Node, key, val string) *html.Node {
	for p := range n.Ancestors() {
		if Attr(p, key) == val {
			return p
		}
	}
	return nil
}
