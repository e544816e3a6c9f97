// SPDX-License-Identifier: BSD-3-Clause

// Package store shares what was made between machines. A store is a folder, such as one on
// NFS, or an HTTP server that speaks the protocol of bazel-remote. An entry of a store is a
// list of files under a key, ac/KEY, and the contents of each file, cas/SHA256. Contents
// are verified when they arrive. Whatever is wrong with a store, its user makes for
// himself what he does not get.
package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"timens-vmtest/internal/cache"
)

// Store is a folder or a server that machines share. Open returns one. The methods of a nil
// Store do nothing: it has no entry and takes none. After the first failure a Store is not
// asked again.
type Store struct {
	name   string
	place  place
	limits limits

	mu      sync.Mutex
	off     bool             // it has failed
	damaged map[string]error // what is wrong with entries and contents that are to be replaced, by key and digest
}

// place is where the objects of a store are. The path of an object is ac/KEY or cas/SHA256.
type place interface {
	// get opens an object. The error is errNone if there is no such object.
	get(ctx context.Context, path string) (io.ReadCloser, error)
	// has reports whether there is an object of that size.
	has(ctx context.Context, path string, size int64) (bool, error)
	// put writes an object. A reader sees the whole object or none.
	put(ctx context.Context, path string, size int64, from io.Reader) error
}

// errNone is the error that a store has no such object.
var errNone = errors.New("it is not there")

// limits bound what a store can cost.
type limits struct {
	connect  time.Duration // until a server has taken the connection
	idle     time.Duration // in which nothing moves
	get, put time.Duration // for one entry
	list     int64         // bytes of a list of files
	object   int64         // bytes of all contents of an entry, packed, and of one of them, unpacked
}

// usual is for a kernel of 85 MB, which is packed to a third of that, and takes minutes to build.
var usual = limits{connect: 5 * time.Second, idle: 15 * time.Second, get: 2 * time.Minute, put: 4 * time.Minute, list: 1 << 20, object: 4 << 30}

// damage is the error that an entry is not what it should be. The store itself may be sound.
type damage struct{ err error }

func damagef(format string, args ...any) error { return &damage{fmt.Errorf(format, args...)} }

func (d *damage) Error() string { return d.err.Error() }

// Say tells the user something. Its arguments are those of fmt.Sprintf.
type Say func(format string, args ...any)

// Key returns the key of an entry: a digest of its kind, and of the digest of all that it is made
// of.
func Key(kind, inputs string) string { return cache.Digest("timens-vmtest store", "1", kind, inputs) }

// String returns the folder or the address of the store.
func (s *Store) String() string {
	if s == nil {
		return ""
	}
	return s.name
}

// Get copies the files of an entry that want wants to the empty folder dir, and returns what the
// entry lists. what names the entry for the user. Get returns false if there is no such entry,
// or if something is wrong; say is told what is wrong.
func (s *Store) Get(ctx context.Context, say Say, key, what, dir string, want func(name string) bool) ([]File, bool) {
	if s.isOff() || s.damage(key) != nil {
		return nil, false
	}
	files, err := do(ctx, s.limits.idle, s.limits.get, func(ctx context.Context, moved func()) ([]File, error) {
		// What was given up writes nothing more: the folder is found by its descriptor.
		root, err := os.OpenRoot(dir)
		if err != nil {
			return nil, err
		}
		defer root.Close()
		files, err := s.list(ctx, key, moved)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			if !want(f.Name) {
				continue
			}
			if err := s.load(ctx, f, root, moved); err != nil {
				return nil, fmt.Errorf("%s: %w", f.Name, err)
			}
		}
		return files, nil
	})
	_, wrong := errors.AsType[*damage](err)
	switch {
	case err == nil:
		return files, true
	case ctx.Err() != nil || err == errNone:
	case wrong:
		s.Refuse(say, key, what, err)
	case s.fail():
		say("the store %s: %v; %s is made here, and the store is not asked again", s, err, what)
	}
	return nil, false
}

// Refuse tells the user that an entry is damaged. The next Put of this key replaces it.
func (s *Store) Refuse(say Say, key, what string, err error) {
	s.replace(key, err)
	say("the store %s: its entry of %s is damaged (%v); it is made here", s.name, what, err)
}

// Fetch copies the contents of one file of an entry to the file to, which does not exist. what
// names the file for the user, whom say tells that it is fetched.
func (s *Store) Fetch(ctx context.Context, say Say, f File, what, to string) error {
	if s.isOff() {
		return fmt.Errorf("the store %s is not asked again", s)
	}
	if err := s.damage(f.SHA256); err != nil {
		return fmt.Errorf("the store %s: %w", s, err)
	}
	say("fetch %s from %s", what, s)
	_, err := do(ctx, s.limits.idle, s.limits.get, func(ctx context.Context, moved func()) (none struct{}, err error) {
		root, err := os.OpenRoot(filepath.Dir(to))
		if err != nil {
			return none, err
		}
		defer root.Close()
		f.Name = filepath.Base(to)
		return none, s.load(ctx, f, root, moved)
	})
	if err == nil {
		return nil
	}
	if _, wrong := errors.AsType[*damage](err); wrong {
		s.replace(f.SHA256, err)
	} else if ctx.Err() == nil {
		s.fail()
	}
	return fmt.Errorf("the store %s: %w", s, err)
}

// Put gives an entry to the store: the files with these names in the folder dir. Nobody sees an
// entry that is not whole. If the store does not take the entry, Put returns false and say is
// told why.
func (s *Store) Put(ctx context.Context, say Say, key, what, dir string, names []string) bool {
	if s.isOff() {
		return false
	}
	packed, err := os.MkdirTemp("", "vmtest-store-")
	if err != nil {
		say("%s is not put into the store %s: %v", what, s, err)
		return false
	}
	defer os.RemoveAll(packed)
	var files []File
	for i, name := range names {
		f, err := pack(filepath.Join(dir, name), filepath.Join(packed, strconv.Itoa(i)))
		if err != nil {
			say("%s is not put into the store %s: %v", what, s, err)
			return false
		}
		f.Name = name
		files = append(files, f)
	}
	_, err = do(ctx, s.limits.idle, s.limits.put, func(ctx context.Context, moved func()) (none struct{}, err error) {
		for i, f := range files {
			replace := s.damage(key) != nil || s.damage(f.SHA256) != nil
			if err := s.save(ctx, f, filepath.Join(packed, strconv.Itoa(i)), replace, moved); err != nil {
				return none, err
			}
		}
		text := encode(key, files)
		return none, s.place.put(ctx, listPath(key), int64(len(text)), moving{bytes.NewReader(text), moved})
	})
	if err != nil {
		if ctx.Err() == nil && s.fail() {
			say("%s is not put into the store %s: %v; the store is not asked again", what, s, err)
		}
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.damaged, key)
	for _, f := range files {
		delete(s.damaged, f.SHA256)
	}
	return true
}

// list reads the list of the files of an entry.
func (s *Store) list(ctx context.Context, key string, moved func()) ([]File, error) {
	in, err := s.place.get(ctx, listPath(key))
	if err != nil {
		return nil, err
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(moving{in, moved}, s.limits.list+1))
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, damagef("its list is cut off")
	case err != nil:
		return nil, err
	case int64(len(text)) > s.limits.list:
		return nil, damagef("its list is longer than %d bytes", s.limits.list)
	}
	files, err := decode(key, text)
	if err != nil {
		return nil, &damage{err}
	}
	left := s.limits.object
	for _, f := range files {
		if f.Bytes > left {
			return nil, damagef("its files have more than %d bytes", s.limits.object)
		}
		left -= f.Bytes
	}
	return files, nil
}

// save puts the contents of a file, unless the store has them.
func (s *Store) save(ctx context.Context, f File, from string, replace bool, moved func()) error {
	if !replace {
		there, err := s.place.has(ctx, contentPath(f.SHA256), f.Bytes)
		if there || err != nil {
			return err
		}
		moved()
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	err = s.place.put(ctx, contentPath(f.SHA256), f.Bytes, moving{in, moved})
	moved()
	return err
}

func listPath(key string) string       { return "ac/" + key }
func contentPath(sha256 string) string { return "cas/" + sha256 }

func (s *Store) isOff() bool {
	if s == nil {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.off
}

// fail notes that the store has failed. It returns false if that was known.
func (s *Store) fail() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.off
	s.off = true
	return !was
}

// replace notes that an entry or contents are damaged. They are not asked for again, and the next Put
// replaces them.
func (s *Store) replace(key string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.damaged == nil {
		s.damaged = make(map[string]error)
	}
	s.damaged[key] = err
}

// damage returns what is wrong with an entry or with contents; nil: nothing is known.
func (s *Store) damage(key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.damaged[key]
}

// do runs op, and gives it up when ctx ends, when it takes longer than total, or when it has not called
// moved for as long as idle. A file of a dead NFS server holds op for as long as it likes.
func do[T any](ctx context.Context, idle, total time.Duration, op func(ctx context.Context, moved func()) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, total, fmt.Errorf("it takes longer than %v", total))
	defer cancel()
	ctx, stall := context.WithCancelCause(ctx)
	defer stall(nil)
	timer := time.AfterFunc(idle, func() { stall(fmt.Errorf("nothing moves for %v", idle)) })
	defer timer.Stop()
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := op(ctx, func() { timer.Reset(idle) })
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		if r.err != nil && ctx.Err() != nil {
			r.err = context.Cause(ctx)
		}
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}

// moving is a reader that says when something moves.
type moving struct {
	io.Reader
	moved func()
}

func (m moving) Read(p []byte) (int, error) {
	n, err := m.Reader.Read(p)
	if n > 0 {
		m.moved()
	}
	return n, err
}
