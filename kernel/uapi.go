package kernel

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// uapiDirs hold the headers that a kernel gives to user space.
var uapiDirs = []string{"include/uapi", "arch/x86/include/uapi"}

// uapiStubs stand for what "make headers" generates or takes out of those
// headers, which would need the whole tree.
var uapiStubs = map[string]string{
	"linux/compiler_types.h": "#define __user\n#define __force\n#define __counted_by(m)\n",
}

// uapiIncludes are the compiler's options that make it see the headers of the
// patched tree as they are in the sources. It puts those that differ from the
// base's below dir.
func uapiIncludes(dir string, base Base, over overlay) ([]string, error) {
	files := make(map[string][]byte)
	for name, text := range uapiStubs {
		files[filepath.Join("stub", name)] = []byte(text)
	}
	options := []string{"-isystem", filepath.Join(dir, "stub")}
	for _, below := range uapiDirs {
		options = append(options, "-isystem", filepath.Join(dir, "patched", below), "-isystem", filepath.Join(base.Dir, below))
		for path, f := range over {
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

// UAPI is what the series changes in the headers that user space is given and in
// the tables of system calls, all patches together.
func (s Series) UAPI() []Change {
	var all []Change
	for _, p := range s.Patches {
		for _, c := range p.Changes() {
			if !isUAPI(c.Path) {
				continue
			}
			i := slices.IndexFunc(all, func(known Change) bool { return known.Path == c.Path })
			if i < 0 {
				all = append(all, c)
				continue
			}
			all[i].Added += c.Added
			all[i].Deleted += c.Deleted
		}
	}
	return all
}

func isUAPI(path string) bool {
	return InKernel(path) && (strings.HasPrefix(path, "include/uapi/") || strings.Contains(path, "/include/uapi/") || strings.HasSuffix(path, ".tbl"))
}
