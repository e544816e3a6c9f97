// SPDX-License-Identifier: BSD-3-Clause

package series

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// relist returns the text of a series file with these patches in it. A comment behind a
// patch stays with the patch; all other comments move to the top.
func relist(list []byte, names []string) []byte {
	line := make(map[string]string)
	var text strings.Builder
	same := ""
	for l := range strings.Lines(string(list)) {
		l = strings.TrimSuffix(l, "\n") + "\n"
		words := strings.Fields(uncommented(l))
		if len(words) == 0 {
			text.WriteString(l)
			continue
		}
		name := words[0]
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

// parseList reads a quilt-style series file. Each line has one patch and its options; "#"
// starts a comment.
func parseList(path string, text []byte) ([]string, error) {
	var names []string
	in := bufio.NewScanner(bytes.NewReader(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))))
	for n := 1; in.Scan(); n++ {
		words := strings.Fields(uncommented(in.Text()))
		if len(words) == 0 {
			continue
		}
		refuse := func(format string, args ...any) ([]string, error) {
			return nil, fmt.Errorf("%s:%d: %w", path, n, fmt.Errorf(format, args...))
		}
		name := words[0]
		for _, option := range words[1:] {
			if why := optionFault(option); why != "" {
				return refuse("%q: %s", strings.Join(words, " "), why)
			}
		}
		switch {
		case !isPatchPath(name) && !(strings.HasPrefix(name, shared) && isPatchPath(unshared(name)) && parentOf(filepath.Dir(path)) != ""):
			return refuse("%q is not the path of a patch below the folder of the series file; copy it there", name)
		case compressedRE.MatchString(name):
			return refuse("%s is compressed; unpack it, and list it without its last ending", name)
		case slices.Contains(names, name):
			return refuse("%s is listed twice", name)
		}
		names = append(names, name)
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return names, nil
}

// isPatchPath reports whether a path can be that of a patch below a series' folder.
func isPatchPath(name string) bool {
	return filepath.IsLocal(name) && filepath.Clean(name) == name && name != "."
}

var compressedRE = regexp.MustCompile(`\.(gz|bz2|xz|lzma|lz|zst|Z)$`)

// uncommented returns a line of a series file without its comment.
func uncommented(line string) string {
	text, _, _ := strings.Cut(line, "#")
	return text
}

// optionFault says why an option behind a patch is refused, or "". The option -p1 is the
// default.
func optionFault(option string) string {
	switch option {
	case "-p1":
		return ""
	case "-R", "--reverse":
		return "patches are not applied in reverse; list a patch that reverts the change, made by \"interdiff\" or \"git revert\""
	}
	if strings.HasPrefix(option, "-p") {
		return "patches apply with -p1 only, and never with " + option + "; make the patch again by \"quilt refresh -p ab\""
	}
	return "options other than -p1 are not supported; a patch is one word, and each has its own line"
}

// listed returns the patches that the series file of a folder names.
func listed(folder string) ([]string, error) {
	path := filepath.Join(folder, "series")
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return parseList(path, text)
}

// aboutOf returns the comment at the beginning of a series file.
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

// filesOf returns the patches in a series' folder, sorted: each listed patch that exists,
// and each other patch in the folder itself or in a folder that has a listed patch.
func filesOf(folder string) ([]string, error) {
	names, err := listed(folder)
	if err != nil {
		return nil, err
	}
	var all []string
	dirs := []string{"."}
	for _, name := range names {
		if _, err := os.Stat(filepath.Join(folder, name)); err == nil {
			all = append(all, name)
		}
		if !strings.HasPrefix(name, shared) {
			dirs = append(dirs, filepath.Dir(name))
		}
	}
	for _, dir := range dirs {
		entries, err := os.ReadDir(filepath.Join(folder, dir))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, e := range entries {
			if ext := filepath.Ext(e.Name()); ext == ".patch" || ext == ".diff" {
				all = append(all, filepath.Join(dir, e.Name()))
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// CoverFile is the cover letter in the folder of a series.
const CoverFile = "0000-cover-letter.patch"

// coverRE matches the name that git format-patch gives to a cover letter.
var coverRE = regexp.MustCompile(`(^|/)(v\d+-)?0000-cover-letter\.patch$`)

// nothingUnlisted refuses a folder whose patches differ from its list. A patch that is not
// listed would not be tested, and nobody would notice.
func nothingUnlisted(dir string, names []string) error {
	found, err := filesOf(dir)
	if err != nil {
		return err
	}
	list := filepath.Join(dir, "series")
	for _, name := range found {
		if !slices.Contains(names, name) && !coverRE.MatchString(name) {
			return fmt.Errorf("%s is not listed in %s; list it there, or move it away", filepath.Join(dir, name), list)
		}
	}
	for _, name := range names {
		if !slices.Contains(found, name) {
			return fmt.Errorf("%s lists %s, which does not exist; put it there, or remove its line", list, name)
		}
	}
	return nil
}
