// SPDX-License-Identifier: BSD-3-Clause

// Package cache keeps what was made before in a folder that checkouts share, by
// digests of all that it was made from. What is damaged is as good as absent.
package cache

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/rogpeppe/go-internal/lockedfile"
)

// Cache is a folder shared by checkouts. It may be deleted at any time.
type Cache struct{ Dir string }

// DefaultCache is timens-vmtest in the user's cache folder ($XDG_CACHE_HOME,
// else ~/.cache).
func DefaultCache() (Cache, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return Cache{}, fmt.Errorf("find the cache folder: %w; set HOME or XDG_CACHE_HOME", err)
	}
	if err := Buildable(dir); err != nil {
		return Cache{}, fmt.Errorf("the cache folder: %w; set XDG_CACHE_HOME to another folder", err)
	}
	return Cache{filepath.Join(dir, "timens-vmtest")}, nil
}

// Lock takes the lock of that name, which guards what, and says so when it has
// to wait. The caller calls unlock. A wait ends with ctx.
func (c Cache) Lock(ctx context.Context, name, what string, say func(format string, args ...any)) (unlock func(), err error) {
	path := filepath.Join(c.Dir, "locks", name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("lock the cache: %w", err)
	}
	type locked struct {
		unlock func()
		err    error
	}
	got := make(chan locked, 1)
	go func() {
		unlock, err := lockedfile.MutexAt(path).Lock()
		got <- locked{unlock, err}
	}()
	patience := time.After(time.Second)
	for {
		select {
		case l := <-got:
			if l.err != nil {
				return nil, fmt.Errorf("lock the cache: %w", l.err)
			}
			return l.unlock, nil
		case <-patience:
			say("waiting for another vmtest to finish with %s (its lock: %s)", what, path)
		case <-ctx.Done():
			go func() { // the lock may still be won: give it back
				if l := <-got; l.err == nil {
					l.unlock()
				}
			}()
			return nil, ctx.Err()
		}
	}
}

// Scratch makes a folder for what will be named name when it is whole. The
// caller holds a lock for that name, so what is there was left by a vmtest that
// was killed.
func Scratch(dir, name string) (string, error) {
	tmp := filepath.Join(dir, "tmp-"+name)
	if err := os.RemoveAll(tmp); err != nil {
		return "", err
	}
	return tmp, os.MkdirAll(tmp, 0o755)
}
