// SPDX-License-Identifier: BSD-3-Clause

package initramfs

import (
	"debug/elf"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A program of the host goes into the archive as a command, with all that its dynamic linker
// needs. It takes the place of u-root's command of the same name.
func TestWithPrograms(t *testing.T) {
	real, err := exec.LookPath("cat") // Debian's is linked dynamically
	if err != nil {
		t.Fatal(err)
	}
	records, err := Spec{With: []string{"cat"}}.hostFiles()
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.Open(real)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	libraries, err := f.ImportedLibraries()
	if err != nil || len(libraries) == 0 {
		t.Fatalf("%s has the libraries %q, %v: it is no test", real, libraries, err)
	}
	names := make(map[string]uint64)
	for _, r := range records {
		names[r.Name] = r.Mode
	}
	if mode, ok := names["bin/cat"]; !ok || mode&0o111 == 0 {
		t.Errorf("the archive has %v, and no command cat", names)
	}
	for _, lib := range libraries {
		found := false
		for name := range names {
			found = found || filepath.Base(name) == lib
		}
		if !found {
			t.Errorf("the archive has %v, and no %s", names, lib)
		}
	}
}

func TestSharedFiles(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "a b"), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "a b", "file"), []byte("text"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a b/file", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	records, err := Spec{Share: dir}.hostFiles()
	if err != nil {
		t.Fatal(err)
	}
	modes := make(map[string]uint64)
	for _, r := range records {
		modes[r.Name] = r.Mode & 0o777
	}
	for name, mode := range map[string]uint64{"share": modes["share"], "share/a b": 0o750, "share/a b/file": 0o640, "share/link": 0o777} {
		if got, ok := modes[name]; !ok || got != mode {
			t.Errorf("%s: got %o, %t, want %o", name, got, ok, mode)
		}
	}
}

// What the guest cannot have is refused by name.
func TestHostFileErrors(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	pipes := filepath.Join(dir, "pipes")
	if err := errors.Join(os.Mkdir(pipes, 0o755), syscall.Mkfifo(filepath.Join(pipes, "p"), 0o644)); err != nil {
		t.Fatal(err)
	}
	large := filepath.Join(dir, "large")
	if err := errors.Join(os.Mkdir(large, 0o755), os.WriteFile(filepath.Join(large, "f"), nil, 0o644), os.Truncate(filepath.Join(large, "f"), shareLimit+1)); err != nil {
		t.Fatal(err)
	}
	for want, s := range map[string]Spec{
		"install the package that has it":        {With: []string{"no-such-program"}},
		"is a script or another text":            {With: []string{script}},
		"is neither a file nor a folder nor":     {Share: pipes},
		"has more than 1024 MB; share":           {Share: large},
		filepath.Join(dir, "none") + ": no such": {Share: filepath.Join(dir, "none")},
	} {
		_, err := s.hostFiles()
		if _, ok := errors.AsType[*HostFileError](err); !ok || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want a HostFileError with %q", s, err, want)
		}
	}
}
