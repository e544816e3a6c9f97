// SPDX-License-Identifier: BSD-3-Clause

package sandbox

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// putFiles makes files that can be executed, by their paths below dir.
func putFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// A program brings its installation, or comes alone where that would show the user's files.
func TestShownFor(t *testing.T) {
	home := t.TempDir()
	putFiles(t, home, map[string]string{
		"llvm/bin/clang-19": "", "gcc": "", "wrappers/cc": "", "bin/cc": "", ".local/bin/cc": "", ".pyenv/shims/cc": "", ".tools/gcc-14/bin/gcc": "",
	})
	for from, to := range map[string]string{"llvm/bin/clang": "clang-19", "mine": filepath.Join(home, "llvm/bin/clang")} {
		if err := os.Symlink(to, filepath.Join(home, from)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("HOME", home)
	t.Setenv("PATH", "/usr/bin")
	for program, want := range map[string]struct{ folders, programs []string }{
		"llvm/bin/clang":        {folders: []string{"llvm"}},
		"mine":                  {folders: []string{"llvm"}, programs: []string{"mine"}},
		".tools/gcc-14/bin/gcc": {folders: []string{".tools/gcc-14"}},
		"gcc":                   {programs: []string{"gcc"}},
		"wrappers/cc":           {programs: []string{"wrappers/cc"}},
		"bin/cc":                {programs: []string{"bin/cc"}},        // not the user's home
		".local/bin/cc":         {programs: []string{".local/bin/cc"}}, // not the settings of other programs
		".pyenv/shims/cc":       {},
	} {
		for _, all := range [][]string{want.folders, want.programs} {
			for i, path := range all {
				all[i] = filepath.Join(home, path)
			}
		}
		folders, programs := shownFor([]string{filepath.Join(home, program), "/usr/bin/env"})
		if !slices.Equal(folders, want.folders) || !slices.Equal(programs, want.programs) {
			t.Errorf("%s: got the folders %q and the programs %q, want %q and %q", program, folders, programs, want.folders, want.programs)
		}
	}
}

// A compiler that the user has put anywhere runs in the sandbox, and finds what it is installed
// with. Neither can be written to, and nothing beside them is seen.
func TestPrograms(t *testing.T) {
	needSandbox(t)
	home := t.TempDir()
	putFiles(t, home, map[string]string{
		"llvm/bin/clang": "#!/bin/sh\ncat \"$(dirname \"$0\")\"/../lib/header\n", "llvm/lib/header": "header\n",
		"wrapper": "#!/bin/sh\necho wrapper\n", "secret": "secret\n",
	})
	if err := os.Symlink("llvm/bin/clang", filepath.Join(home, "link")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", home)
	clang, wrapper, link := filepath.Join(home, "llvm/bin/clang"), filepath.Join(home, "wrapper"), filepath.Join(home, "link")
	dir := t.TempDir()
	script := clang + "; " + wrapper + "; readlink " + link + "; cat " + home + "/secret; { echo x >" + wrapper + "; echo x >" + clang + "; } 2>/dev/null; ls " + home
	cmd, release, err := Box{}.Command(t.Context(), Place{Dir: dir, Writable: []string{dir}, Programs: []string{clang, wrapper, link}}, "sh", "-c", script+" 2>/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.Output()
	if err := errors.Join(err, release()); err != nil {
		t.Fatal(err)
	}
	if want := "header\nwrapper\nllvm/bin/clang\nlink\nllvm\nwrapper\n"; string(out) != want {
		t.Errorf("got %q, want %q", out, want)
	}
	// A program in a folder that is shown anyway.
	cmd, release, err = Box{}.Command(t.Context(), Place{Dir: dir, Readable: []string{home}, Writable: []string{dir}, Programs: []string{wrapper}}, wrapper)
	if err != nil {
		t.Fatal(err)
	}
	if out, err = cmd.Output(); string(out) != "wrapper\n" || errors.Join(err, release()) != nil {
		t.Errorf("in a folder that is shown: got %q, %v", out, err)
	}
	if text, err := os.ReadFile(wrapper); err != nil || string(text) != "#!/bin/sh\necho wrapper\n" {
		t.Errorf("the program of the host is %q now, %v", text, err)
	}
}
