// SPDX-License-Identifier: BSD-3-Clause

package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/internal/shell"
)

// Checkout lists the files of a folder of kernel sources that are tested, and those that
// are left out.
type Checkout struct {
	Dir    string
	Files  []File   // sorted by path; regular files and symbolic links
	Sparse []string // files that a sparse checkout does not have
	Aside  []string // what is left out and why, such as "monitor.sock (a socket)"
}

// File is one file of a checkout.
type File struct {
	Path    string
	Tracked bool        // by git
	Info    fs.FileInfo // nil if git tracks the file and it is gone
}

// hugeFile is a size. A larger file that git does not track is left out. The largest source
// of a kernel is a third as large; core dumps and disk images are larger.
const hugeFile = 64 << 20

// Look lists a checkout. In a git tree it takes the files that git tracks or would track,
// as they are now. In any other folder it takes all files but those that make leaves there.
// It opens no file.
func Look(ctx context.Context, dir string) (Checkout, error) {
	c := Checkout{Dir: dir}
	list := c.listPlain
	if isGitTree(dir) {
		list = c.listTracked
	}
	found, err := list(ctx)
	if err != nil {
		return Checkout{}, err
	}
	var unreadable []string
	for _, path := range slices.Sorted(maps.Keys(found)) {
		switch err := c.add(path, found[path]); {
		case errors.Is(err, fs.ErrPermission):
			unreadable = append(unreadable, path)
		case err != nil:
			return Checkout{}, err
		}
	}
	if unreadable != nil {
		return Checkout{}, denied(dir, unreadable)
	}
	return c, nil
}

func denied(dir string, paths []string) error {
	more := ""
	if len(paths) > 1 {
		more = fmt.Sprintf(" (and %d more)", len(paths)-1)
	}
	return blame.Usagef("-tree %s: %s cannot be read%s; type \"%s\" as its owner, or remove it", dir, paths[0], more, shell.Quote("chmod", "-R", "u+rX", dir))
}

// isGitTree reports whether a folder is the top of a git tree: a clone, or a worktree, in
// which .git is a file.
func isGitTree(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, ".git"))
	return err == nil
}

// Tags that "git ls-files -t" prints.
const (
	tagUntracked = '?'
	tagSparse    = 'S'
)

// add puts one path into the list of what is tested or into the list of what is left out.
func (c *Checkout) add(path string, tag byte) error {
	if strings.HasSuffix(path, "/") {
		c.Aside = append(c.Aside, path+" (a git repository of its own)")
		return nil
	}
	full := filepath.Join(c.Dir, path)
	info, err := os.Lstat(full)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		switch tag {
		case tagUntracked: // it went away while git listed it
		case tagSparse:
			c.Sparse = append(c.Sparse, path)
		default:
			c.Files = append(c.Files, File{Path: path, Tracked: true})
		}
		return nil
	}
	if err != nil {
		return err
	}
	tracked := tag != tagUntracked
	switch mode := info.Mode(); {
	case mode.IsDir():
		c.Aside = append(c.Aside, path+" (a submodule)")
	case !mode.IsRegular() && mode.Type() != fs.ModeSymlink:
		c.Aside = append(c.Aside, fmt.Sprintf("%s (%s)", path, cache.Kind(mode)))
	case !tracked && info.Size() > hugeFile:
		c.Aside = append(c.Aside, fmt.Sprintf("%s (%d MB, and git does not track it)", path, info.Size()>>20))
	case mode.IsRegular() && unix.Access(full, unix.R_OK) != nil:
		return &fs.PathError{Op: "read", Path: full, Err: fs.ErrPermission}
	default:
		c.Files = append(c.Files, File{path, tracked, info})
	}
	return nil
}

// listTracked asks git for the files that it tracks or would track. It leaves out what the
// user's own configuration tells git to ignore.
func (c *Checkout) listTracked(ctx context.Context) (map[string]byte, error) {
	found, warned, err := listFiles(ctx, c.Dir, []string{"-c", "safe.directory=" + c.Dir, "-c", "core.fsmonitor=false"}, "-c", "-o", "--exclude-standard")
	for line := range strings.Lines(warned) { // warnings about folders that cannot be read; add refuses tracked files in them
		c.Aside = append(c.Aside, strings.TrimSpace(line))
	}
	return found, err
}

// listPlain asks git for the files of a folder without a repository. It leaves out what the
// folder's own .gitignore files name, because make made it, and folders whose names begin
// with a dot, because editors keep their settings there.
func (c *Checkout) listPlain(ctx context.Context) (map[string]byte, error) {
	tmp, err := os.MkdirTemp("", "vmtest-list-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	if _, err := sandbox.Run(sandbox.Git(ctx, tmp, "init", "-q", "--template=")); err != nil {
		return nil, err
	}
	args := []string{"-o", "--exclude-per-directory=.gitignore"}
	for _, pattern := range plainPatterns {
		args = append(args, "--exclude="+pattern)
	}
	found, warned, err := listFiles(ctx, c.Dir, []string{"--git-dir=" + filepath.Join(tmp, ".git"), "--work-tree=" + c.Dir}, args...)
	if err == nil && warned != "" {
		return nil, blame.Usagef("-tree %s: some of it cannot be read; type \"%s\" as its owner, or remove these files:\n%s", c.Dir, shell.Quote("chmod", "-R", "u+rX", c.Dir), warned)
	}
	return found, errors.Join(err, c.findSpecial(found))
}

// plainPatterns override those of the .gitignore files. The .gitignore of a Debian source
// package ignores everything at its top, so the patterns name what a kernel has there.
var plainPatterns = []string{
	"!/*/", "!/Kbuild", "!/Kconfig", "!/Makefile", "!/localversion*",
	"/.*/", // .cache, .vscode, .idea, .ccache: files of editors and compilers
	// What "make mrproper" deletes. A folder without .gitignore files needs these.
	"/.config", "/.config.old", "/include/config/", "/include/generated/", "/arch/*/include/generated/",
	"/vmlinux", "/vmlinux.*", "/System.map", "/Module.symvers", "modules.order", ".tmp_*",
	".*.cmd", ".*.d", "*.o", "*.a", "*.ko", "*.mod", "*.mod.c",
}

// findSpecial adds what git never lists: pipes, sockets and devices.
func (c *Checkout) findSpecial(found map[string]byte) error {
	return filepath.WalkDir(c.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil { // git did not list this either, or warned that it cannot read it
			return nil
		}
		if d.IsDir() || d.Type().IsRegular() || d.Type() == fs.ModeSymlink {
			return nil
		}
		rel, err := filepath.Rel(c.Dir, path)
		found[rel] = tagUntracked
		return err
	})
}

// listFiles runs "git ls-files -t" and returns the tag of each path, and git's warnings.
func listFiles(ctx context.Context, dir string, options []string, args ...string) (map[string]byte, string, error) {
	cmd := sandbox.Command(ctx, dir, nil, "git", slices.Concat(options, []string{"ls-files", "-z", "-t"}, args)...)
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil {
		if full := sandbox.DiskFull(stderr.Bytes(), "git ls-files", dir); full != nil || ctx.Err() != nil {
			return nil, "", errors.Join(full, ctx.Err())
		}
		return nil, "", fmt.Errorf("git ls-files in %s: %w\n%s", dir, err, sandbox.Tail(stderr.Bytes(), 20))
	}
	found := make(map[string]byte)
	for entry := range strings.SplitSeq(strings.TrimRight(out.String(), "\x00"), "\x00") {
		if len(entry) > 2 {
			found[entry[2:]] = entry[0]
		}
	}
	return found, stderr.String(), nil
}

// Say reports what is left out.
func (c Checkout) Say(r host.Reporter) {
	if len(c.Aside) == 0 {
		return
	}
	shown, more := c.Aside, ""
	if n := len(shown) - 5; n > 0 {
		shown, more = shown[:5], fmt.Sprintf(" and %d more", n)
	}
	r.Step("left out of %s: %s%s", c.Dir, strings.Join(shown, ", "), more)
}
