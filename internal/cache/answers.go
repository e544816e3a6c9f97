// SPDX-License-Identifier: BSD-3-Clause

package cache

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Recall returns the answer that the cache has for a key. If the cache has none, it
// calls ask and keeps the answer. The key must cover everything that the answer depends
// on. An error of ask is returned and not kept. say is told if Recall has to wait for
// another process with the same key.
func Recall[T any](ctx context.Context, c Cache, key string, say func(format string, args ...any), ask func() (T, error)) (T, error) {
	key = Digest(key)[:32]
	path := c.entry(Answer, key)
	unlock, err := c.Lock(ctx, Answer.lock(key), "the same question", say)
	if err != nil {
		var none T
		return none, err
	}
	defer unlock()
	var kept struct{ Answer T }
	if ReadSealed(path, &kept) == nil { // a damaged answer is asked for again
		now := time.Now() // the time of its last use
		return kept.Answer, os.Chtimes(path, now, now)
	}
	if kept.Answer, err = ask(); err != nil {
		return kept.Answer, err
	}
	return kept.Answer, WriteSealed(path, kept)
}

// AnswerFile returns the path of a file for an answer that changes with time, which Recall
// cannot keep. Prune removes it as any answer that was not used for long. The caller reads
// it, writes it by WriteFile, and sets its time when it is used.
func (c Cache) AnswerFile(key string) string { return c.entry(Answer, Digest(key)[:32]) }

// Keep copies the folder dir into the cache under a key. It replaces the folder that
// was kept there. what says what it is. Nothing verifies the copy later: the caller of
// Kept has to do that.
func (c Cache) Keep(ctx context.Context, key, what, dir string) error {
	key = Digest(key)[:32]
	unlock, err := c.Lock(ctx, Run.lock(key), "the same run", func(string, ...any) {})
	if err != nil {
		return err
	}
	defer unlock()
	path := c.entry(Run, key)
	tmp, err := Scratch(filepath.Dir(path), filepath.Base(path))
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	return errors.Join(os.CopyFS(tmp, os.DirFS(dir)), os.RemoveAll(path), os.Rename(tmp, path), c.Wrote(Run, key, what))
}

// Kept copies the folder that was kept under a key into dir, which is empty. It returns
// false if nothing was kept.
func (c Cache) Kept(ctx context.Context, key, dir string) (bool, error) {
	key = Digest(key)[:32]
	unlock, err := c.Lock(ctx, Run.lock(key), "the same run", func(string, ...any) {})
	if err != nil {
		return false, err
	}
	defer unlock()
	err = os.CopyFS(dir, os.DirFS(c.entry(Run, key)))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, errors.Join(err, c.Use(Run, key, ""))
}
