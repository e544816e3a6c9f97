// SPDX-License-Identifier: BSD-3-Clause

package cache

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Prune removes entries until the others have at most limit bytes. It begins with the
// entry that was not used for the longest time, and it leaves alone what a process uses.
// What processes that were killed have left is removed in any case. Prune returns what it
// has removed, and the bytes that are left. It goes on after an error.
func (c Cache) Prune(ctx context.Context, limit int64) (removed []Entry, left int64, err error) {
	all, err := c.Entries()
	if err != nil {
		return nil, 0, err
	}
	for _, e := range all {
		left += e.Bytes
	}
	for _, e := range all {
		if ctx.Err() != nil {
			return removed, left, errors.Join(err, ctx.Err())
		}
		if left <= limit && !e.left {
			continue
		}
		gone, rerr := c.remove(e)
		err = errors.Join(err, rerr)
		if gone {
			removed, left = append(removed, e), left-e.Bytes
		}
	}
	return removed, left, err
}

// remove removes an entry, and returns false if a process uses it, or has used it since it
// was listed. It gives the folder another name first. So an entry that is half removed is
// none, and the next Scratch or Prune removes the rest.
func (c Cache) remove(e Entry) (bool, error) {
	unlock, free, err := c.tryLock(e.Kind.lock(e.Key))
	if err != nil || !free {
		return false, err
	}
	defer unlock()
	if e.Kind == Answer {
		err := os.Remove(c.path(e))
		return err == nil, ignoreAbsent(err)
	}
	if !e.left {
		unlockUse, free, err := c.tryLock(filepath.Base(c.useFile(e.Kind, e.Key)))
		if err != nil || !free {
			return false, err
		}
		defer unlockUse()
		now := e
		if err := c.look(&now); err != nil || now.Used.After(e.Used) {
			return false, ignoreAbsent(err)
		}
	}
	tmp := filepath.Join(c.Dir, string(e.Kind), scratch+e.Key)
	if !e.left {
		if err := RemoveAll(tmp); err != nil {
			return false, err
		}
		if err := os.Rename(c.path(e), tmp); err != nil {
			return false, ignoreAbsent(err)
		}
	}
	beside := []string{c.aboutFile(e.Kind, e.Key)}
	if e.Kind == Source {
		beside = append(beside, c.path(e)+".contents", c.path(e)+".surveyed")
	}
	for _, path := range beside {
		if e.left {
			break // the entry itself may be there
		}
		err = errors.Join(err, ignoreAbsent(os.Remove(path)))
	}
	return true, errors.Join(err, RemoveAll(tmp))
}

func ignoreAbsent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
