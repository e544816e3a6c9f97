package kernel

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/bluekeyes/go-gitdiff/gitdiff"

	"timens-vmtest/vmtest/wire"
)

// Series is an ordered list of patches and what is expected of the kernel that
// they make.
type Series struct {
	Name    string
	Patches []Patch // may be empty: the control series is the unpatched kernel
	Expect  []byte  // text of its expect file; nil if it has none
	Excuses []byte  // text of its checkpatch file; nil if it has none
	Design  string  // word in its design file; "" if it has none
	About   string  // comment on top of its series file, as one line
	Floor   []byte  // text of its coverage file; nil if it has none

	// Foreign tells the work of others apart. Such series are built in one work
	// folder, which begins anew with each, so that no build goes on with what
	// another's makefiles have left. Empty: it is the user's own.
	Foreign string
}

// Patch is one patch of a series.
type Patch struct {
	Name  string // file name
	Text  []byte
	Local bool // it is what stands in a git tree and is not committed, and so is nothing to be sent

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

// LoadSeries reads a series. which is a name below patchesDir, a folder with a
// file "series", or a mailbox.
func LoadSeries(ctx context.Context, patchesDir, which string) (Series, error) {
	if IsMailbox(which) {
		return loadMailbox(ctx, which)
	}
	dir := SeriesFolder(patchesDir, which)
	s := Series{Name: filepath.Base(dir)}
	list, err := os.ReadFile(filepath.Join(dir, "series"))
	if errors.Is(err, fs.ErrNotExist) {
		return Series{}, unknownSeries(patchesDir, which)
	}
	if err != nil {
		return Series{}, &UsageError{fmt.Errorf("series %s: %w", which, err)}
	}
	names, err := parseList(filepath.Join(dir, "series"), list)
	if err != nil {
		return Series{}, &UsageError{err}
	}
	s.About = aboutOf(list)
	if err := nothingUnlisted(dir, names); err != nil {
		return Series{}, &UsageError{err}
	}
	for _, name := range names {
		p, err := LoadPatch(filepath.Join(dir, name))
		if err != nil {
			return Series{}, err
		}
		s.Patches = append(s.Patches, p)
	}
	for name, text := range map[string]*[]byte{"expect": &s.Expect, "checkpatch": &s.Excuses} {
		*text, err = os.ReadFile(filepath.Join(dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return Series{}, &UsageError{fmt.Errorf("series %s: %w", which, err)}
		}
	}
	s.Floor, err = os.ReadFile(filepath.Join(dir, "coverage"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Series{}, &UsageError{fmt.Errorf("series %s: %w", which, err)}
	}
	if s.Design, err = loadDesign(filepath.Join(dir, "design")); err != nil {
		return Series{}, &UsageError{err}
	}
	return s, nil
}

// SeriesFolder is the folder that a series' name stands for: one below
// patchesDir, or with a slash in it the folder itself.
func SeriesFolder(patchesDir, which string) string {
	if strings.ContainsRune(which, filepath.Separator) {
		return which
	}
	return filepath.Join(patchesDir, which)
}

// loadDesign reads the file that says how the series' clone3() takes offsets: a
// word, and lines that begin with "#".
func loadDesign(path string) (string, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var words []string
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "#") {
			words = append(words, strings.Fields(line)...)
		}
	}
	known := append(slices.Clone(wire.Designs), wire.NoDesign)
	if len(words) != 1 || !slices.Contains(known, words[0]) {
		return "", fmt.Errorf("%s: %q is not one of %s", path, strings.Join(words, " "), strings.Join(known, ", "))
	}
	return words[0], nil
}

// Names lists the series below patchesDir.
func Names(patchesDir string) ([]string, error) {
	found, err := filepath.Glob(filepath.Join(patchesDir, "*", "series"))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, path := range found {
		names = append(names, filepath.Base(filepath.Dir(path)))
	}
	return names, nil
}

func unknownSeries(patchesDir, which string) error {
	names, err := Names(patchesDir)
	if err != nil || len(names) == 0 {
		return &UsageError{fmt.Errorf("there is no series %s, nor any other in %s", which, patchesDir)}
	}
	return &UsageError{fmt.Errorf("there is no series %s: %s holds %s; a path is taken as it is when it has a slash (./%s)",
		which, patchesDir, strings.Join(names, ", "), which)}
}

// parseList reads a quilt-style series file: a patch a line, "#" starts a
// comment.
func parseList(path string, text []byte) ([]string, error) {
	var names []string
	in := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; in.Scan(); n++ {
		line, _, _ := strings.Cut(in.Text(), "#")
		line = strings.TrimSpace(line)
		switch {
		case line == "":
		case len(strings.Fields(line)) > 1:
			return nil, fmt.Errorf("%s:%d: %q: patches apply with -p1, options are not supported", path, n, line)
		case filepath.Base(line) != line || !strings.HasSuffix(line, ".patch"):
			return nil, fmt.Errorf("%s:%d: %q is not the name of a .patch file beside the series file", path, n, line)
		case slices.Contains(names, line):
			return nil, fmt.Errorf("%s:%d: %s is listed twice", path, n, line)
		default:
			names = append(names, line)
		}
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return names, nil
}

// aboutOf is the comment that a series file begins with.
func aboutOf(list []byte) string {
	var words []string
	for line := range strings.Lines(string(list)) {
		text, ok := strings.CutPrefix(line, "#")
		if !ok {
			break
		}
		words = append(words, strings.Fields(text)...)
	}
	return strings.Join(words, " ")
}

// nothingUnlisted holds a folder to its list: a patch that lies there and is
// not listed would silently not be tested.
func nothingUnlisted(dir string, listed []string) error {
	found, err := filepath.Glob(filepath.Join(dir, "*.patch"))
	if err != nil {
		return err
	}
	for _, path := range found {
		if !slices.Contains(listed, filepath.Base(path)) {
			return fmt.Errorf("%s is not listed in %s; list it there, or move it away", path, filepath.Join(dir, "series"))
		}
	}
	for _, name := range listed {
		if !slices.Contains(found, filepath.Join(dir, name)) {
			return fmt.Errorf("%s lists %s, which is not there", filepath.Join(dir, "series"), name)
		}
	}
	return nil
}

// LoadPatch reads one patch.
func LoadPatch(path string) (Patch, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Patch{}, &UsageError{fmt.Errorf("read patch: %w", err)}
	}
	return parsePatch(filepath.Base(path), text)
}

func parsePatch(name string, text []byte) (Patch, error) {
	files, preamble, err := gitdiff.Parse(bytes.NewReader(text))
	if err != nil {
		return Patch{}, &BuildError{Stage: "apply", Err: fmt.Errorf("%s is damaged: %w", name, err)}
	}
	if len(files) == 0 {
		return Patch{}, &BuildError{Stage: "apply", Err: fmt.Errorf("%s changes no file", name)}
	}
	if !gitHeader.Match(text) { // made by diff or quilt: names are as they stand
		for _, f := range files {
			if f.OldName, f.NewName, err = stripped(f); err != nil {
				return Patch{}, &BuildError{Stage: "apply", Err: fmt.Errorf("%s: %w", name, err)}
			}
		}
	}
	header, err := gitdiff.ParsePatchHeader(preamble)
	if err != nil { // a diff needs none, and any text may stand before it
		header = &gitdiff.PatchHeader{}
	}
	p := Patch{Name: name, Text: text, header: header, files: files}
	for _, file := range p.touches() {
		if !filepath.IsLocal(file) {
			return Patch{}, &BuildError{Stage: "apply", Err: fmt.Errorf("%s: %q leaves the tree", name, file)}
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

// touches lists the paths that the patch reads or writes.
func (p Patch) touches() []string {
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
