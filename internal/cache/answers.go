// SPDX-License-Identifier: BSD-3-Clause

package cache

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Recall returns the answer that the cache has for a key. If the cache has none, it
// calls ask and keeps the answer. The key must cover everything that the answer depends
// on. An error of ask is returned and not kept. say is told if Recall has to wait for
// another process with the same key.
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
	if ReadSealed(path, &kept) == nil { // a damaged answer is asked for again
		return kept.Answer, nil
	}
	if kept.Answer, err = ask(); err != nil {
		return kept.Answer, err
	}
	return kept.Answer, WriteSealed(path, kept)
}

// Keep copies the folder dir into the cache under a key. It replaces the folder that
// was kept there. Nothing verifies the copy later: the caller of Kept has to do that.
func (c Cache) Keep(key, dir string) error {
	path := c.kept(key)
	tmp, err := Scratch(filepath.Dir(path), filepath.Base(path))
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	return errors.Join(os.CopyFS(tmp, os.DirFS(dir)), os.RemoveAll(path), os.Rename(tmp, path))
}

// Kept copies the folder that was kept under a key into dir, which is empty. It returns
// false if nothing was kept.
func (c Cache) Kept(key, dir string) (bool, error) {
	err := os.CopyFS(dir, os.DirFS(c.kept(key)))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func (c Cache) kept(key string) string { return filepath.Join(c.Dir, "runs", Digest(key)[:32]) }
