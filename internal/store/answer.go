// SPDX-License-Identifier: BSD-3-Clause

package store

import (
	"context"
	"os"
	"path/filepath"

	"timens-vmtest/internal/cache"
)

// answerFile is the only file of an entry that is an answer.
const answerFile = "answer.json"

// Recall reads an answer that Keep has put under a key into the value that into points to. It
// returns false if the store does not have it, or if something is wrong; say is told what is
// wrong.
func (s *Store) Recall(ctx context.Context, say Say, key, what string, into any) bool {
	if s.isOff() {
		return false
	}
	dir, err := os.MkdirTemp("", "vmtest-store-")
	if err != nil {
		return false // whoever finds the answer will have the same trouble, and say it
	}
	defer os.RemoveAll(dir)
	if _, ok := s.Get(ctx, say, key, what, dir, func(name string) bool { return name == answerFile }); !ok {
		return false
	}
	if err := cache.ReadSealed(filepath.Join(dir, answerFile), into); err != nil {
		s.Refuse(say, key, what, err)
		return false
	}
	return true
}

// Keep puts an answer into the store. It does what Put does.
func (s *Store) Keep(ctx context.Context, say Say, key, what string, answer any) bool {
	if s.isOff() {
		return false
	}
	dir, err := os.MkdirTemp("", "vmtest-store-")
	if err != nil {
		say("%s is not put into the store %s: %v", what, s, err)
		return false
	}
	defer os.RemoveAll(dir)
	if err := cache.WriteSealed(filepath.Join(dir, answerFile), answer); err != nil {
		say("%s is not put into the store %s: %v", what, s, err)
		return false
	}
	return s.Put(ctx, say, key, what, dir, []string{answerFile})
}
