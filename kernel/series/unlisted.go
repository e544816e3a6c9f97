// SPDX-License-Identifier: BSD-3-Clause

package series

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/shell"
)

// IsPatchFile reports whether a path names a single patch, and not a folder.
func IsPatchFile(path string) bool {
	if ext := filepath.Ext(path); ext != ".patch" && ext != ".diff" {
		return false
	}
	info, err := os.Stat(path)
	return err != nil || !info.IsDir()
}

// fileNumberRE matches names that git format-patch gives, such as v2-0001-subject.patch.
var fileNumberRE = regexp.MustCompile(`^(v[0-9.]+-)?([0-9]{4})-.*\.patch$`)

// byNumber returns the patches of a folder without a file "series", in the order of their
// numbers. "git format-patch" makes such folders. It leaves out the cover letter, and
// returns nothing if the folder does not exist or has no patch. It refuses a folder whose
// order is in doubt.
func byNumber(dir string) ([]string, error) {
	var all, names []string // sorted
	for _, pattern := range []string{"*.patch", "*.diff"} {
		found, err := fs.Glob(os.DirFS(dir), pattern)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	for _, name := range all {
		number := fileNumberRE.FindStringSubmatch(name)
		if number == nil {
			return nil, unordered(dir, "%s has no number", name)
		}
		if version := fileNumberRE.FindStringSubmatch(all[0])[1]; version != number[1] {
			return nil, unordered(dir, "%s and %s are not of one version of the series", all[0], name)
		}
		if number[2] == "0000" { // the cover letter
			continue
		}
		switch want := fmt.Sprintf("%04d", len(names)+1); {
		case len(names) > 0 && number[2] == fmt.Sprintf("%04d", len(names)):
			return nil, unordered(dir, "%s and %s have the same number", names[len(names)-1], name)
		case number[2] != want:
			return nil, unordered(dir, "there is no patch %s before %s", want, name)
		}
		names = append(names, name)
	}
	return names, nil
}

// unordered returns an error: why the patches in a folder are not a series, and what to do
// about it.
func unordered(dir, format string, args ...any) error {
	return blame.Usagef("%s has no file \"series\", and %s; remove what does not belong there, or type \"%s\" and put its lines into the right order",
		dir, fmt.Sprintf(format, args...), listCommand(dir))
}

// listCommand returns a line to paste that makes the file "series".
func listCommand(dir string) string {
	return "(cd " + shell.Quote(dir) + " && ls | grep -E '[.](patch|diff)$' | grep -v cover-letter >series)"
}
