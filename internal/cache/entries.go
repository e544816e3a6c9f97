// SPDX-License-Identifier: BSD-3-Clause

package cache

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Entry is one thing in the cache that Prune may remove.
type Entry struct {
	Kind  EntryKind
	Key   string
	What  string // for a person; "" if nobody said it
	Bytes int64
	Used  time.Time // the last time

	left bool // by a process that was killed: no entry, or half of one
}

// Entries returns all entries. The first was not used for the longest time. A file that
// entries share by hard links counts for the source or the repository that it is from.
func (c Cache) Entries() ([]Entry, error) {
	var all []Entry
	for _, k := range kinds {
		found, err := os.ReadDir(filepath.Join(c.Dir, string(k)))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, f := range found {
			name, left := strings.CutPrefix(f.Name(), scratch)
			key, ok := strings.CutSuffix(name, k.ending())
			if f.IsDir() == (k == Answer) || !ok && !left {
				continue // a file beside the entries
			}
			e := Entry{Kind: k, Key: key, left: left}
			if err := c.look(&e); errors.Is(err, fs.ErrNotExist) {
				continue // another process has just removed it
			} else if err != nil {
				return nil, err
			}
			all = append(all, e)
		}
	}
	slices.SortStableFunc(all, func(x, y Entry) int { return x.Used.Compare(y.Used) })
	return all, nil
}

// path returns where the entry is.
func (c Cache) path(e Entry) string {
	if e.left {
		return filepath.Join(c.Dir, string(e.Kind), scratch+e.Key)
	}
	return c.entry(e.Kind, e.Key)
}

// look finds out size and last use of an entry.
func (c Cache) look(e *Entry) error {
	info, err := os.Lstat(c.path(*e))
	if err != nil {
		return err
	}
	e.Used, e.Bytes = info.ModTime(), onDisk(info)
	if e.Kind == Answer {
		return nil
	}
	if e.left {
		e.Used, e.Bytes = time.Time{}, e.count(c.path(*e)) // it goes first
		return nil
	}
	if info, err := os.Stat(c.useFile(e.Kind, e.Key)); err == nil {
		e.Used = info.ModTime()
	}
	a := c.about(e.Kind, e.Key)
	e.What, e.Bytes = a.What, a.Bytes
	if e.Bytes > 0 {
		return nil
	}
	// Nobody may change what is counted for the next time.
	unlock, free, err := c.tryLock(e.Kind.lock(e.Key))
	if err != nil {
		return err
	}
	defer unlock()
	e.Bytes = e.count(c.path(*e))
	if !free {
		return nil
	}
	a.Bytes = e.Bytes
	return WriteJSON(c.aboutFile(e.Kind, e.Key), a)
}

// count returns the bytes on disk of a folder. What vanishes in the meantime, or cannot be
// read, counts nothing.
func (e Entry) count(dir string) (bytes int64) {
	shared := e.Kind == Source || e.Kind == Repository
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		if s, ok := info.Sys().(*syscall.Stat_t); ok && (shared || d.IsDir() || s.Nlink == 1) {
			bytes += onDisk(info)
		}
		return nil
	})
	return bytes
}

func onDisk(info fs.FileInfo) int64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Blocks * 512
	}
	return info.Size()
}

// tryLock takes a lock if no other process holds it, and says whether it did. unlock is
// never nil.
func (c Cache) tryLock(name string) (unlock func(), free bool, err error) {
	path := filepath.Join(c.Dir, "locks", name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return func() {}, false, err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return func() {}, false, err
	}
	for {
		if err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != unix.EINTR {
			break
		}
	}
	switch {
	case err == nil:
		return func() { f.Close() }, true, nil // the lock goes with the file
	case err == unix.EWOULDBLOCK:
		err = nil
	default:
		err = &fs.PathError{Op: "flock", Path: path, Err: err}
	}
	return func() {}, false, cmp.Or(err, f.Close())
}
