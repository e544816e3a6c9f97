// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// UapiDirs are the tree's folders with the headers for user space.
var UapiDirs = []string{"include/uapi", "arch/x86/include/uapi"}

// uapiWords is the header of words that mean nothing to a program. "make headers", which needs
// the whole tree, would take them out of all headers, also of those that include nothing.
const (
	uapiWords     = "linux/compiler_types.h"
	uapiWordsText = "#define __user\n#define __force\n#define __counted_by(m)\n"
)

// UapiIncludes returns compiler options with which a program for user space sees the
// headers of the tree. It writes the headers that the series changes to folders in dir;
// the compiler reads the others from the base.
func (t Tree) UapiIncludes(dir string) ([]string, error) {
	words := filepath.Join("stub", uapiWords)
	files := map[string][]byte{words: []byte(uapiWordsText)}
	// The path of the base may have spaces, and a makefile would split it there.
	if err := os.Symlink(t.Base.Dir, filepath.Join(dir, "base")); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	options := []string{"-include", filepath.Join(dir, words), "-isystem", filepath.Join(dir, "stub")}
	for _, below := range UapiDirs {
		options = append(options, "-isystem", filepath.Join(dir, "patched", below), "-isystem", filepath.Join(dir, "base", below))
		for path, f := range t.over {
			if f != nil && strings.HasPrefix(path, below+"/") {
				files[filepath.Join("patched", path)] = f.text
			}
		}
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return nil, err
		}
	}
	return options, nil
}
