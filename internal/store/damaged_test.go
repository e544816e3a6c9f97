// SPDX-License-Identifier: BSD-3-Clause

package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"timens-vmtest/internal/store/storetest"
)

// stored is an entry in the folder of a store, for tests that damage it.
type stored struct {
	t   *testing.T
	dir string
	key string
}

func (s stored) list() string { return filepath.Join(s.dir, "ac", s.key) }

func (s stored) read(path string) []byte {
	s.t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}

func (s stored) write(path string, text []byte) {
	s.t.Helper()
	if err := os.WriteFile(path, text, 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// file is the first file of the list, and the path of its contents.
func (s stored) file() (storetest.File, string) {
	s.t.Helper()
	r, err := storetest.Parse(s.read(s.list()))
	if err != nil {
		s.t.Fatal(err)
	}
	return r.Files[0], filepath.Join(s.dir, "cas", r.Files[0].Hash)
}

// change changes the list.
func (s stored) change(how func(r *storetest.Result)) {
	s.t.Helper()
	r, err := storetest.Parse(s.read(s.list()))
	if err != nil {
		s.t.Fatal(err)
	}
	how(&r)
	s.write(s.list(), r.Text(s.t))
}

// contents changes the contents of the first file.
func (s stored) contents(how func(text []byte) []byte) {
	_, path := s.file()
	s.write(path, how(s.read(path)))
}

// instead puts other contents in the place of those of the first file, with their own digest.
func (s stored) instead(text []byte) {
	sum := sha256.Sum256(text)
	s.change(func(r *storetest.Result) {
		r.Files[0].Hash, r.Files[0].Size = hex.EncodeToString(sum[:]), int64(len(text))
	})
	s.write(filepath.Join(s.dir, "cas", hex.EncodeToString(sum[:])), text)
}

// faults are what an entry can suffer, and what is said of it.
var faults = map[string]struct {
	do   func(s stored)
	want string
}{
	"wrong bytes":     {func(s stored) { s.contents(func(text []byte) []byte { text[len(text)/2] ^= 1; return text }) }, "its contents have SHA-256"},
	"truncated":       {func(s stored) { s.contents(func(text []byte) []byte { return text[:len(text)-1] }) }, "bytes came of"},
	"too long":        {func(s stored) { s.contents(func(text []byte) []byte { return append(text, 'x') }) }, "more than"},
	"empty contents":  {func(s stored) { s.contents(func([]byte) []byte { return nil }) }, "0 bytes came of"},
	"no contents":     {func(s stored) { _, path := s.file(); os.Remove(path) }, "its contents are not there"},
	"empty list":      {func(s stored) { s.write(s.list(), nil) }, "of something else"},
	"a page":          {func(s stored) { s.write(s.list(), []byte("<!DOCTYPE html><title>Log in</title>")) }, "its list"},
	"half a list":     {func(s stored) { text := s.read(s.list()); s.write(s.list(), text[:len(text)-10]) }, "its list cannot be read"},
	"another program": {func(s stored) { s.change(func(r *storetest.Result) { r.Stdout = "compiled\n" }) }, "of something else"},
	"another version": {func(s stored) {
		s.change(func(r *storetest.Result) { r.Stdout = strings.Replace(r.Stdout, "store 1", "store 2", 1) })
	}, "of another version"},
	"another key": {func(s stored) { s.change(func(r *storetest.Result) { r.Stdout = label(Key("kernel", "b")) }) }, "of something else"},
	"no files":    {func(s stored) { s.change(func(r *storetest.Result) { r.Files = nil }) }, "its list has 0 files"},
	"up":          {func(s stored) { s.change(func(r *storetest.Result) { r.Files[0].Path = "../x.zst" }) }, `its list has a file "../x.zst"`},
	"up and down": {func(s stored) { s.change(func(r *storetest.Result) { r.Files[0].Path = "a/../../x.zst" }) }, "its list has a file"},
	"detour":      {func(s stored) { s.change(func(r *storetest.Result) { r.Files[0].Path = "a/../x.zst" }) }, "its list has a file"},
	"absolute":    {func(s stored) { s.change(func(r *storetest.Result) { r.Files[0].Path = "/etc/x.zst" }) }, "its list has a file"},
	"not packed":  {func(s stored) { s.change(func(r *storetest.Result) { r.Files[0].Path = "vmlinux" }) }, "its list has a file"},
	"backslash":   {func(s stored) { s.change(func(r *storetest.Result) { r.Files[0].Path = `a\b.zst` }) }, "its list has a file"},
	"hidden":      {func(s stored) { s.change(func(r *storetest.Result) { r.Files[0].Path = "a/.b.zst" }) }, "its list has a file"},
	"no name":     {func(s stored) { s.change(func(r *storetest.Result) { r.Files[0].Path = ".zst" }) }, "its list has a file"},
	"twice":       {func(s stored) { s.change(func(r *storetest.Result) { r.Files[0].Path = r.Files[1].Path }) }, "its list has two files"},
	"a folder, too": {func(s stored) {
		s.change(func(r *storetest.Result) {
			r.Files[0].Path = strings.TrimSuffix(r.Files[1].Path, packedName) + "/x.zst"
		})
	}, "its list has a file"},
	"digest": {func(s stored) { s.change(func(r *storetest.Result) { r.Files[0].Hash = strings.Repeat("G", 64) }) }, "its list has the digest"},
	"digest path": {func(s stored) {
		s.change(func(r *storetest.Result) { r.Files[0].Hash = "../ac/" + strings.Repeat("0", 58) })
	}, "its list has the digest"},
	"no size":       {func(s stored) { s.change(func(r *storetest.Result) { r.Files[0].Size = 0 }) }, "of 0 bytes"},
	"negative size": {func(s stored) { s.change(func(r *storetest.Result) { r.Files[0].Size = -1 }) }, ""},
	"huge size":     {func(s stored) { s.change(func(r *storetest.Result) { r.Files[0].Size = 1 << 60 }) }, "its files have more than 1048576 bytes"},
	"huge list":     {func(s stored) { s.write(s.list(), make([]byte, 2<<20)) }, "its list is longer than 1048576 bytes"},
	"not zstd":      {func(s stored) { s.instead([]byte("plain text")) }, "its contents cannot be unpacked"},
	"bomb":          {func(s stored) { s.instead(bomb(s.t)) }, "its contents have more than 1048576 bytes"},
}

// bomb is 64 MB in a few bytes.
func bomb(t *testing.T) []byte {
	t.Helper()
	var packed bytes.Buffer
	z, err := zstd.NewWriter(&packed)
	if err == nil {
		_, err = z.Write(make([]byte, 64<<20))
		err = errors.Join(err, z.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

// A damaged entry is refused and said, and what the user makes himself replaces it. A server that verifies
// lists does not show some of them.
func TestDamaged(t *testing.T) {
	for kind, at := range kinds(t) {
		for what, fault := range faults {
			t.Run(kind+"/"+what, func(t *testing.T) {
				var said says
				s := stored{t, t.TempDir(), Key("kernel", "a")}
				from, names := entryOf(t, files)
				if !at(s.dir).Put(t.Context(), said.say, s.key, "this kernel", from, names) {
					t.Fatalf("not put: %q", said)
				}
				fault.do(s)
				there := at(s.dir)
				if all := got(t, there, said.say, s.key, everything); all != nil {
					t.Fatalf("it was taken, said %q", said)
				}
				hidden := kind == "server" && said == nil
				if !hidden && (len(said) != 1 || !strings.Contains(said[0], fault.want) || !strings.HasSuffix(said[0], "it is made here")) {
					t.Errorf("it said %q, want %q", said, fault.want)
				}
				said = nil
				if !there.Put(t.Context(), said.say, s.key, "this kernel", from, names) {
					t.Fatalf("not put again: %q", said)
				}
				if all := got(t, at(s.dir), said.say, s.key, everything); !maps.Equal(all, files) || said != nil {
					t.Errorf("not mended: said %q", said)
				}
			})
		}
	}
}

// Contents that are damaged when they are fetched alone are replaced with the entry.
func TestDamagedFetch(t *testing.T) {
	var said says
	s := stored{t, t.TempDir(), Key("kernel", "a")}
	from, names := entryOf(t, files)
	there := open(t, s.dir)
	there.Put(t.Context(), said.say, s.key, "this kernel", from, names)
	all, _ := there.Get(t.Context(), said.say, s.key, "this kernel", t.TempDir(), func(string) bool { return false })
	s.contents(func(text []byte) []byte { text[len(text)/2] ^= 1; return text })
	to := filepath.Join(t.TempDir(), "x")
	for range 2 {
		if err := there.Fetch(t.Context(), said.say, all[0], "a file", to); err == nil || !strings.Contains(err.Error(), "have SHA-256") {
			t.Errorf("got %v", err)
		}
	}
	if len(said) != 1 {
		t.Errorf("it said %q, want one fetch", said)
	}
	if !there.Put(t.Context(), said.say, s.key, "this kernel", from, names) || !maps.Equal(got(t, there, said.say, s.key, everything), files) {
		t.Errorf("not mended: said %q", said)
	}
	if err := there.Fetch(t.Context(), said.say, all[0], "a file", to+"2"); err != nil {
		t.Error(err)
	}
}

// What is half written is not seen, and stops nobody.
func TestHalfWritten(t *testing.T) {
	var said says
	s := stored{t, t.TempDir(), Key("kernel", "a")}
	for _, dir := range []string{"ac", "cas"} {
		if err := os.MkdirAll(filepath.Join(s.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
		s.write(filepath.Join(s.dir, dir, ".tmp-ABC"), []byte("half"))
		s.write(filepath.Join(s.dir, dir, "README"), []byte("of somebody"))
	}
	there := open(t, s.dir)
	from, names := entryOf(t, files)
	if all := got(t, there, said.say, s.key, everything); all != nil || !there.Put(t.Context(), said.say, s.key, "this kernel", from, names) {
		t.Fatalf("got %v, said %q", all, said)
	}
	if all := got(t, there, said.say, s.key, everything); !maps.Equal(all, files) || said != nil {
		t.Errorf("said %q", said)
	}
}
