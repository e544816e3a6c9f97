// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// triedAdvice says which script runs what a message tells the user to type, in the
// situation in which it is printed, or why none can. The key is where the message is,
// and how the command begins there.
var triedAdvice = map[string]string{
	`kernel/series/edit.go %s`:          "new.txtar",
	`kernel/series/export.go %s`:        "new.txtar",
	`kernel/series/new.go %s`:           "new.txtar",
	`kernel/source/seal.go %s`:          "new.txtar",
	`kernel/series/unlisted.go %s`:      "new.txtar",
	`vmtest/workplace.go %s`:            "new.txtar",
	`vmtest/vm/vm.go unset %s`:          "host.txtar",
	`internal/host/advice.go ulimit -f`: "host.txtar",

	`kernel/source/check.go %s`:            "trees.txtar",
	`kernel/source/checkout.go %s`:         "root can read everything, so only others see it",
	`kernel/source/survey.go %s`:           "trees.txtar",
	`kernel/series/range.go %s`:            "trees.txtar",
	`kernel/source/debian.go %s`:           "it needs lists of apt that are broken",
	`kernel/source/source.go git worktree`: "it is typed in a folder that has moved",
	`kernel/source/suite.go sudo apt-get`:  "it asks the archive of Debian",
	`kernel/series/range.go git branch`:    "the user knows the name of the branch",
	`vmtest/flags/piped.go b4 am`:          "it asks lore",
	`initramfs/hostfiles.go ldd %s`:        "a library is missing on this machine",
	`kernel/thread/parts.go %s`:            "it asks lore, or needs b4",
	`vmtest/stages.go vmtest shell`:        "TestShell types such commands",

	`kernel/outgoing/mails.go git config`: "outgoing.txtar",
	`vmtest/mails.go %s`:                  "presubmit.txtar types it with flags that make it short",

	`vmtest/vm/vm.go make deps`:               "it installs packages",
	`vmtest/flags/guest.go make deps`:         "it installs packages",
	`vmtest/run/vmcore.go sudo apt-get`:       "it installs a package",
	`vmtest/run/replay.go sudo apt-get`:       "it installs a package",
	`vmtest/vm/vm.go sudo apt-get`:            "it installs a package",
	`vmtest/vm/kvm.go sudo usermod`:           "it changes the user's groups",
	`kernel/source/debian.go sudo apt-get`:    "it asks the archive of Debian",
	`kernel/kbuild/tools.go make deps`:        "it installs packages",
	`kernel/kbuild/tools.go sudo apt-get`:     "it installs packages",
	`kernel/selftests/selftests.go make deps`: "it installs packages",
	`kernel/prebuilt.go make vmlinux`:         "it is typed in the user's build folder",
	`kernel/prebuilt.go make olddefconfig`:    "it is typed in the user's build folder",
	`internal/sandbox/command.go make deps`:   "it installs packages",
	`internal/sandbox/sandbox.go make deps`:   "it installs packages",
	`internal/sandbox/sandbox.go sudo sysctl`: "it changes the host",

	`tests/mutants/harness/suite.go go test`: "it tests a package of the project, with whatever test fails there",
}

// adviceRE finds what a message tells the user to type, and how it begins.
var adviceRE = regexp.MustCompile(`type \\"((?:%s|[\w-]+ ?(?:%s|[\w-]*)))`)

// Whoever prints a command has it run by a script, or says why not.
func TestAdviceIsTried(t *testing.T) {
	found := make(map[string]bool)
	err := fs.WalkDir(os.DirFS(".."), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(filepath.Join("..", path))
		for _, m := range adviceRE.FindAllSubmatch(text, -1) {
			key := path + " " + string(m[1])
			found[key] = true
			if triedAdvice[key] == "" {
				t.Errorf("%s: a message says to type %q; let a script type it (\"advised\"), and name the script in triedAdvice", path, m[1])
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for key, by := range triedAdvice {
		if !found[key] {
			t.Errorf("triedAdvice has %q, which no message says", key)
		}
		if !strings.HasSuffix(by, ".txtar") {
			continue
		}
		text, err := os.ReadFile(filepath.Join("testdata", by))
		if _, typed, _ := strings.Cut(key, " "); err != nil || !strings.Contains(string(text), "\nadvised ") && !strings.Contains(string(text), strings.TrimSuffix(typed, "%s")) {
			t.Errorf("%q is tried by %s, which does not: %v", key, by, err)
		}
	}
}
