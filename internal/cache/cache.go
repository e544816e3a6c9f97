// SPDX-License-Identifier: BSD-3-Clause

// Package cache is a folder that all checkouts of a user share. It keeps what was made
// before, under digests of all inputs. A damaged entry is made again, as an absent one
// is. What was not used for the longest time is removed when the cache is too large.
package cache

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/rogpeppe/go-internal/lockedfile"
)

// Cache is the folder that checkouts share. Dir has no default: DefaultCache returns
// the usual one. The user may delete the folder at any time. Entries that are used are
// safe from Prune until Uses are closed. If Uses is nil, they are not.
type Cache struct {
	Dir  string
	Uses *Uses
}

// DefaultCache returns the cache in the folder timens-vmtest of the user's cache folder,
// which is $XDG_CACHE_HOME or else ~/.cache. It is an error if there is no such folder,
// or if no kernel can be built in it; see Buildable.
func DefaultCache() (Cache, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return Cache{}, fmt.Errorf("find the cache folder: %w; set HOME or XDG_CACHE_HOME", err)
	}
	if err := Buildable(dir); err != nil {
		return Cache{}, fmt.Errorf("the cache folder: %w; set XDG_CACHE_HOME to another folder", err)
	}
	return Cache{Dir: filepath.Join(dir, "timens-vmtest"), Uses: new(Uses)}, nil
}

// Lock takes the lock of a name, and waits until no other process holds it. After a
// second it says that it waits; what tells the user what the lock guards. The caller
// calls unlock. If ctx ends first, Lock returns its error.
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
			go func() { // the goroutine above may still get the lock: give it back
				if l := <-got; l.err == nil {
					l.unlock()
				}
			}()
			return nil, ctx.Err()
		}
	}
}

// scratch begins the names of folders that are not whole.
const scratch = "tmp-"

// Scratch makes an empty folder in dir and returns its path. The caller fills it, and
// renames it to name when it is whole. The caller holds a lock for that name: so a
// folder that is already there was left by a process that was killed, and is deleted.
func Scratch(dir, name string) (string, error) {
	tmp := filepath.Join(dir, scratch+name)
	if err := RemoveAll(tmp); err != nil {
		return "", err
	}
	return tmp, os.MkdirAll(tmp, 0o755)
}
