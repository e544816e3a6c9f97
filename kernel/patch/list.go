// SPDX-License-Identifier: BSD-3-Clause

package patch

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"timens-vmtest/internal/cache"
)

// rewrite makes the folder's patches these, and returns the names of the files
// that are not as they were.
func rewrite(folder string, patches []Patch) ([]string, error) {
	listPath := filepath.Join(folder, "series")
	list, err := os.ReadFile(listPath)
	if err != nil {
		return nil, err
	}
	old, err := parseList(listPath, list)
	if err != nil {
		return nil, err
	}
	var changed []string
	put := func(name string, text []byte) error {
		path := filepath.Join(folder, name)
		if have, err := os.ReadFile(path); err == nil && string(have) == string(text) {
			return nil
		}
		changed = append(changed, name)
		return errors.Join(cache.WriteFile(path, text), os.Chmod(path, 0o644))
	}
	keep := make(map[string]bool)
	var names []string
	for _, p := range patches {
		if err := put(p.Name, p.Text); err != nil {
			return nil, err
		}
		keep[p.Name] = true
		names = append(names, p.Name)
	}
	if err := put("series", relist(list, names)); err != nil {
		return nil, err
	}
	for _, name := range old { // last: what replaces them is there
		if !keep[name] {
			changed = append(changed, name)
			if err := os.Remove(filepath.Join(folder, name)); err != nil {
				return nil, err
			}
		}
	}
	return changed, nil
}

// relist is the text of a series file with other patches in it. Comments stay:
// those behind a patch that stays with it, all others on top.
func relist(list []byte, names []string) []byte {
	line := make(map[string]string)
	var text strings.Builder
	same := ""
	for l := range strings.Lines(string(list)) {
		l = strings.TrimSuffix(l, "\n") + "\n"
		name, _, _ := strings.Cut(l, "#")
		if name = strings.TrimSpace(name); name == "" {
			text.WriteString(l)
			continue
		}
		line[name] = l
		same += name + "\n"
	}
	if same == strings.Join(append(names, ""), "\n") {
		return list
	}
	for _, name := range names {
		if l, ok := line[name]; ok {
			text.WriteString(l)
		} else {
			text.WriteString(name + "\n")
		}
	}
	return []byte(text.String())
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
