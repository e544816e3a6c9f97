// SPDX-License-Identifier: BSD-3-Clause

// Package docs checks the pages of this project: that links lead somewhere, that
// every page can be found, and that what the pages tell a reader to type exists.
package docs

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// first is the page that a reader begins with.
const first = "README.md"

// maxFirst is how many lines of it a reader is willing to read.
const maxFirst = 150

func TestPages(t *testing.T) {
	found, err := faults(os.DirFS(".."))
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range found {
		t.Error(fault)
	}
}

// faults is all that is wrong with the pages of a checkout.
func faults(root fs.FS) ([]string, error) {
	text, err := fs.ReadFile(root, first)
	if err != nil {
		return nil, err
	}
	var found []string
	if n := bytes.Count(text, []byte("\n")); n > maxFirst {
		found = append(found, fmt.Sprintf("%s has %d lines, more than %d: move what not every user needs to docs/", first, n, maxFirst))
	}
	pages, err := readPages(root)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(pages)) {
		for _, link := range pages[name].links {
			if why := deadLink(root, pages, name, link); why != "" {
				found = append(found, fmt.Sprintf("%s: the link to %q: %s", name, link, why))
			}
		}
	}
	reached := reachable(pages, first)
	for _, name := range slices.Sorted(maps.Keys(pages)) {
		if path.Dir(name) == "docs" && !reached[name] {
			found = append(found, fmt.Sprintf("%s: no links lead from %s to this page", name, first))
		}
	}
	return found, nil
}

// target splits a link on a page into the file and the anchor that it leads to.
// A link to another site is not ok.
func target(name, link string) (file, fragment string, ok bool) {
	if strings.Contains(link, "://") || strings.HasPrefix(link, "mailto:") {
		return "", "", false
	}
	file, fragment, _ = strings.Cut(link, "#")
	if file == "" {
		return name, fragment, true
	}
	return path.Join(path.Dir(name), file), fragment, true
}

// deadLink says why a link leads nowhere, or "".
func deadLink(root fs.FS, pages map[string]page, name, link string) string {
	file, fragment, ok := target(name, link)
	if !ok {
		return ""
	}
	if path.IsAbs(link) || !fs.ValidPath(file) {
		return "it leaves the project"
	}
	if _, err := fs.Stat(root, file); err != nil {
		return "there is no such file"
	}
	if strings.Contains(link, "#") && !slices.Contains(pages[file].anchors, fragment) {
		return "there is no such heading"
	}
	return ""
}

// reachable are the pages that links lead to from one page, and that page.
func reachable(pages map[string]page, from string) map[string]bool {
	reached := map[string]bool{from: true}
	for todo := []string{from}; len(todo) > 0; todo = todo[1:] {
		for _, link := range pages[todo[0]].links {
			file, _, ok := target(todo[0], link)
			if _, isPage := pages[file]; ok && isPage && !reached[file] {
				reached[file] = true
				todo = append(todo, file)
			}
		}
	}
	return reached
}

func TestFaults(t *testing.T) {
	const readme = "# T\n\n[a](docs/a.md#two-words-1) and [b](https://example.com/x.md#y)\n"
	const pageA = "# A\n\n## Two words\n\n## Two `words`!\n\n[up](../README.md#t) [c](c/d.txt) [here](#a)\n\n    [code](dead.md)\n\n`[span](dead.md)`\n"
	for name, c := range map[string]struct{ file, text, want string }{
		"nothing":                {want: ""},
		"a dead link":            {"docs/a.md", pageA + "[x](b.md)\n", `docs/a.md: the link to "b.md": there is no such file`},
		"a dead link in a table": {"docs/a.md", pageA + "\n| x |\n|---|\n| [x](b.md) |\n", `docs/a.md: the link to "b.md": there is no such file`},
		"a dead image":           {"docs/a.md", pageA + "![x](b.png)\n", `docs/a.md: the link to "b.png": there is no such file`},
		"a dead anchor":          {"docs/a.md", pageA + "[x](../README.md#u)\n", `docs/a.md: the link to "../README.md#u": there is no such heading`},
		"a dead anchor here":     {"docs/a.md", pageA + "[x](#b)\n", `docs/a.md: the link to "#b": there is no such heading`},
		"an anchor in no page":   {"docs/a.md", pageA + "[x](c/d.txt#a)\n", `docs/a.md: the link to "c/d.txt#a": there is no such heading`},
		"a heading once":         {"docs/a.md", strings.Replace(pageA, "## Two words\n", "", 1), `README.md: the link to "docs/a.md#two-words-1": there is no such heading`},
		"a link that leaves":     {"docs/a.md", pageA + "[x](../../x)\n", `docs/a.md: the link to "../../x": it leaves the project`},
		"an absolute link":       {"docs/a.md", pageA + "[x](/etc/passwd)\n", `docs/a.md: the link to "/etc/passwd": it leaves the project`},
		"an orphan":              {"docs/b.md", "[a](a.md)\n", `docs/b.md: no links lead from README.md to this page`},
		"an orphan of orphans":   {"docs/b.md", "[b](b.md)\n", `docs/b.md: no links lead from README.md to this page`},
		"a long README":          {"README.md", readme + strings.Repeat("\n", 151-3), "README.md has 151 lines, more than 150: move what not every user needs to docs/"},
		"a README just right":    {"README.md", readme + strings.Repeat("\n", 150-3), ""},
		"a folder of make's":     {"linux-x/Documentation/a.md", "[x](dead.md)\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			root := fstest.MapFS{
				"README.md":    {Data: []byte(readme)},
				"docs/a.md":    {Data: []byte(pageA)},
				"docs/c/d.txt": {},
			}
			if c.file != "" {
				root[c.file] = &fstest.MapFile{Data: []byte(c.text)}
			}
			found, err := faults(root)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(found, "\n"); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
