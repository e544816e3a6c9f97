// SPDX-License-Identifier: BSD-3-Clause

package series

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/internal/shell"
	"timens-vmtest/kernel/patch"
	"timens-vmtest/kernel/source"
)

// Variant is a series as it is for one release of the kernel. The folder NAME of a series has
// the patches for source.DefaultRelease, and NAME/RELEASE those for another release. Both have
// a file "series". In that of a variant, "../PATCH" names a patch of the folder NAME.
type Variant struct {
	Release string // such as "7.3"
	Folder  string
}

// shared begins the names of patches that a variant shares with the series' own folder.
const shared = "../"

// unshared returns the name that a listed patch has in the folder where it lies.
func unshared(name string) string { return strings.TrimPrefix(name, shared) }

// isSeries reports whether a folder has a file "series".
func isSeries(folder string) bool {
	info, err := os.Stat(filepath.Join(folder, "series"))
	return err == nil && info.Mode().IsRegular()
}

// parentOf returns the folder of the series that a folder is a variant of; "" if it is none.
// The folder need not exist.
func parentOf(folder string) string {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return ""
	}
	if _, ok := source.ParseRelease(filepath.Base(folder)); !ok {
		return ""
	}
	if parent := filepath.Dir(folder); isSeries(parent) {
		return parent
	}
	return ""
}

// Begins reports whether a folder can be that of a variant of a series, and is none yet.
func Begins(folder string) bool { return parentOf(folder) != "" && !isSeries(folder) }

// Release returns the release of the variant in a folder below that of its series, whether it
// exists or not; "" if it is no such folder.
func Release(folder string) string {
	if parentOf(folder) == "" {
		return ""
	}
	return filepath.Base(folder)
}

// PlainName returns a name for the series in a folder that has no slash: NAME, or
// NAME-RELEASE for a folder below that of the series.
func PlainName(folder string) string {
	if parent := parentOf(folder); parent != "" {
		return filepath.Base(parent) + "-" + filepath.Base(folder)
	}
	return filepath.Base(folder)
}

// For says in a message which variant a series is: " for RELEASE", or nothing if it has no
// variants.
func (s Series) For() string {
	if s.Variant == "" {
		return ""
	}
	return " for " + s.Variant
}

// nameOf returns the name of the series in a folder, and which variant of it that is; "" if
// the series has no variants.
func nameOf(folder string) (name, variant string, err error) {
	if parent := parentOf(folder); parent != "" {
		name = filepath.Base(parent)
		if folder, err = filepath.Abs(folder); err == nil {
			variant = filepath.Base(folder)
		}
		return name, variant, err
	}
	below, err := below(folder)
	if err == nil && len(below) > 0 {
		variant = source.DefaultRelease
	}
	return filepath.Base(folder), variant, err
}

// below returns the variants in the folders below a series' own folder.
func below(folder string) ([]Variant, error) {
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && isSeries(folder) {
		return nil, err
	}
	var all []Variant
	for _, e := range entries {
		at := filepath.Join(folder, e.Name())
		if _, ok := source.ParseRelease(e.Name()); ok && isSeries(at) {
			all = append(all, Variant{Release: e.Name(), Folder: at})
		}
	}
	return all, nil
}

// Variants returns the variants of the series in a folder, the one for the oldest release
// first. It returns nil if there is no choice: if the series has no variants, or if the
// folder is that of one variant.
func Variants(folder string) ([]Variant, error) {
	if parentOf(folder) != "" {
		return nil, nil
	}
	all, err := below(folder)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	if !slices.ContainsFunc(all, func(v Variant) bool { return v.Release == source.DefaultRelease }) {
		all = append(all, Variant{Release: source.DefaultRelease, Folder: folder})
	}
	slices.SortFunc(all, func(a, b Variant) int { return a.release().Compare(b.release()) })
	return all, nil
}

func (v Variant) release() source.Release {
	r, _ := source.ParseRelease(v.Release) // below has seen that it is one
	return r
}

// Load reads the series of the variant.
func (v Variant) Load(ctx context.Context, box sandbox.Box) (Series, error) {
	s, err := Load(ctx, box, filepath.Dir(v.Folder), filepath.Base(v.Folder))
	s.Variants = nil
	return s, err
}

// Nearest returns variants in the order in which they are tried on a kernel of this version:
// from the kernel's release to older ones, then from the next newer release to newer ones.
// all has the oldest first.
func Nearest(all []Variant, version string) []Variant {
	at := source.ReleaseOf(version)
	newer := 0
	for newer < len(all) && all[newer].release().Compare(at) <= 0 {
		newer++
	}
	order := slices.Clone(all)
	slices.Reverse(order[:newer])
	return order
}

// unknownVariant says which variants there are instead of the one that would be in a folder.
// which is what the user has typed.
func unknownVariant(folder, which string) error {
	parent, name := filepath.Dir(folder), filepath.Base(folder)
	all, err := Variants(parent)
	if err != nil {
		return &blame.UsageError{Err: err}
	}
	releases := []string{source.DefaultRelease}
	if all != nil {
		releases = Releases(all)
	}
	hint := ""
	if _, ok := source.ParseRelease(name); ok {
		hint = "; \"" + shell.Quote("vmtest", "series", "edit", "-base", name, which) + "\" begins that one"
	}
	return blame.Usagef("the series %s has no variant %s; it is there for %s%s", filepath.Base(parent), name, strings.Join(releases, ", "), hint)
}

// Releases returns the releases of variants.
func Releases(all []Variant) []string {
	var releases []string
	for _, v := range all {
		releases = append(releases, v.Release)
	}
	return releases
}

// beside returns the path of a file that belongs to the series in a folder, such as "design".
// A variant that does not have the file has that of the series' own folder.
func beside(folder, name string) string {
	path := filepath.Join(folder, name)
	if parent := parentOf(folder); parent != "" {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return filepath.Join(parent, name)
		}
	}
	return path
}

// readPatches reads the listed patches of a folder. A shared patch has the name that it has
// in the series' own folder.
func readPatches(folder string, names []string) ([]patch.Named, error) {
	var all []patch.Named
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			return nil, err
		}
		all = append(all, patch.Named{Name: unshared(name), Text: text})
	}
	return all, nil
}
