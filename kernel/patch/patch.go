// SPDX-License-Identifier: BSD-3-Clause

// Package patch reads patches: diffs, files with a changelog, and mails. The tools of git take
// mails apart, so that a patch means what it means to git am.
package patch

import (
	"bytes"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/bluekeyes/go-gitdiff/gitdiff"

	"timens-vmtest/internal/blame"
)

// Patch is one patch of a series. Its changelog and its diff are two things: what the
// changelog quotes is never taken for a part of the diff.
type Patch struct {
	Name  string // file name; no other patch of the series has it
	Text  []byte // the whole patch, as it is kept, shown and sent
	Local bool   // it is what stands in a git tree and is not committed, and so is nothing to be sent
	Extra bool   // it is none of the series, but was put on top of it for one run

	Author    string // NAME <ADDRESS>; "" if the patch does not say
	Date      string // as its author wrote it
	Subject   string // first line of the changelog, without "[PATCH]"; "" if there is none
	Changelog string // below the subject, down to "---"
	Diff      []byte // what is applied, and nothing else

	files []*gitdiff.File
}

// Placeholder reports whether the author is a placeholder, which is to be replaced before the patch is sent.
func (p Patch) Placeholder() bool {
	_, address, _ := strings.Cut(p.Author, "<")
	return Person{Address: strings.TrimSuffix(address, ">")}.Placeholder()
}

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

// Alone says that the patch must be applied by a command of its own, and not together
// with others: git takes the source of a rename or copy as it was before all of them,
// and a patch that makes or removes a file counts on the patches before it.
func (p Patch) Alone() bool {
	return slices.ContainsFunc(p.files, func(f *gitdiff.File) bool {
		return f.IsRename || f.IsCopy || f.IsNew || f.IsDelete || f.NewMode != 0
	})
}

// Parse makes a patch of a diff. There may be text before it and in it, which is left
// out.
func Parse(name string, text []byte) (Patch, error) {
	p := Patch{Name: name, Text: text}
	return p, p.setDiff(place{file: name}, text)
}

// place is where a text comes from, for messages.
type place struct {
	file  string
	mail  int // from 1; 0 where the file is one patch
	lines int // that are before the text; -1 where its lines are not those of the file
}

func (at place) line(n int) string {
	where := at.String()
	if at.lines < 0 {
		return where
	}
	return fmt.Sprintf("%s, line %d", where, at.lines+n+1)
}

func (at place) String() string {
	if at.mail == 0 {
		return at.file
	}
	return fmt.Sprintf("%s, mail %d", at.file, at.mail)
}

// refused is the error of a patch that was saved or made in a way that vmtest does not
// take.
func refused(where, format string, args ...any) error {
	return blame.Usagef("%s: %w", where, fmt.Errorf(format, args...))
}

// setDiff finds the diff in a text, and what it changes.
func (p *Patch) setDiff(at place, text []byte) error {
	sections, strays, bad := scan(text)
	if bad != nil {
		return &blame.BuildError{Stage: "apply", Err: fmt.Errorf("%s: the diff is damaged: %s", at.line(bad.line), bad.what)}
	}
	if len(sections) == 0 {
		return noChange(at, text)
	}
	if bad := between(sections, strays); bad != nil {
		return refused(at.line(bad.line), "%s", bad.what)
	}
	p.Diff = nil
	for _, s := range sections {
		p.Diff = append(p.Diff, s.text...)
	}
	if how := stillEncoded(p.Diff); how != "" {
		return refused(at.String(), "its diff is still encoded (%s), and would change the files to that; %s", how, saveAgain)
	}
	if bytes.HasSuffix([]byte(sections[0].header[0]), []byte("\r")) {
		return refused(at.line(sections[0].line), `its lines end in CR and LF, as Windows tools write them; convert it by "dos2unix" or "sed -i 's/\r$//'"`)
	}
	if bad := checkPrefixes(sections); bad != nil {
		return refused(at.line(bad.line), "%s", bad.what)
	}
	p.files = nil
	for _, s := range sections {
		f, err := s.parse()
		if err != nil {
			return &blame.BuildError{Stage: "apply", Err: fmt.Errorf("%s: the diff is damaged: %w", at.line(s.line), err)}
		}
		if err := supported(at.line(s.line), s, f); err != nil {
			return err
		}
		p.files = append(p.files, f)
	}
	return nil
}

// noChange is the error of a text without a diff.
func noChange(at place, text []byte) error {
	if why := hidden(text); why != "" {
		return refused(at.String(), "%s", why)
	}
	return &blame.BuildError{Stage: "apply", Err: fmt.Errorf("%s changes no file: there is no diff in it; take it out of the series, or save the patch again", at)}
}

// misplaced are lines that stand between two diffs only if the first of them is quoted,
// or if they are of two commits.
var misplaced = []struct {
	re   *regexp.Regexp
	what string
}{
	{regexp.MustCompile(`^(---| \d+ files? changed.*)$`), `the changelog, or the text below "---", quotes a diff, which git am would apply, too; indent it there`},
	{regexp.MustCompile(`^(From [0-9a-f]{40} .*|Subject: .*)$`), `a second patch begins there, and the file does not begin as a mail; make it by "git format-patch"`},
	{regexp.MustCompile(`^commit [0-9a-f]{40}\b.*$`), `a second commit begins there, as "git log -p" prints them, the newest first; make patches by "git format-patch"`},
}

// between finds a line between diffs that must not be there.
func between(sections []section, strays []stray) *damage {
	first, last := sections[0].line, sections[len(sections)-1].line
	for _, s := range strays {
		if combinedRE.MatchString(s.text) {
			return &damage{s.line, combined}
		}
		if s.line < first || s.line > last {
			continue
		}
		for _, m := range misplaced {
			if m.re.MatchString(s.text) {
				return &damage{s.line, m.what}
			}
		}
	}
	return nil
}

// parse reads one section, with the prefixes taken off its names.
func (s section) parse() (*gitdiff.File, error) {
	files, _, err := gitdiff.Parse(bytes.NewReader(s.text))
	if err != nil {
		return nil, err
	}
	if len(files) != 1 {
		return nil, fmt.Errorf("%q is the header of %d files", s.header[0], len(files))
	}
	f := files[0]
	if !s.git { // made by diff or quilt: names are as they stand
		for _, name := range []*string{&f.OldName, &f.NewName} {
			if *name != "" {
				_, *name = cutPrefix(*name)
			}
		}
	}
	return f, nil
}

// Types of files in git's modes.
const (
	typeMask  = 0o170000
	submodule = 0o160000
)

// supported refuses by name what a section asks for and the tree cannot be given.
func supported(where string, s section, f *gitdiff.File) error {
	name := f.NewName
	if f.IsDelete {
		name = f.OldName
	}
	for _, path := range []string{f.OldName, f.NewName} {
		if path != "" && (!filepath.IsLocal(path) || filepath.Clean(path) != path) {
			return &blame.BuildError{Stage: "apply", Err: fmt.Errorf("%s: %q leaves the tree, or is no path that git takes", where, path)}
		}
	}
	if f.OldMode&typeMask == submodule || f.NewMode&typeMask == submodule {
		return refused(where, "%s is a submodule, which vmtest does not apply; give a tree that has it, by -tree", name)
	}
	if f.BinaryFragment == nil && len(f.TextFragments) == 0 && bytes.Contains(s.text, []byte("\nBinary files ")) {
		return refused(where, `the change of the binary file %s is not in the patch; make it again by "git format-patch --binary"`, name)
	}
	return nil
}
