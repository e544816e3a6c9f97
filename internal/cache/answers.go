// SPDX-License-Identifier: BSD-3-Clause

package cache

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Recall returns what ask said when it was last asked by this key, from the
// cache where it can. The key stands for everything that the answer depends on.
// An error is no answer and is not kept.
func Recall[T any](ctx context.Context, c Cache, key string, say func(format string, args ...any), ask func() (T, error)) (T, error) {
	key = Digest(key)[:32]
	path := filepath.Join(c.Dir, "answers", key+".json")
	unlock, err := c.Lock(ctx, "answer-"+key, "the same question", say)
	if err != nil {
		var none T
		return none, err
	}
	defer unlock()
	var kept struct{ Answer T }
	if ReadSealed(path, &kept) == nil { // damaged is as good as absent
		return kept.Answer, nil
	}
	if kept.Answer, err = ask(); err != nil {
		return kept.Answer, err
	}
	return kept.Answer, WriteSealed(path, kept)
}

// Keep keeps a copy of a folder under this key, in place of what was kept there.
// Whoever asks for it has to know whether it is whole.
func (c Cache) Keep(key, dir string) error {
	path := c.kept(key)
	tmp, err := Scratch(filepath.Dir(path), filepath.Base(path))
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	return errors.Join(os.CopyFS(tmp, os.DirFS(dir)), os.RemoveAll(path), os.Rename(tmp, path))
}

// Kept copies what was kept under this key into an empty folder, and says
// whether there was anything.
func (c Cache) Kept(key, dir string) (bool, error) {
	err := os.CopyFS(dir, os.DirFS(c.kept(key)))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func (c Cache) kept(key string) string { return filepath.Join(c.Dir, "runs", Digest(key)[:32]) }
