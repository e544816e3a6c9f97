// SPDX-License-Identifier: BSD-3-Clause

package work

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kernel/cpp"
)

// kbuild compiles an object again if a file that it includes mentions an option that has changed. It
// does so, too, if the compiler never gets to see the line. Of a kernel without modules,
// CONFIG_CONSTRUCTORS, which is needed to count lines, would so cost 562 objects of 805:
// linux/module.h mentions it in what only modules need.

// ForgetLeftOut makes kbuild forget that an object depends on an option which has changed, if #if leaves
// out all lines that mention it, in the configuration of the objects and in the new one. The object still
// depends on the options of these conditions. The folder has a new .config, and make has not run since.
func (f Folder) ForgetLeftOut() error {
	before, err := sandbox.ReadMade(f.Out(), "include/config/auto.conf")
	if errors.Is(err, fs.ErrNotExist) {
		return nil // make compiles everything
	}
	if err != nil {
		return err
	}
	now, err := sandbox.ReadMade(f.Out(), ".config")
	if err != nil {
		return err
	}
	v := visible{Folder: f, configs: [2]map[string]string{settings(before), settings(now)}, files: make(map[string]*file), set: make(map[string]bool)}
	if v.changed = differ(v.configs[0], v.configs[1]); v.changed == nil || v.hasModules() {
		return nil
	}
	var commands []command
	err = eachCommand(f.Out(), func(name string, text []byte) error {
		if slices.ContainsFunc(v.changed, func(option string) bool { return bytes.Contains(text, dependsOn(option)) }) {
			c := command{name, text, filesOf(string(text))}
			v.learn(c)
			commands = append(commands, c)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, c := range commands { // what the code sets is known now
		if left := v.without(c); len(left) < len(c.text) {
			if err := f.rewrite(c.name, left); err != nil {
				return err
			}
		}
	}
	return nil
}

// command is the command file of an object.
type command struct {
	name  string // relative to the output folder
	text  []byte
	files []string // that the object was made of
}

// rewrite replaces the contents of a file that make has made.
func (f Folder) rewrite(name string, text []byte) error {
	file, err := sandbox.OpenMade(f.Out(), name, os.O_TRUNC|os.O_WRONLY)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	return errors.Join(err, file.Close())
}

// settings returns the options that a .config or an auto.conf sets. An auto.conf has no quotes, and nothing
// for an empty text, which kconfig.Values would not find.
func settings(text []byte) map[string]string {
	all := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && strings.HasPrefix(name, prefix) {
			all[name] = strings.Trim(value, `"`)
		}
	}
	return all
}

// prefix is how the name of each option begins.
const prefix = "CONFIG_"

// visible finds out which options the compiler gets to see.
type visible struct {
	Folder
	configs [2]map[string]string // of the objects, and of the next build
	changed []string             // options
	files   map[string]*file     // by the name that make knows
	set     map[string]bool      // options that the code itself sets: their conditions are not known
}

// file is a file that objects are made of.
type file struct {
	text     []byte
	mentions map[string]bool // options that stand in a line which is not left out; nil: nobody has looked for them
}

// hasModules reports whether an option is a module. #ifdef does not see it then, and IS_ENABLED() does.
func (v *visible) hasModules() bool {
	for _, values := range v.configs {
		for _, value := range values {
			if value == "m" {
				return true
			}
		}
	}
	return false
}

// setsOption matches what gives an option another value than the configuration does.
var setsOption = regexp.MustCompile(`(?:^\s*#\s*(?:define|undef)\s+| -[DU] ?)(CONFIG_\w+)`)

// learn reads the files that an object was made of, and finds out which options they set.
func (v *visible) learn(c command) {
	v.learnSet(c.text)
	for _, name := range c.files {
		if _, ok := v.files[name]; ok {
			continue
		}
		text, err := v.read(name)
		if err != nil {
			v.files[name] = nil // make compiles what includes it
			continue
		}
		v.files[name] = &file{text: text}
		v.learnSet(text)
	}
}

// learnSet finds out which options a text sets.
func (v *visible) learnSet(text []byte) {
	for line := range bytes.Lines(text) {
		if !bytes.Contains(line, []byte(prefix)) {
			continue // what follows is slow
		}
		for _, m := range setsOption.FindAllSubmatch(line, -1) {
			v.set[string(m[1])] = true
		}
	}
}

// without returns the command file of an object without the options that it does not depend on.
func (v *visible) without(c command) []byte {
	text := c.text
	for _, option := range v.changed {
		line := slices.Concat([]byte("    $(wildcard "), dependsOn(option), []byte(" \\\n"))
		if bytes.Contains(text, line) && !v.sees(c.files, option) {
			text = bytes.ReplaceAll(text, line, nil)
		}
	}
	return text
}

// sees reports whether the compiler may see an option in some files.
func (v *visible) sees(names []string, option string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		f := v.files[name]
		return f == nil || bytes.Contains(f.text, []byte(option)) && v.mentions(f)[option]
	})
}

// mentions returns which options stand in lines of a file that are not left out.
func (v *visible) mentions(f *file) map[string]bool {
	if f.mentions != nil {
		return f.mentions
	}
	f.mentions = make(map[string]bool)
	for _, values := range v.configs {
		config := func(option string) (set, known bool) {
			_, set = values[option]
			return set, !v.set[option]
		}
		for line := range cpp.Lines(f.text, config) {
			if line.LeftOut {
				continue
			}
			for _, m := range optionRE.FindAllString(line.Text, -1) {
				f.mentions[strings.TrimSuffix(m, "_MODULE")] = true
			}
		}
	}
	return f.mentions
}

// optionRE matches what kbuild takes for an option, wherever it stands.
var optionRE = regexp.MustCompile(`\bCONFIG_\w+`)

// filesOf returns the files that an object was made of, from its command file. It returns a name that no
// file has if the command file is none that kbuild writes today.
func filesOf(command string) []string {
	_, source, hasSource := strings.Cut(command, "\nsource_")
	_, deps, hasDeps := strings.Cut(source, "\ndeps_")
	source, _, _ = strings.Cut(source, "\n")
	_, source, _ = strings.Cut(source, " := ")
	deps, _, ended := strings.Cut(deps, "\n\n")
	if !hasSource || !hasDeps || !ended {
		return []string{""}
	}
	files := []string{source}
	for _, line := range strings.Split(deps, "\n")[1:] {
		if line = strings.TrimSpace(strings.TrimSuffix(line, `\`)); !strings.HasPrefix(line, "$(") {
			files = append(files, line)
		}
	}
	return files
}

// read reads a file of the tree, or one that make has made.
func (v *visible) read(name string) ([]byte, error) {
	if path, ok := strings.CutPrefix(name, v.Seen(v.Src())+"/"); ok {
		return os.ReadFile(filepath.Join(v.Src(), path))
	}
	if name == "" || filepath.IsAbs(name) {
		return nil, fs.ErrNotExist
	}
	return sandbox.ReadMade(v.Out(), name)
}
