package initramfs

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// stamp identifies all that the guest's programs are made of: the sources of
// this module, go.sum for all other modules, the go command, and the way it is
// called. While it stays the same the go command, which takes a third of a
// second to find that nothing is to be done, need not be asked.
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
	for _, dir := range []string{"initramfs", "tests", "vmtest"} {
		if err := addDir(h, filepath.Join(s.Module, dir)); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%x\n", h.Sum(nil)), nil
}

func addDir(h hash.Hash, dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
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
	if os.IsNotExist(err) {
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
