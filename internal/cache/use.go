// SPDX-License-Identifier: BSD-3-Clause

package cache

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// EntryKind is a kind of entries that Prune may remove, and the name of their folder.
type EntryKind string

// The kinds of entries.
const (
	Kernel     EntryKind = "kernel"
	Work       EntryKind = "work" // folders that kernels are built in
	Source     EntryKind = "base" // kernel sources
	Repository EntryKind = "git"
	Guest      EntryKind = "guest" // programs of the guest
	Selftests  EntryKind = "selftests"
	Ccache     EntryKind = "ccache" // what ccache keeps
	Answer     EntryKind = "answers"
	Run        EntryKind = "runs" // that have passed
)

var kinds = []EntryKind{Kernel, Work, Source, Repository, Guest, Selftests, Ccache, Answer, Run}

// lock returns the name of the lock of an entry.
func (k EntryKind) lock(key string) string {
	if k == Answer {
		return "answer-" + key
	}
	return string(k) + "-" + key
}

// ending is behind the key in the name of an entry's folder or file.
func (k EntryKind) ending() string {
	switch k {
	case Repository:
		return ".git"
	case Answer:
		return ".json"
	}
	return ""
}

func (c Cache) entry(k EntryKind, key string) string {
	return filepath.Join(c.Dir, string(k), key+k.ending())
}

// Uses are the entries that a program uses. Nothing removes them before the program ends
// or calls Close. The zero value is ready.
type Uses struct {
	mu   sync.Mutex
	held map[string]*os.File // by path; each has a shared lock
}

// hold keeps a shared lock of a file.
func (u *Uses) hold(path string) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.held[path] != nil {
		return nil
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	for {
		if err = unix.Flock(int(f.Fd()), unix.LOCK_SH); err != unix.EINTR {
			break
		}
	}
	if err != nil {
		return errors.Join(&os.PathError{Op: "flock", Path: path, Err: err}, f.Close())
	}
	if u.held == nil {
		u.held = make(map[string]*os.File)
	}
	u.held[path] = f
	return nil
}

// Close says that the entries are not used any more.
func (u *Uses) Close() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	var all error
	for _, f := range u.held {
		all = errors.Join(all, f.Close())
	}
	u.held = nil
	return all
}

// useFile is locked by the users of an entry. The time of its last change is that of the
// entry's last use.
func (c Cache) useFile(k EntryKind, key string) string {
	return filepath.Join(c.Dir, "locks", "use-"+k.lock(key))
}

// about is what is known of an entry.
type about struct {
	What  string `json:"what"`  // for a person
	Bytes int64  `json:"bytes"` // 0 if they have to be counted
}

func (c Cache) aboutFile(k EntryKind, key string) string {
	return filepath.Join(c.Dir, "used", k.lock(key)+".json")
}

// about returns the zero value if nothing is known.
func (c Cache) about(k EntryKind, key string) about {
	var a about
	text, err := os.ReadFile(c.aboutFile(k, key))
	if err == nil && json.Unmarshal(text, &a) != nil {
		a = about{} // damaged
	}
	return a
}

// Use says that an entry is used now. If c.Uses is set, nothing removes the entry until
// those end. what says what the entry is; "" leaves what was said. The caller holds the
// lock of the entry.
func (c Cache) Use(k EntryKind, key, what string) error { return c.use(k, key, what, false) }

// Wrote is Use of an entry whose size has changed.
func (c Cache) Wrote(k EntryKind, key, what string) error { return c.use(k, key, what, true) }

func (c Cache) use(k EntryKind, key, what string, wrote bool) error {
	path := c.useFile(k, key)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	uses := c.Uses
	if uses == nil { // the file is made, and not held
		uses = new(Uses)
		defer uses.Close()
	}
	if err := uses.hold(path); err != nil {
		return err
	}
	now := time.Now()
	if err := os.Chtimes(path, now, now); err != nil {
		return err
	}
	old := c.about(k, key)
	a := old
	if what != "" {
		a.What = what
	}
	if wrote {
		a.Bytes = 0
	}
	if a == old {
		return nil
	}
	return WriteJSON(c.aboutFile(k, key), a)
}
