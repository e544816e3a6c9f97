// SPDX-License-Identifier: BSD-3-Clause

package kconfig

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

var definition = regexp.MustCompile(`^\s*(?:menu)?config\s+([A-Za-z0-9_]+)\s*$`)

// Defined returns the symbols that the Kconfig files of a tree define, without the
// CONFIG_ prefix. Files of other architectures than x86 are left out: a kernel for
// x86_64 never reads them.
func Defined(tree string) (map[string]bool, error) {
	all := make(map[string]bool)
	err := filepath.WalkDir(tree, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			rel, err := filepath.Rel(tree, path)
			if arch, ok := strings.CutPrefix(rel, "arch/"); ok && arch != "x86" && !strings.HasPrefix(arch, "x86/") {
				return fs.SkipDir
			}
			return err
		}
		if !strings.HasPrefix(d.Name(), "Kconfig") || !d.Type().IsRegular() {
			return nil
		}
		text, err := os.ReadFile(path)
		AddDefined(all, text)
		return err
	})
	return all, err
}

// AddDefined adds the options that the text of a Kconfig file defines.
func AddDefined(all map[string]bool, text []byte) {
	for line := range strings.Lines(string(text)) {
		if m := definition.FindStringSubmatch(line); m != nil {
			all[m[1]] = true
		}
	}
}
