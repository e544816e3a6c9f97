// SPDX-License-Identifier: BSD-3-Clause

package kconfig

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Hint explains why a kernel tree may have refused the option name, which
// begins with CONFIG_: the option does not exist there, it depends on others,
// or others select it. It reads the tree's Kconfig files, but does not follow
// enclosing "if" blocks and menus. It is empty if the files explain nothing.
func Hint(tree, name string) string {
	h := hints{symbol: strings.TrimPrefix(name, "CONFIG_")}
	err := filepath.WalkDir(tree, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasPrefix(d.Name(), "Kconfig") {
			return err
		}
		h.file, err = filepath.Rel(tree, path)
		if err != nil {
			return err
		}
		return h.read(path)
	})
	switch {
	case err != nil:
		return fmt.Sprintf("its Kconfig entry could not be read: %v", err)
	case !h.found:
		return "no Kconfig file of this tree defines it: is it misspelt, renamed, or added by a patch that is missing?"
	case !h.prompt:
		h.texts = append(h.texts, "it has no prompt, so only a select or its default sets it")
	}
	return strings.Join(h.texts, "; ")
}

// hints collects what Kconfig files say about one symbol.
type hints struct {
	symbol string
	file   string // the file being read, relative to the tree
	found  bool
	prompt bool
	texts  []string
}

var (
	entryRE   = regexp.MustCompile(`^(?:menu)?config\s+(\w+)$`)
	promptRE  = regexp.MustCompile(`^\s+(?:bool|tristate|string|int|hex|prompt)\s+"[^"]*"(?:\s+if\s+(.+))?$`)
	dependsRE = regexp.MustCompile(`^\s+depends on\s+(.+)$`)
	selectRE  = regexp.MustCompile(`^\s+select\s+(\w+)(?:\s+if\s+.+)?$`)
	helpRE    = regexp.MustCompile(`^\s+help$`)
)

// read adds what one file says. An entry ends at the next line that begins in
// the first column. Its help text, which may contain anything, is the last part
// of it.
func (h *hints) read(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	entry := ""
	in := bufio.NewScanner(f)
	for n := 1; in.Scan(); n++ {
		line := in.Text()
		add := func(format string, args ...any) {
			h.texts = append(h.texts, fmt.Sprintf(format, args...)+fmt.Sprintf(" (%s:%d)", h.file, n))
		}
		if m := entryRE.FindStringSubmatch(line); m != nil {
			entry = m[1]
			h.found = h.found || entry == h.symbol
		} else if line != "" && !strings.ContainsAny(line[:1], " \t#") || helpRE.MatchString(line) {
			entry = ""
		}
		if m := selectRE.FindStringSubmatch(line); entry != "" && m != nil && m[1] == h.symbol {
			add("%s selects it", entry)
		}
		if entry != h.symbol {
			continue
		}
		if m := dependsRE.FindStringSubmatch(line); m != nil {
			add("depends on %s", m[1])
		}
		if m := promptRE.FindStringSubmatch(line); m != nil {
			h.prompt = true
			if m[1] != "" {
				add("can be chosen only if %s", m[1])
			}
		}
	}
	return in.Err()
}
