// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kernel/series"
)

var realMails = flag.Bool("real-mails", false, "apply the mails of every series to a git tree of the base, by ../bin/vmtest")

// Whoever gets the mails of a series applies them with git am to a git tree of the base, and has the
// series: as many commits as it has patches, by the author that was named, and the same files as its
// patches make.
func TestMailsApplyToBase(t *testing.T) {
	if !*realMails {
		t.Skip("it makes a git tree of a whole kernel; type \"make mails-test\"")
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	run := func(dir, name string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		var out, said bytes.Buffer
		cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &said
		cmd.Env = append(realEnv(t), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_COMMITTER_NAME=C O Mitter", "GIT_COMMITTER_EMAIL=committer@example.com")
		if err := cmd.Run(); err != nil {
			t.Fatalf("%v: %v\n%s%s", cmd.Args, err, &said, &out)
		}
		return strings.TrimSpace(out.String())
	}
	vmtest := filepath.Join(root, "bin", "vmtest")
	linux := filepath.Join(work, "linux")
	run(root, vmtest, "series", "new", "-base", *baseOfTests, filepath.Join(work, "mine"), linux)
	base := run(linux, "git", "rev-parse", "HEAD")
	names, err := series.Names(filepath.Join(root, "kernel", "patches"))
	if err != nil {
		t.Fatal(err)
	}
	applied := 0
	for _, name := range names {
		s, err := series.Load(t.Context(), sandbox.Box{}, filepath.Join(root, "kernel", "patches"), name)
		if err != nil {
			t.Fatal(err)
		}
		if len(s.Patches) == 0 { // control
			continue
		}
		applied++
		t.Run(name, func(t *testing.T) {
			const author = "A U Thor <author@example.com>"
			mails, folder := filepath.Join(work, name+".mbox"), filepath.Join(work, name)
			run(root, vmtest, "series", "export", "-base", *baseOfTests, "-mbox", mails, "-author", author, name)
			run(linux, "git", "checkout", "-q", "-B", "mails-"+name, base)
			run(linux, "git", "am", "-q", "--empty=drop", mails)
			defer os.RemoveAll(folder) // as large as a kernel
			run(root, vmtest, "series", "edit", "-base", *baseOfTests, name, folder)
			if made, want := run(linux, "git", "rev-parse", "HEAD^{tree}"), run(folder, "git", "rev-parse", "HEAD^{tree}"); made != want {
				t.Errorf("the mails make the tree %s, the patches %s", made, want)
			}
			subjects := run(folder, "git", "log", "--format=%s", base+"..")
			if got := run(linux, "git", "log", "--format=%s", base+".."); got != subjects {
				t.Errorf("the commits are\n%s\nwant\n%s", got, subjects)
			}
			n := len(strings.Split(subjects, "\n"))
			by := run(linux, "git", "log", "--format=%an <%ae>", base+"..")
			if want := strings.TrimSuffix(strings.Repeat(author+"\n", n), "\n"); by != want {
				t.Errorf("the commits are by %q, want %q", by, want)
			}
			if log := run(linux, "git", "log", "--format=%B", base+".."); strings.Contains(log, ".invalid") || strings.Count(log, "Signed-off-by: "+author) != n {
				t.Errorf("the commits are not signed off by %s alone:\n%s", author, log)
			}
			t.Logf("%d commits\n%s", n, subjects)
		})
	}
	if applied < 4 {
		t.Errorf("only %d series have patches", applied)
	}
}
