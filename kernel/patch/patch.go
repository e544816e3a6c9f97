// SPDX-License-Identifier: BSD-3-Clause

package patch

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/bluekeyes/go-gitdiff/gitdiff"

	"timens-vmtest/internal/blame"
)

var patchFailed = regexp.MustCompile(`(?m)^error: patch failed: (.+):(\d+)$`)

// FailedHunks names the hunks that git apply complained of: it prints the file
// and the line where each was to begin.
func (p Patch) FailedHunks(out string) []string {
	var all []string
	for _, m := range patchFailed.FindAllStringSubmatch(out, -1) {
		all = append(all, p.hunkAt(m[1], m[2]))
	}
	return all
}

func (p Patch) hunkAt(path, line string) string {
	for _, f := range p.files {
		if f.OldName != path && f.NewName != path {
			continue
		}
		for i, hunk := range f.TextFragments {
			if strconv.FormatInt(hunk.OldPosition, 10) == line {
				return fmt.Sprintf("%s, hunk %d of %d, %s", path, i+1, len(f.TextFragments), strings.TrimSpace(hunk.Header()))
			}
		}
	}
	return path + ", line " + line
}

// Patch is one patch of a series.
type Patch struct {
	Name  string // file name
	Text  []byte
	Local bool // it is what stands in a git tree and is not committed, and so is nothing to be sent
	Extra bool // it is none of the series, but was put on top of it for one run

	header *gitdiff.PatchHeader
	files  []*gitdiff.File
}

// Subject is the first line of the patch's changelog, without "[PATCH]"; "" if
// there is none.
func (p Patch) Subject() string { return p.header.Title }

// Change is what a patch does to one file.
type Change struct {
	Path           string
	Added, Deleted int64 // lines
}

// Changes lists the files that the patch changes, in its order.
func (p Patch) Changes() []Change {
	var all []Change
	for _, f := range p.files {
		c := Change{Path: f.NewName}
		if f.IsDelete {
			c.Path = f.OldName
		}
		for _, hunk := range f.TextFragments {
			c.Added += hunk.LinesAdded
			c.Deleted += hunk.LinesDeleted
		}
		all = append(all, c)
	}
	return all
}

// Load reads one patch.
func Load(path string) (Patch, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Patch{}, blame.Usagef("read patch: %w", err)
	}
	return Parse(filepath.Base(path), text)
}

func Parse(name string, text []byte) (Patch, error) {
	files, preamble, err := gitdiff.Parse(bytes.NewReader(text))
	if err != nil {
		return Patch{}, &blame.BuildError{Stage: "apply", Err: fmt.Errorf("%s is damaged: %w", name, err)}
	}
	if len(files) == 0 {
		return Patch{}, &blame.BuildError{Stage: "apply", Err: fmt.Errorf("%s changes no file", name)}
	}
	if !gitHeader.Match(text) { // made by diff or quilt: names are as they stand
		for _, f := range files {
			if f.OldName, f.NewName, err = stripped(f); err != nil {
				return Patch{}, &blame.BuildError{Stage: "apply", Err: fmt.Errorf("%s: %w", name, err)}
			}
		}
	}
	header, err := gitdiff.ParsePatchHeader(preamble)
	if err != nil { // a diff needs none, and any text may stand before it
		header = &gitdiff.PatchHeader{}
	}
	p := Patch{Name: name, Text: text, header: header, files: files}
	for _, file := range p.Touches() {
		if !filepath.IsLocal(file) {
			return Patch{}, &blame.BuildError{Stage: "apply", Err: fmt.Errorf("%s: %q leaves the tree", name, file)}
		}
	}
	return p, nil
}

var gitHeader = regexp.MustCompile(`(?m)^diff --git `)

// stripped is what -p1 makes of the names in a header that is not git's.
func stripped(f *gitdiff.File) (old, new string, err error) {
	strip := func(name string) string {
		if name == "" {
			return ""
		}
		_, rest, ok := strings.Cut(name, "/")
		if !ok {
			err = fmt.Errorf("%q has no leading folder for -p1 to strip", name)
		}
		return rest
	}
	return strip(f.OldName), strip(f.NewName), err
}

// Touches lists the paths that the patch reads or writes.
func (p Patch) Touches() []string {
	var paths []string
	for _, f := range p.files {
		for _, path := range []string{f.OldName, f.NewName} {
			if path != "" && !slices.Contains(paths, path) {
				paths = append(paths, path)
			}
		}
	}
	return paths
}
