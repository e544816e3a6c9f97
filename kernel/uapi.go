// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// UapiDirs hold the headers that a kernel gives to user space.
var UapiDirs = []string{"include/uapi", "arch/x86/include/uapi"}

// uapiStubs stand for what "make headers" generates or takes out of those
// headers, which would need the whole tree.
var uapiStubs = map[string]string{
	"linux/compiler_types.h": "#define __user\n#define __force\n#define __counted_by(m)\n",
}

// UapiIncludes are the compiler's options that make it see the headers of the
// patched tree as they are in the sources. It puts those that differ from the
// base's below dir.
func (t Tree) UapiIncludes(dir string) ([]string, error) {
	files := make(map[string][]byte)
	for name, text := range uapiStubs {
		files[filepath.Join("stub", name)] = []byte(text)
	}
	// The base may lie below a path with spaces, at which a makefile would part it.
	if err := os.Symlink(t.Base.Dir, filepath.Join(dir, "base")); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	options := []string{"-isystem", filepath.Join(dir, "stub")}
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
