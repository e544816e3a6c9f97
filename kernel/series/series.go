// SPDX-License-Identifier: BSD-3-Clause

// Package series loads a series of patches from a folder, a mailbox, a single file or a
// range of commits. It also edits and exports the series in a folder.
package series

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/nearest"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/internal/shell"
	"timens-vmtest/internal/wire"
	"timens-vmtest/kernel/patch"
	"timens-vmtest/kernel/source"
	"timens-vmtest/kernel/thread"
)

// Series is an ordered list of patches and what is expected of the kernel that
// they make.
type Series struct {
	Name    string
	Folder  string        // path of the folder that it was loaded from; "" if it is from none
	Variant string        // release of the kernel that the patches are for; "" if there are no variants
	Patches []patch.Patch // may be empty: the control series is the unpatched kernel
	Expect  []byte        // text of its expect file; nil if it has none
	Excuses []byte        // text of its checkpatch file; nil if it has none
	Design  string        // word in its design file; "" if it has none
	About   string        // comment on top of its series file, as one line
	Floor   []byte        // text of its coverage file; nil if it has none
	Cover   []byte        // text of its cover letter; nil if it has none
	Man     []patch.Patch // patches for man pages, which are not applied to the kernel

	// Variants are those among which kernel.Choose chooses for a base; nil if there is no
	// choice, or if the user has named a variant.
	Variants []Variant

	// Thread says what was taken of a mailbox and what was left; the zero value if the
	// series is from none.
	Thread thread.Thread

	// InTree says that the patches are commits of the base's own git tree, or that
	// the tree is tested as it stands.
	InTree bool

	// Foreign tells the work of others apart. Each of them is built in a work folder of
	// its own, so that no build goes on with what another's makefiles have left. Empty:
	// it is the user's own.
	Foreign string
}

// Load reads a series. which is a name below patchesDir, a variant NAME/RELEASE of one, a
// folder with a file "series" or with numbered patches, a file with patches, or a mailbox.
// Of a series with variants, the name alone stands for the patches in its own folder. The
// patches are taken apart in the box.
func Load(ctx context.Context, box sandbox.Box, patchesDir, which string) (Series, error) {
	if thread.IsMailbox(which) {
		return LoadMailbox(ctx, box, which, thread.Options{})
	}
	if IsPatchFile(which) {
		all, err := patch.Load(ctx, box, which)
		return Series{Name: strings.TrimSuffix(filepath.Base(which), filepath.Ext(which)), Patches: all}, err
	}
	dir, named := resolve(patchesDir, which)
	s := Series{Folder: dir}
	var err error
	if !named {
		if s.Variants, err = Variants(dir); err != nil {
			return Series{}, &blame.UsageError{Err: err}
		}
	}
	if s.Name, s.Variant, err = nameOf(dir); err != nil {
		return Series{}, &blame.UsageError{Err: err}
	}
	names, err := s.readList(dir)
	if err != nil {
		return Series{}, err
	}
	if names == nil {
		return Series{}, unknownSeries(patchesDir, which)
	}
	files, err := readPatches(dir, names)
	if err != nil {
		return Series{}, blame.Usagef("series %s: %w", which, err)
	}
	if s.Patches, err = patch.LoadTexts(ctx, box, files); err != nil {
		return Series{}, err
	}
	for name, text := range map[string]*[]byte{"expect": &s.Expect, "checkpatch": &s.Excuses, "coverage": &s.Floor, CoverFile: &s.Cover} {
		*text, err = os.ReadFile(beside(dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return Series{}, blame.Usagef("series %s: %w", which, err)
		}
	}
	if s.Man, err = loadMan(ctx, box, beside(dir, "man")); err != nil {
		return Series{}, blame.Usagef("series %s: %w", which, err)
	}
	if s.Design, err = loadDesign(beside(dir, "design")); err != nil {
		return Series{}, &blame.UsageError{Err: err}
	}
	return s, nil
}

// LoadMailbox reads a series from a mailbox, with options.
func LoadMailbox(ctx context.Context, box sandbox.Box, path string, opts thread.Options) (Series, error) {
	t, err := thread.Load(ctx, box, path, opts)
	return Series{Name: strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)), Patches: t.Patches, Thread: t}, err
}

// readList reads which patches a folder has, in their order; nil: it is no series.
func (s *Series) readList(dir string) ([]string, error) {
	path := filepath.Join(dir, "series")
	list, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return byNumber(dir)
	}
	if err != nil {
		return nil, blame.Usagef("series %s: %w", dir, err)
	}
	s.About = aboutOf(list)
	names, err := parseList(path, list)
	if err == nil {
		err = nothingUnlisted(dir, names)
	}
	if err != nil {
		return nil, &blame.UsageError{Err: err}
	}
	return append([]string{}, names...), nil // not nil: it may be empty
}

// Folder returns the folder that a series' name stands for: one below patchesDir, that of a
// variant NAME/RELEASE of such a series, or else with a slash in it the folder itself. A
// single patch is a path, too.
func Folder(patchesDir, which string) string {
	folder, _ := resolve(patchesDir, which)
	return folder
}

// resolve is Folder, and reports whether which names a variant.
func resolve(patchesDir, which string) (folder string, variant bool) {
	switch {
	case IsPatchFile(which):
		return which, false
	case !strings.ContainsRune(which, filepath.Separator):
		return filepath.Join(patchesDir, which), false
	}
	below := filepath.Join(patchesDir, which)
	if _, err := os.Stat(which); errors.Is(err, fs.ErrNotExist) && !filepath.IsAbs(which) && isSeries(filepath.Dir(below)) {
		which = below
	}
	if parentOf(which) == "" {
		return which, false
	}
	if filepath.Base(which) == source.DefaultRelease && !isSeries(which) {
		return filepath.Dir(which), true // the patches in the series' own folder
	}
	return which, true
}

// loadMan reads the patches for man pages in a folder, in the order of their names. There may be no such folder.
func loadMan(ctx context.Context, box sandbox.Box, dir string) ([]patch.Patch, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.patch"))
	var all []patch.Patch
	for _, path := range paths {
		var some []patch.Patch
		if some, err = patch.Load(ctx, box, path); err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, err
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

// unknownSeries says what there is instead of a series.
func unknownSeries(patchesDir, which string) error {
	dir := Folder(patchesDir, which)
	for _, below := range []string{"patches", "debian/patches"} {
		if _, err := os.Stat(filepath.Join(dir, below, "series")); err == nil {
			return blame.Usagef("series %s has no file \"series\", but %s has; give that folder", which, filepath.Join(dir, below))
		}
	}
	info, err := os.Stat(which)
	isPath := strings.ContainsRune(which, filepath.Separator)
	switch {
	case err == nil && isPath && info.IsDir():
		return blame.Usagef("%s has neither a file \"series\" nor patches; \"git format-patch -o %s BASE..HEAD\" in a git tree puts some there", which, shell.Quote(which))
	case err == nil && isPath:
		return blame.Usagef("%s is neither a folder, nor a mailbox (.mbox, .mbx), nor a patch (.patch, .diff); give it the name of what it is", which)
	case isPath && isSeries(filepath.Dir(dir)):
		return unknownVariant(dir, which)
	case isPath:
		return blame.Usagef("there is no series %s: no such path", which)
	}
	hint := ""
	if err == nil {
		hint = fmt.Sprintf("; to take the one in this folder, write ./%s", which)
	}
	names, err := Names(patchesDir)
	if err != nil || len(names) == 0 {
		return blame.Usagef("there is no series %s, nor any other in %s%s", which, patchesDir, hint)
	}
	if near := nearest.Word(which, names); near != "" {
		hint = "; did you mean " + near + "?" + hint
	}
	return blame.Usagef("there is no series %s: %s holds %s%s", which, patchesDir, strings.Join(names, ", "), hint)
}
