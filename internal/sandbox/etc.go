// SPDX-License-Identifier: BSD-3-Clause

package sandbox

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// etcFiles are what the sandbox shows of the host's /etc: where the loader and the
// linker look for libraries, which of several compilers is the default one, and the
// settings of clang. Those that do not exist are left out. Everything else in /etc
// describes the machine and its users.
var etcFiles = []string{"/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives", "/etc/clang"}

// madeFiles are the files in the sandbox's /etc that are the same on every machine.
var madeFiles = map[string]string{
	"/etc/passwd": "root:x:0:0:root:/:/bin/false\nnobody:x:65534:65534:nobody:/:/bin/false\n",
	"/etc/group":  "root:x:0:\nnogroup:x:65534:\n",
}

// hiddenFolders are folders below systemFolders that hold settings of the machine, as
// /etc does. The sandbox shows them empty.
var hiddenFolders = []string{"/usr/local/etc", "/usr/etc"}

// privateFolders are never shown, not even if PATH names them. The same holds for a
// folder that has the user's home in it.
var privateFolders = []string{"/", "/dev", "/etc", "/home", "/proc", "/root", "/run", "/sys", "/tmp", "/var", "/var/tmp"}

// makeEtc fills the new root's /etc, and hides hiddenFolders.
func (c confinement) makeEtc() error {
	if err := os.Mkdir(filepath.Join(c.Root, "etc"), 0o755); err != nil {
		return err
	}
	for _, path := range etcFiles {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		// Where /etc is made of links, as in NixOS, what they lead to is shown.
		if err := c.bind(path); err != nil {
			return err
		}
	}
	for path, text := range madeFiles {
		if err := os.WriteFile(filepath.Join(c.Root, path), []byte(text), 0o644); err != nil {
			return err
		}
	}
	for _, dir := range hiddenFolders {
		info, err := os.Lstat(filepath.Join(c.Root, dir))
		if err != nil || !info.IsDir() {
			continue
		}
		if err := mount("tmpfs", filepath.Join(c.Root, dir), "tmpfs", unix.MS_NOSUID|unix.MS_NODEV); err != nil {
			return err
		}
	}
	return nil
}

// shims is the name of the folder in which version managers, such as pyenv and asdf, have a program
// for each that they manage. It runs others of the user's home, which is not shown: where the folder
// is missing, the system's own program runs instead.
const shims = "shims"

// strangePaths returns the folders on PATH that are in none of systemFolders and are
// neither private nor shims of the user's home.
func strangePaths() []string {
	var strange []string
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if !filepath.IsAbs(dir) || slices.ContainsFunc(systemFolders, func(s string) bool { return below(dir, s) }) {
			continue
		}
		if isShims(dir) {
			continue
		}
		real, err := filepath.EvalSymlinks(dir) // an error: there is no such folder
		if err == nil && !private(real) && !private(filepath.Clean(dir)) {
			strange = append(strange, filepath.Clean(dir))
		}
	}
	return strange
}

// isShims reports whether a folder is one of shims of the user's home.
func isShims(dir string) bool {
	home := os.Getenv("HOME")
	return home != "" && below(filepath.Clean(dir), home) && filepath.Base(dir) == shims
}

// private says that a folder must not be shown in the sandbox.
func private(dir string) bool {
	home := os.Getenv("HOME")
	return slices.Contains(privateFolders, dir) || below(dir, "/etc") || home != "" && below(home, dir)
}

func below(path, dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }
