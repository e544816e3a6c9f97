// SPDX-License-Identifier: BSD-3-Clause

package source

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/sandbox"
)

// Repository returns a bare git repository whose branch "base" is one commit with the files
// of the base. It is made once and kept in the cache. Its clones get hard links to its
// objects, so they survive when the cache is removed.
func (b Base) Repository(ctx context.Context, h host.Host) (string, error) {
	if !b.Private {
		return "", &blame.UsageError{Err: errors.New("a series cannot be edited on -tree, only on a package or a tarball; in a git tree use \"git am\" instead")}
	}
	name := b.ID[:20]
	dir := filepath.Join(h.Cache.Dir, "git", name+".git")
	unlock, err := h.Lock(ctx, "git-"+name, "this kernel's git repository")
	if err != nil {
		return "", err
	}
	defer unlock()
	use := func() error {
		return h.Cache.Use(cache.Repository, name, fmt.Sprintf("linux-%s as a git repository", b.Version))
	}
	if _, err := os.Stat(dir); err == nil {
		return dir, use()
	} else if !errors.Is(err, fs.ErrNotExist) {
		return dir, err
	}
	files, err := Survey(ctx, b)
	if err != nil {
		return "", err
	}
	if err := b.Verify(files, false); err != nil {
		return "", err
	}
	tmp, err := cache.Scratch(filepath.Dir(dir), name)
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	h.Report.Step("make a git repository of linux-%s (%d files), once", b.Version, len(files))
	if _, err := sandbox.Run(sandbox.Git(ctx, tmp, "init", "-q", "--bare", "--initial-branch=base")); err != nil {
		return "", err
	}
	if err := b.fastImport(ctx, tmp, files, h.Report); err != nil {
		return "", err
	}
	return dir, errors.Join(os.Rename(tmp, dir), use())
}

// fastImport streams the base into the repository. "git add" would be slower: it writes
// every file as an object of its own first.
func (b Base) fastImport(ctx context.Context, repo string, files Manifest, r host.Reporter) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	cmd := sandbox.Git(ctx, repo, "-c", "core.compression=1", "fast-import", "--quiet", "--done", "--depth=0")
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	written := make(chan error, 1)
	go func() {
		err := b.writeImport(in, files, r)
		if err != nil {
			stop() // otherwise git waits for the rest
		}
		written <- errors.Join(err, in.Close())
	}()
	_, err = sandbox.Run(cmd)
	return errors.Join(<-written, err)
}

func (b Base) writeImport(to io.Writer, files Manifest, r host.Reporter) error {
	w := bufio.NewWriterSize(to, 1<<20)
	message := "Linux " + b.Version + "\n"
	// The date is fixed, so the commit of a base has the same ID everywhere.
	fmt.Fprintf(w, "feature done\ncommit refs/heads/base\ncommitter timens-vmtest <timens-vmtest@localhost> 0 +0000\ndata %d\n%s\n", len(message), message)
	paths := slices.Sorted(maps.Keys(files))
	for i, path := range paths {
		info, err := os.Lstat(filepath.Join(b.Dir, path))
		if err != nil {
			return err
		}
		mode, text := "100644", []byte(nil)
		if info.Mode()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(filepath.Join(b.Dir, path))
			if err != nil {
				return err
			}
			mode, text = "120000", []byte(target)
		} else {
			if text, err = os.ReadFile(filepath.Join(b.Dir, path)); err != nil {
				return err
			}
			if info.Mode()&0o100 != 0 {
				mode = "100755"
			}
		}
		fmt.Fprintf(w, "M %s inline %s\ndata %d\n", mode, path, len(text))
		if _, err := w.Write(append(text, '\n')); err != nil {
			return err
		}
		r.Count("files", i+1, len(paths), path)
	}
	fmt.Fprintln(w, "done")
	return w.Flush()
}
