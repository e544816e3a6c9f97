// SPDX-License-Identifier: BSD-3-Clause

package initramfs

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// upToDate reports whether the existing programs were built from what the stamp
// identifies. It removes programs that have changed since the go command wrote
// them: go compares only a program's build ID, and would keep a damaged one.
func (s Spec) upToDate(stamp string, programs []program) (bool, error) {
	have, err := os.ReadFile(s.stampFile())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	want := stamp
	for _, p := range programs {
		line, err := p.digest()
		if err != nil {
			return false, err
		}
		want += line
		if !strings.Contains(string(have), line) {
			if err := os.RemoveAll(p.host); err != nil {
				return false, err
			}
		}
	}
	return string(have) == want, nil
}

func (s Spec) writeStamp(stamp string, programs []program) error {
	for _, p := range programs {
		line, err := p.digest()
		if err != nil {
			return err
		}
		stamp += line
	}
	return os.WriteFile(s.stampFile(), []byte(stamp), 0o644)
}

func (s Spec) stampFile() string { return filepath.Join(s.Scratch, "stamp") }

// digest returns the program's line in the stamp file.
func (p program) digest() (string, error) {
	h := sha256.New()
	if err := addFile(h, p.host); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s %x\n", p.guest, h.Sum(nil)), nil
}

// stamped are the folders of this module with the sources of the guest's
// programs.
var stamped = []string{"initramfs", "internal", "tests"}

// stamp identifies everything that the guest's programs depend on: the sources
// of this module, go.sum for all other modules, the go command, and its
// arguments. If the stamp has not changed, the go command does not run. It takes
// a third of a second even if nothing has to be built.
func (s Spec) stamp(lists ...[]string) (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "%q\n", lists)
	tool, err := exec.LookPath("go")
	if err != nil {
		return "", fmt.Errorf("%w; install Go from https://go.dev/doc/install", err)
	}
	if tool, err = filepath.EvalSymlinks(tool); err != nil {
		return "", err
	}
	info, err := os.Stat(tool)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(h, "%s %d %d\n", tool, info.Size(), info.ModTime().UnixNano())
	for _, name := range []string{"GOTOOLCHAIN", "GOEXPERIMENT", "GOROOT"} {
		fmt.Fprintf(h, "%s=%s\n", name, os.Getenv(name))
	}
	for _, file := range []string{"go.mod", "go.sum"} {
		if err := addFile(h, filepath.Join(s.Module, file)); err != nil {
			return "", err
		}
	}
	for _, dir := range stamped {
		if err := addDir(h, filepath.Join(s.Module, dir)); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%x\n", h.Sum(nil)), nil
}

func addDir(h hash.Hash, dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() || !(strings.HasSuffix(path, ".go") || strings.HasSuffix(path, ".s")) {
			return err
		}
		return addFile(h, path)
	})
}

func addFile(h hash.Hash, path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(h, "%s is absent\n", path)
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	fmt.Fprintf(h, "%s %d\n", path, info.Size())
	_, err = io.Copy(h, f)
	return err
}
