// SPDX-License-Identifier: BSD-3-Clause

package work

import (
	"bytes"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kconfig"
)

// stale returns how many objects in a folder make would compile again here, because they depend on
// files that differ, or on options that this folder's own .config has otherwise.
func (f Folder) stale(dir string, o Objects) (int, error) {
	words, err := f.otherOptions(dir)
	if err != nil {
		return 0, err
	}
	for _, file := range f.otherFiles(o) {
		seen := f.Seen(filepath.Join(f.Src(), file))
		words = append(words, []byte(" "+seen+" "), []byte(" "+seen+"\n"))
	}
	n := 0
	err = eachCommand(filepath.Join(dir, "out"), func(_ string, text []byte) error {
		if slices.ContainsFunc(words, func(word []byte) bool { return bytes.Contains(text, word) }) {
			n++
		}
		return nil
	})
	return n, err
}

// eachCommand calls do with the name and the text of each file in which kbuild keeps what an object depends
// on.
func eachCommand(out string, do func(name string, text []byte) error) error {
	return filepath.WalkDir(out, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !strings.HasSuffix(path, ".o.cmd") {
			return err
		}
		name, err := filepath.Rel(out, path)
		if err != nil {
			return err
		}
		text, err := sandbox.ReadMade(out, name)
		if err != nil {
			return err
		}
		return do(name, text)
	})
}

// otherOptions returns what kbuild writes into the command file of an object that depends on an option,
// for each option that another folder's .config has otherwise.
func (f Folder) otherOptions(dir string) ([][]byte, error) {
	var values [2]map[string]string
	for i, folder := range []string{f.Dir, dir} {
		text, err := sandbox.ReadMade(filepath.Join(folder, "out"), ".config")
		if err != nil {
			return nil, err
		}
		values[i] = kconfig.Values(text)
	}
	var words [][]byte
	for _, option := range differ(values[0], values[1]) {
		words = append(words, dependsOn(option))
	}
	return words, nil
}

// differ returns the options that two configurations do not have alike, each once.
func differ(a, b map[string]string) []string {
	var names []string
	for name, value := range a {
		if b[name] != value {
			names = append(names, name)
		}
	}
	for name := range b {
		if _, both := a[name]; !both {
			names = append(names, name)
		}
	}
	return names
}

// dependsOn returns what kbuild writes into the command file of an object that depends on an option.
func dependsOn(option string) []byte {
	return []byte("include/config/" + strings.TrimPrefix(option, "CONFIG_") + ")")
}
