// SPDX-License-Identifier: BSD-3-Clause

package debuginfo

import (
	"bytes"
	"cmp"
	"debug/dwarf"
	"debug/elf"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Touched returns the names of the functions of a kernel that contain lines of its sources.
// changed has the lines by the path of their file. vmlinux is a file with debug information.
func Touched(vmlinux string, changed map[string]Lines) ([]string, error) {
	f, err := elf.Open(vmlinux)
	if err != nil {
		return nil, err
	}
	defer f.Close() // opened for reading only
	if f.Section(".debug_info") == nil && f.Section(".zdebug_info") == nil {
		return nil, fmt.Errorf("%s has no debug information; the kernel needs CONFIG_DEBUG_INFO_DWARF_TOOLCHAIN_DEFAULT=y", vmlinux)
	}
	data, err := f.DWARF()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", vmlinux, err)
	}
	places := make(map[string][]function) // by path
	for r := data.Reader(); ; {
		unit, err := r.Next()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", vmlinux, err)
		}
		if unit == nil {
			break
		}
		if unit.Tag == dwarf.TagCompileUnit {
			if err := functionsOf(data, r, unit, changed, places); err != nil {
				return nil, fmt.Errorf("%s: %w", vmlinux, err)
			}
		}
		r.SkipChildren()
	}
	var names []string
	for file, lines := range changed {
		for _, n := range lines.Numbers {
			if name := functionAt(places[file], n, lines.Text); name != "" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names, nil
}

// Lines are some lines of a source file.
type Lines struct {
	Numbers []int  // from 1
	Text    []byte // of the whole file
}

// function is a function of a source file.
type function struct {
	name string
	line int // on which it begins
}

// functionsOf adds the functions of a compilation unit that are in changed files. The unit has
// just been read.
func functionsOf(data *dwarf.Data, r *dwarf.Reader, unit *dwarf.Entry, changed map[string]Lines, places map[string][]function) error {
	lines, err := data.LineReader(unit)
	if err != nil || lines == nil {
		return err
	}
	wanted := make(map[int64]string) // by number of the file
	for i, file := range lines.Files() {
		if file == nil {
			continue
		}
		for name := range changed {
			if clean := path.Clean(file.Name); clean == name || strings.HasSuffix(clean, "/"+name) {
				wanted[int64(i)] = name
			}
		}
	}
	if len(wanted) == 0 || !unit.Children {
		return nil
	}
	for {
		e, err := r.Next()
		if err != nil {
			return err
		}
		if e == nil || e.Tag == 0 {
			return nil
		}
		name, _ := e.Val(dwarf.AttrName).(string)
		file, _ := e.Val(dwarf.AttrDeclFile).(int64)
		line, _ := e.Val(dwarf.AttrDeclLine).(int64)
		declared, _ := e.Val(dwarf.AttrDeclaration).(bool)
		if e.Tag == dwarf.TagSubprogram && !declared && name != "" && wanted[file] != "" {
			f := function{name: name, line: int(line)}
			if all := places[wanted[file]]; !slices.Contains(all, f) {
				places[wanted[file]] = append(all, f)
			}
		}
		if e.Children {
			r.SkipChildren()
		}
	}
}

// functionAt returns the function that a line of a file is in; "" if it is in none. A function
// ends with a line that begins with a brace, as the kernel's style wants it.
func functionAt(all []function, line int, file []byte) string {
	slices.SortStableFunc(all, func(a, b function) int { return cmp.Compare(a.line, b.line) })
	var in function
	for _, f := range all {
		if f.line <= line {
			in = f
		}
	}
	n := 0
	for text := range bytes.Lines(file) {
		if n++; n > in.line && n < line && bytes.HasPrefix(text, []byte("}")) {
			return "" // the line is behind the function
		}
	}
	return in.name
}
