// SPDX-License-Identifier: BSD-3-Clause

package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kernel"
	"timens-vmtest/kernel/kbuild"
	"timens-vmtest/kernel/patch"
)

// documentation is the tree's folder whose pages Sphinx renders.
const documentation = "Documentation"

// isPage reports whether a path of the tree is that of a page which Sphinx renders.
func isPage(path string) bool {
	return strings.HasPrefix(path, documentation+"/") && strings.HasSuffix(path, ".rst")
}

// hasPages reports whether patches touch pages.
func hasPages(patches []patch.Patch) bool {
	return slices.ContainsFunc(patches, func(p patch.Patch) bool { return slices.ContainsFunc(p.Touches(), isPage) })
}

// docs returns the warnings of Sphinx about the pages that a tree's series touches and the lists of
// contents above them, without those that the base has, too.
func docs(ctx context.Context, h host.Host, t kernel.Tree) ([]kbuild.Warning, error) {
	pages := pagesWithContents(t.Touched())
	if len(pages) == 0 {
		return nil, nil
	}
	version, err := sandbox.Run(sandbox.Command(ctx, "", nil, sphinx, "--version"))
	if err != nil {
		return nil, err
	}
	parts := []string{string(version), t.Base.ID}
	touched := make(map[string][]byte) // nil: the series deletes the file
	for _, path := range t.Touched() {
		text, err := t.Read(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		touched[path] = text
		parts = append(parts, path, string(text))
	}
	return host.Answer(ctx, h, "docs 1 "+cache.Digest(parts...), func() ([]kbuild.Warning, error) {
		var found [2][]kbuild.Warning
		for i, files := range []map[string][]byte{nil, touched} {
			if found[i], err = runSphinx(ctx, h, t.Base.Dir, files, pages); err != nil {
				return nil, err
			}
		}
		return kbuild.NewWarnings(found[0], found[1]), nil
	})
}

// sphinx is the program that renders pages.
const sphinx = "sphinx-build"

// pagesWithContents returns the pages among paths, and index.rst of each folder above them. A page that
// no index has would never be found.
func pagesWithContents(paths []string) (pages []string) {
	for _, path := range paths {
		if !isPage(path) {
			continue
		}
		pages = append(pages, path)
		for dir := filepath.Dir(path); dir != "."; dir = filepath.Dir(dir) {
			pages = append(pages, filepath.Join(dir, "index.rst"))
		}
	}
	slices.Sort(pages)
	return slices.Compact(pages)
}

// elsewhere are the kinds of warnings about pages that are not read. Reading all of them takes ten minutes.
var elsewhere = []string{"ref.doc", "ref.ref", "ref.term", "ref.option", "toc.not_readable", "toc.excluded", "toc.circular"}

// runSphinx returns the warnings of Sphinx, with the tree's own configuration, about pages of a base in
// which files are replaced.
func runSphinx(ctx context.Context, h host.Host, base string, files map[string][]byte, pages []string) ([]kbuild.Warning, error) {
	dir, err := os.MkdirTemp("", "vmtest-docs-")
	if err != nil {
		return nil, err
	}
	defer cache.RemoveAll(dir)
	tree := filepath.Join(dir, "src") // sphinxWarnings knows its name
	if err := layOver(base, tree, files); err != nil {
		return nil, err
	}
	var chosen []string
	for _, page := range pages {
		chosen = append(chosen, strings.TrimPrefix(page, documentation+"/"))
	}
	place := sandbox.Place{Dir: tree, Readable: []string{base}, Writable: []string{dir}, Env: []string{"srctree=" + tree, "PYTHONDONTWRITEBYTECODE=1"}}
	args := []string{"-q", "-b", "dummy", "-D", "include_patterns=" + strings.Join(chosen, ","), "-D", "suppress_warnings=" + strings.Join(elsewhere, ","),
		"-d", filepath.Join(dir, "doctrees"), documentation, filepath.Join(dir, "out")}
	out, err := h.Sandbox.Output(ctx, place, sphinx, args...)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w\n%s", sphinx, strings.Join(args, " "), err, sandbox.Tail(out, 20))
	}
	return sphinxWarnings(string(out)), nil
}

// sphinxRE matches a warning about a page in a folder "src". One about the page as a whole has no line.
var sphinxRE = regexp.MustCompile(`(?m)^\S*/src/(\S+?\.rst):(?:(\d+):)? (WARNING|ERROR|SEVERE|CRITICAL): (.*)$`)

// sphinxWarnings returns the warnings in an output of Sphinx, each once.
func sphinxWarnings(output string) []kbuild.Warning {
	var all []kbuild.Warning
	for _, m := range sphinxRE.FindAllStringSubmatch(output, -1) {
		w := kbuild.Warning{File: m[1], At: cmp.Or(m[2], "1"), Text: strings.ToLower(m[3]) + ": " + m[4]}
		if !slices.Contains(all, w) {
			all = append(all, w)
		}
	}
	return all
}

// layOver makes the folder to look like the folder from with files replaced: it has links to all that is
// the same. The paths of files are relative to it; one without a text is left out.
func layOver(from, to string, files map[string][]byte) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	own := make(map[string]map[string][]byte) // what is replaced, by its first folder or its name
	for path, text := range files {
		first, rest, _ := strings.Cut(path, "/")
		if own[first] == nil {
			own[first] = make(map[string][]byte)
		}
		own[first][rest] = text
	}
	all, err := os.ReadDir(from)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // the series may add a folder
		return err
	}
	for _, entry := range all {
		if own[entry.Name()] != nil {
			continue
		}
		if err := os.Symlink(filepath.Join(from, entry.Name()), filepath.Join(to, entry.Name())); err != nil {
			return err
		}
	}
	for name, below := range own {
		text, file := below[""]
		switch {
		case !file:
			err = layOver(filepath.Join(from, name), filepath.Join(to, name), below)
		case text != nil:
			err = os.WriteFile(filepath.Join(to, name), text, 0o644)
		default:
			err = nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}
