// SPDX-License-Identifier: BSD-3-Clause

package sandbox

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// shownFor returns what a command sees beside systemFolders and the folders of its place: the folders on
// PATH, and what the programs at these paths need. A program in a folder "bin" brings the folder
// that bin is in, which is where a compiler has its headers and libraries. Any other program comes alone, and so does
// one whose folder must not be shown. Links are shown as links, with what they lead to.
func shownFor(paths []string) (folders, programs []string) {
	folders = strangePaths()
	for _, path := range paths {
		for range maxLinks {
			if isShims(filepath.Dir(path)) {
				break
			}
			if dir := installation(path); dir != "" && !slices.Contains(folders, dir) {
				folders = append(folders, dir)
			}
			programs = append(programs, path)
			target, err := os.Readlink(path)
			if err != nil {
				break
			}
			if !filepath.IsAbs(target) {
				target = filepath.Join(filepath.Dir(path), target)
			}
			path = target
		}
	}
	seen := func(path string) bool {
		return slices.ContainsFunc(slices.Concat(systemFolders, folders, etcFiles), func(dir string) bool { return below(path, dir) })
	}
	slices.Sort(programs)
	return folders, slices.DeleteFunc(slices.Compact(programs), seen)
}

// maxLinks is more links than lead to a program one after the other.
const maxLinks = 40

// installation returns the folder in which a program is installed with all that it needs, or "" if the
// program is a part of the system or is installed in no such folder: the folder above bin can be
// the user's home or one with settings of many programs, such as ~/.local, or a whole disk.
func installation(program string) string {
	bin := filepath.Dir(program)
	dir := filepath.Dir(bin)
	if filepath.Base(bin) != "bin" || slices.ContainsFunc(systemFolders, func(s string) bool { return below(bin, s) }) {
		return ""
	}
	home, parent := os.Getenv("HOME"), filepath.Dir(dir)
	settings := home != "" && parent == filepath.Clean(home) && strings.HasPrefix(filepath.Base(dir), ".")
	real, err := filepath.EvalSymlinks(dir)
	if err != nil || private(real) || private(dir) || parent == "/" || settings {
		return ""
	}
	return dir
}
