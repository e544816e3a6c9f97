// SPDX-License-Identifier: BSD-3-Clause

package docs

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
)

// page is what the checks need of a Markdown file.
type page struct {
	links   []string // destinations, as they are written
	anchors []string // that a link may end in
	code    []string // lines of code blocks, and code spans
}

// notOurs are folders at the root that make and vmtest write to.
var notOurs = []string{"bin", "results", "linux-*"}

// readPages reads every Markdown file of a checkout, by its path.
func readPages(root fs.FS) (map[string]page, error) {
	pages := make(map[string]page)
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || matches(notOurs, name)) {
			return fs.SkipDir
		}
		if d.IsDir() || path.Ext(name) != ".md" {
			return nil
		}
		source, err := fs.ReadFile(root, name)
		if err == nil {
			pages[name], err = parsePage(source)
		}
		return err
	})
	return pages, err
}

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(p, name)
		return ok || err != nil
	})
}

func parsePage(source []byte) (page, error) {
	var p page
	root := goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser().Parse(text.NewReader(source))
	err := ast.Walk(root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Link:
			p.links = append(p.links, string(n.Destination))
		case *ast.Image:
			p.links = append(p.links, string(n.Destination))
		case *ast.Heading:
			p.anchors = append(p.anchors, anchor(plain(n, source), p.anchors))
		case *ast.CodeSpan:
			p.code = append(p.code, plain(n, source))
		case *ast.CodeBlock, *ast.FencedCodeBlock:
			for _, line := range n.Lines().Sliced(0, n.Lines().Len()) {
				p.code = append(p.code, strings.TrimSpace(string(line.Value(source))))
			}
		}
		return ast.WalkContinue, nil
	})
	return p, err
}

// plain is the text in a node without its markup.
func plain(n ast.Node, source []byte) string {
	var b strings.Builder
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		if t, ok := c.(*ast.Text); ok {
			b.Write(t.Segment.Value(source))
		} else {
			b.WriteString(plain(c, source))
		}
	}
	return b.String()
}

// anchor is what GitHub makes of a heading: lower case, without punctuation, with
// a hyphen for each space, and with a number if a heading before has the same.
func anchor(heading string, before []string) string {
	slug := strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, heading)
	unique := slug
	for n := 1; slices.Contains(before, unique); n++ {
		unique = fmt.Sprintf("%s-%d", slug, n)
	}
	return unique
}
