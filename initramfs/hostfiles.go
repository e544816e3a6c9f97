// SPDX-License-Identifier: BSD-3-Clause

package initramfs

import (
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/u-root/u-root/pkg/cpio"
	"github.com/u-root/u-root/pkg/ldd"

	"timens-vmtest/internal/wire"
)

// HostFileError says that a program or a file of the host cannot be given to the guest.
type HostFileError struct{ Err error }

func (e *HostFileError) Error() string { return e.Err.Error() }
func (e *HostFileError) Unwrap() error { return e.Err }

func hostFilef(format string, args ...any) error {
	return &HostFileError{fmt.Errorf(format, args...)}
}

// shareLimit is how many bytes a shared folder may hold. All of them are in our memory, and in
// that of the guest.
const shareLimit = 1 << 30

// hostFiles returns the programs of s.With with their libraries, and the files of s.Share.
func (s Spec) hostFiles() ([]cpio.Record, error) {
	records, err := withPrograms(s.With)
	if err != nil || s.Share == "" {
		return records, err
	}
	shared, err := sharedFiles(s.Share)
	return append(records, shared...), err
}

// withPrograms returns programs of the host as commands of the guest, and their libraries in
// the places where they are on the host.
func withPrograms(names []string) ([]cpio.Record, error) {
	var records []cpio.Record
	libraries := make(map[string]bool)
	for _, name := range names {
		file, err := findProgram(name)
		if err != nil {
			return nil, err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, hostFilef("-with %s: %w", name, err)
		}
		records = append(records, cpio.StaticRecord(text, cpio.Info{Name: path.Join("bin", filepath.Base(name)), Mode: cpio.S_IFREG | 0o755}))
		needed, err := ldd.FList(file)
		if err != nil {
			return nil, hostFilef("-with %s: its libraries cannot be found: %w; type \"ldd %s\"", name, err, file)
		}
		for _, lib := range needed {
			libraries[lib] = true
		}
	}
	var paths []string
	for lib := range libraries {
		paths = append(paths, lib)
	}
	slices.Sort(paths)
	for _, lib := range paths {
		info, err := os.Lstat(lib)
		if err != nil {
			return nil, err
		}
		r, err := hostRecord(lib, strings.TrimPrefix(lib, "/"), info)
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	return records, nil
}

// findProgram returns the file of a program that the guest's processor can run.
func findProgram(name string) (string, error) {
	file, err := exec.LookPath(name)
	if err != nil {
		return "", hostFilef("-with %s: %w; install the package that has it, or give its path", name, err)
	}
	if file, err = filepath.EvalSymlinks(file); err != nil {
		return "", hostFilef("-with %s: %w", name, err)
	}
	f, err := elf.Open(file)
	if _, unread := errors.AsType[*fs.PathError](err); unread {
		return "", hostFilef("-with %s: %w", name, err)
	}
	if err != nil {
		return "", hostFilef("-with %s: %s is a script or another text; give its interpreter by -with, and the script by -share", name, file)
	}
	defer f.Close() // opened for reading only
	if f.Machine != elf.EM_X86_64 && f.Machine != elf.EM_386 {
		return "", hostFilef("-with %s: %s is for %v, and the guest is a PC", name, file, f.Machine)
	}
	return file, nil
}

// sharedFiles returns all files below a folder of the host.
func sharedFiles(dir string) ([]cpio.Record, error) {
	below := strings.TrimPrefix(wire.ShareDir, "/")
	var records []cpio.Record
	var size int64
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return hostFilef("-share %s: %w", dir, err)
		}
		info, err := d.Info()
		if err != nil {
			return hostFilef("-share %s: %w", dir, err)
		}
		if size += info.Size(); size > shareLimit {
			return hostFilef("-share %s has more than %d MB; share a folder with less in it", dir, shareLimit>>20)
		}
		inside, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		r, err := hostRecord(file, path.Join(below, filepath.ToSlash(inside)), info)
		if err != nil {
			return hostFilef("-share %s: %w", dir, err)
		}
		records = append(records, r)
		return nil
	})
	return records, err
}

// hostRecord returns a file, folder or link of the host under its path in the guest.
func hostRecord(file, guest string, info fs.FileInfo) (cpio.Record, error) {
	perm := uint64(info.Mode().Perm())
	switch info.Mode().Type() {
	case 0:
		text, err := os.ReadFile(file)
		return cpio.StaticRecord(text, cpio.Info{Name: guest, Mode: cpio.S_IFREG | perm}), err
	case fs.ModeDir:
		return cpio.Directory(guest, perm), nil
	case fs.ModeSymlink:
		to, err := os.Readlink(file)
		return cpio.Symlink(guest, to), err
	}
	return cpio.Record{}, fmt.Errorf("%s is neither a file nor a folder nor a link (%v); move it away, or share another folder", file, info.Mode().Type())
}
