// SPDX-License-Identifier: BSD-3-Clause

package source

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host/hosttest"
)

// checkout is a plain tree that a test changes.
type checkout struct {
	*testing.T
	dir string
	in  cache.Cache
}

func newCheckout(t *testing.T) checkout {
	dir := hosttest.Folder(t, map[string]string{"Makefile": "VERSION = 6\n", "a.c": "one\n", "b.c": "one\n"})
	if err := os.Symlink("a.c", filepath.Join(dir, "link.c")); err != nil {
		t.Fatal(err)
	}
	return checkout{t, dir, cache.Cache{Dir: t.TempDir()}}
}

func (c checkout) id() string {
	c.Helper()
	b, _, err := Base{Dir: c.dir}.Identified(c.Context(), c.in, nil)
	if err != nil || b.ID == "" {
		c.Fatalf("ID %q, %v", b.ID, err)
	}
	return b.ID
}

func (c checkout) path(name string) string { return filepath.Join(c.dir, name) }

func (c checkout) must(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

func (c checkout) memory() string {
	return c.in.AnswerFile("digests of the files of " + c.dir)
}

// A checkout is known by its contents, whatever the times of its files.
func TestIdentifiedByContents(t *testing.T) {
	c := newCheckout(t)
	first := c.id()
	later := time.Now().Add(time.Hour)
	for _, change := range []struct {
		name     string
		do, undo func() error
	}{
		{"contents", func() error { return os.WriteFile(c.path("a.c"), []byte("two\n"), 0o644) },
			func() error { return os.WriteFile(c.path("a.c"), []byte("one\n"), 0o644) }},
		{"executable", func() error { return os.Chmod(c.path("a.c"), 0o755) }, func() error { return os.Chmod(c.path("a.c"), 0o644) }},
		{"new file", func() error { return os.WriteFile(c.path("c.c"), nil, 0o644) }, func() error { return os.Remove(c.path("c.c")) }},
		{"other name", func() error { return os.Rename(c.path("b.c"), c.path("c.c")) }, func() error { return os.Rename(c.path("c.c"), c.path("b.c")) }},
		{"target of a link", func() error { return relink("b.c", c.path("link.c")) }, func() error { return relink("a.c", c.path("link.c")) }},
		{"file for a link", func() error { return replace(c.path("link.c"), "a.c") }, func() error { return relink("a.c", c.path("link.c")) }},
	} {
		c.must(change.do())
		if c.id() == first {
			t.Errorf("%s: the ID is that of before", change.name)
		}
		c.must(change.undo())
		c.must(os.Chtimes(c.path("a.c"), later, later))
		if c.id() != first {
			t.Errorf("%s, taken back: the ID is not that of before", change.name)
		}
	}
}

func relink(target, path string) error {
	if err := os.Remove(path); err != nil {
		return err
	}
	return os.Symlink(target, path)
}

func replace(path, text string) error {
	if err := os.Remove(path); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// Only files with new stamps are read. What is remembered of the others is taken only if it
// is whole.
func TestIdentifiedByMemory(t *testing.T) {
	c := newCheckout(t)
	first := c.id()
	_, files, err := Base{Dir: c.dir}.Identified(t.Context(), c.in, nil)
	c.must(err)
	known := readSums(c.memory())
	if len(known) != len(files) {
		t.Fatalf("%d files are remembered, want %d", len(known), len(files))
	}
	known["a.c"] = sum{known["a.c"].stamp, "of another file"}
	c.must(writeSums(c.memory(), known, files, true))
	if c.id() == first {
		t.Error("a.c was read, although its stamp is known")
	}
	text, err := os.ReadFile(c.memory())
	c.must(err)
	c.must(os.WriteFile(c.memory(), append(text, 'x'), 0o644))
	if c.id() != first {
		t.Error("a damaged memory was used")
	}
	c.must(os.Remove(c.memory()))
	if c.id() != first {
		t.Error("the ID without a memory is another one")
	}
}

// A memory that is used is not among what Prune removes first.
func TestIdentifiedSaysUse(t *testing.T) {
	c := newCheckout(t)
	c.id()
	old := time.Now().Add(-time.Hour)
	c.must(os.Chtimes(c.memory(), old, old))
	c.id()
	info, err := os.Stat(c.memory())
	c.must(err)
	if time.Since(info.ModTime()) > time.Hour/2 {
		t.Errorf("the last use is said to be %v", info.ModTime())
	}
}
