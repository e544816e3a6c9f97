// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// .ci/deps installs the packages that are missing. The name of one has the version of gcc in it,
// which may not be installed yet, or be no package. The script finds only commands of this test.
func TestDeps(t *testing.T) {
	script, err := filepath.Abs("../.ci/deps")
	if err != nil {
		t.Fatal(err)
	}
	const (
		packaged = `[ "$1" = -dumpversion ] && echo 12`
		exact    = `[ "$1" = -dumpversion ] && echo 13.2.0`
		own      = `[ "$1" != -dumpversion ] || echo 15.1.0` // it also makes 32-bit programs
	)
	for name, tc := range map[string]struct {
		gcc       string // script; "": there is none
		installed string // packages with a space before and after each
		want      string // what apt-get is told to install
	}{
		"all is there":            {packaged, " gcc lib32gcc-12-dev libc6-dev-i386 ", ""},
		"nothing for 32 bits":     {packaged, " gcc ", "lib32gcc-12-dev libc6-dev-i386\n"},
		"libraries of an old gcc": {packaged, " gcc lib32gcc-11-dev libc6-dev-i386 ", "lib32gcc-12-dev\n"},
		"a version with dots":     {exact, " gcc libc6-dev-i386 ", "lib32gcc-13-dev\n"},
		"no gcc":                  {"", " libc6-dev-i386 ", "gcc lib32gcc-14-dev\n"},
		"no package of gcc's":     {own, " gcc libc6-dev-i386 ", ""},
	} {
		bin, log, updated := t.TempDir(), filepath.Join(t.TempDir(), "log"), filepath.Join(t.TempDir(), "updated")
		write := func(command, text string) {
			if err := os.WriteFile(filepath.Join(bin, command), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		write("go", "")
		write("id", "echo 0")
		write("apt-cache", `[ "$1" = show ] || [ ! -e `+updated+` ] || printf 'gcc\n  Depends: cpp\n  Depends: gcc-14\n'`)
		write("dpkg-query", `case "`+tc.installed+`" in *" $4 "*) echo installed;; *) exit 1;; esac`)
		write("apt-get", `[ "$1" = update ] && : >`+updated+` || { shift 4; echo "$*" >>`+log+`; }`)
		if tc.gcc != "" {
			write("gcc", tc.gcc)
		}
		for _, tool := range []string{"env", "sed"} {
			path, err := exec.LookPath(tool)
			if err == nil {
				err = os.Symlink(path, filepath.Join(bin, tool))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		deps := func() (string, error) {
			cmd := exec.Command(script, "gcc", "lib32gcc-VERSION-dev", "libc6-dev-i386")
			cmd.Env = []string{"PATH=" + bin}
			out, err := cmd.CombinedOutput()
			return string(out), err
		}
		out, err := deps()
		asked, rerr := os.ReadFile(log)
		if err != nil || string(asked) != tc.want || (rerr == nil) != (tc.want != "") || (out == "") != (tc.want == "") {
			t.Errorf("%s: %v, it installed %q, want %q; it said %s", name, err, asked, tc.want, out)
		}

		// Without apt it can only say what is missing.
		if err := os.Remove(filepath.Join(bin, "apt-get")); err != nil {
			t.Fatal(err)
		}
		if out, err := deps(); err == nil || strings.Contains(out, " static-32-bit-libraries") == (tc.gcc == own) {
			t.Errorf("%s, without apt: %v, it said %s", name, err, out)
		}
	}
}
