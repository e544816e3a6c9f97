// SPDX-License-Identifier: BSD-3-Clause

package series

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/internal/shell"
)

// editedFile returns the path of a file in the cache. The file has the path of the git tree
// that Edit made last for a folder.
func editedFile(h host.Host, folder string) string {
	return filepath.Join(h.Cache.Dir, "edited", cache.Digest(folder)[:20])
}

// rememberEdited keeps dir as the git tree that Edit made last for a folder.
func rememberEdited(h host.Host, folder, dir string) error {
	return cache.WriteFile(editedFile(h, folder), []byte(dir))
}

// rememberHead keeps the commit that HEAD points to, which is the last patch of the folder.
func rememberHead(ctx context.Context, dir string) error {
	head, err := sandbox.GitLine(ctx, dir, "rev-parse", "HEAD")
	if err != nil {
		return err
	}
	_, err = sandbox.Run(sandbox.Git(ctx, dir, "config", headKey, head))
	return err
}

// Ahead says what is only in the git tree that Edit made last for a series' folder, and not
// yet in the folder: commits, or changes that are not committed. It returns "" if there is
// nothing, if the tree does not exist any more, or if the folder has changed for another
// reason.
func Ahead(ctx context.Context, h host.Host, folder string) (string, error) {
	text, err := os.ReadFile(editedFile(h, folder))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	dir := string(text)
	if _, err := os.Stat(filepath.Join(dir, ".git")); err != nil {
		return "", nil
	}
	known := make(map[string]string)
	for _, key := range []string{seriesKey, baseKey, stateKey} {
		// If the key does not exist, git returns an error: the tree is not that of Edit.
		known[key], err = sandbox.GitLine(ctx, dir, "config", "--local", key)
		if err != nil {
			return "", ctx.Err()
		}
	}
	state, err := folderState(folder)
	if err != nil || known[seriesKey] != folder || known[stateKey] != state {
		return "", err
	}
	dirty, err := sandbox.Run(sandbox.Git(ctx, dir, "--no-optional-locks", "status", "--porcelain"))
	if err != nil {
		return "", err
	}
	if len(dirty) > 0 {
		return fmt.Sprintf("%s has changes that are not committed and are not in %s", dir, folder), nil
	}
	head, err := sandbox.GitLine(ctx, dir, "rev-parse", "HEAD")
	if err != nil {
		return "", err
	}
	if at, err := sandbox.GitLine(ctx, dir, "config", "--local", headKey); err == nil && at == head {
		return "", nil
	}
	// A rebase may make new commits that have the same patches.
	same, err := sameAsCommits(ctx, h.Sandbox, folder, dir, known[baseKey])
	if err != nil || same {
		return "", err
	}
	return fmt.Sprintf("%s has commits that are not in %s; write them there by \"%s\"", dir, folder, shell.Quote("vmtest", "series", "export", folder, dir)), nil
}

// sameAsCommits reports whether Export would write the patches that the folder already has.
func sameAsCommits(ctx context.Context, box sandbox.Box, folder, dir, base string) (bool, error) {
	tmp, err := os.MkdirTemp("", "vmtest-ahead-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(tmp)
	commits, err := listCommits(ctx, dir, base, "HEAD")
	if err != nil {
		return false, err
	}
	fresh, err := formatPatches(ctx, box, dir, base, "HEAD", commits, tmp)
	if err != nil {
		return false, err
	}
	have, err := stored(folder)
	if err != nil || len(have) != len(fresh) {
		return false, err
	}
	for i, p := range fresh {
		if p.Name != have[i].Name || !bytes.Equal(p.Text, have[i].Text) {
			return false, nil
		}
	}
	return true, nil
}
