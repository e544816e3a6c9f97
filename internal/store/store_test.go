// SPDX-License-Identifier: BSD-3-Clause

package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"timens-vmtest/internal/store/storetest"
)

// patient are limits for what ends by itself, also on a machine with much else to do.
var patient = limits{connect: time.Minute, idle: time.Minute, get: 5 * time.Minute, put: 5 * time.Minute, list: 1 << 20, object: 1 << 20}

// files are those of an entry.
var files = map[string]string{"vmlinux": strings.Repeat("kernel ", 50_000), "config": "CONFIG_X=y\n", "gcov/kernel/fork.gcno": "notes", "large": strings.Repeat("x", 100)}

// entryOf makes a folder with files. The file vmlinux is executable.
func entryOf(t *testing.T, files map[string]string) (dir string, names []string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(dir, "vmlinux"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir, slices.Sorted(maps.Keys(files))
}

// says keeps what a store says.
type says []string

func (s *says) say(format string, args ...any) { *s = append(*s, fmt.Sprintf(format, args...)) }

// got returns the files that Get copies, by their names, or nil.
func got(t *testing.T, s *Store, say Say, key string, want func(string) bool) map[string]string {
	t.Helper()
	dir := t.TempDir()
	_, ok := s.Get(t.Context(), say, key, "this kernel", dir, want)
	if !ok {
		return nil
	}
	all := make(map[string]string)
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(filepath.Join(dir, name))
		all[name] = string(text)
		if info, err := d.Info(); err != nil || (info.Mode()&0o100 != 0) != (name == "vmlinux") {
			t.Errorf("%s has mode %v, %v", name, info.Mode(), err)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func everything(string) bool { return true }

// open opens a store with the limits of tests.
func open(t *testing.T, where string) *Store {
	t.Helper()
	s, err := Open(where)
	if err != nil {
		t.Fatal(err)
	}
	s.limits = patient
	return s
}

// kinds are stores in a folder, by how they are reached.
func kinds(t *testing.T) map[string]func(dir string) *Store {
	t.Setenv("NETRC", filepath.Join(t.TempDir(), "none"))
	server := func(raw bool) func(dir string) *Store {
		return func(dir string) *Store {
			s := httptest.NewServer(storetest.Server{Dir: dir, Raw: raw})
			t.Cleanup(s.Close)
			return open(t, s.URL+"/")
		}
	}
	return map[string]func(dir string) *Store{
		"folder":                func(dir string) *Store { return open(t, dir) },
		"server":                server(false),
		"server without checks": server(true),
	}
}

// What one machine puts into a store, another gets out of it.
func TestShare(t *testing.T) {
	for kind, at := range kinds(t) {
		t.Run(kind, func(t *testing.T) {
			var said says
			dir, key := t.TempDir(), Key("kernel", "a")
			if all := got(t, at(dir), said.say, key, everything); all != nil || said != nil {
				t.Fatalf("an empty store: got %v, said %q", all, said)
			}
			from, names := entryOf(t, files)
			if !at(dir).Put(t.Context(), said.say, key, "this kernel", from, names) {
				t.Fatalf("not put: %q", said)
			}
			s := at(dir)
			if all := got(t, s, said.say, key, everything); !maps.Equal(all, files) {
				t.Errorf("got %v", slices.Collect(maps.Keys(all)))
			}
			if all := got(t, s, said.say, Key("kernel", "b"), everything); all != nil {
				t.Error("another key has the entry, too")
			}
			if said != nil {
				t.Errorf("it said %q", said)
			}
		})
	}
}

// A file that is not wanted now can be fetched later.
func TestFetch(t *testing.T) {
	for kind, at := range kinds(t) {
		t.Run(kind, func(t *testing.T) {
			var said says
			key := Key("kernel", "a")
			from, names := entryOf(t, files)
			s := at(t.TempDir())
			s.Put(t.Context(), said.say, key, "this kernel", from, names)
			dir := t.TempDir()
			all, ok := s.Get(t.Context(), said.say, key, "this kernel", dir, func(name string) bool { return name == "config" })
			found, err := os.ReadDir(dir)
			if !ok || err != nil || len(found) != 1 || found[0].Name() != "config" {
				t.Fatalf("got %v, %v, %v, want config alone; said %q", ok, found, err, said)
			}
			at := slices.IndexFunc(all, func(f File) bool { return f.Name == "vmlinux" })
			to := filepath.Join(dir, "later")
			if err := s.Fetch(t.Context(), said.say, all[at], "the kernel", to); err != nil {
				t.Fatal(err)
			}
			if text, err := os.ReadFile(to); err != nil || string(text) != files["vmlinux"] {
				t.Errorf("got %d bytes, %v", len(text), err)
			}
			gone := all[at]
			gone.SHA256 = strings.Repeat("0", 64)
			if err := s.Fetch(t.Context(), said.say, gone, "the kernel", filepath.Join(dir, "none")); err == nil || !strings.Contains(err.Error(), "its contents are not there") {
				t.Errorf("contents that there are not: %v", err)
			}
			if want := []string{"fetch the kernel from " + s.String(), "fetch the kernel from " + s.String()}; !slices.Equal(said, want) {
				t.Errorf("it said %q", said)
			}
		})
	}
}

// Answers are entries, too.
func TestAnswer(t *testing.T) {
	var said says
	s, key := open(t, t.TempDir()), Key("abi", "a")
	type answer struct{ N int }
	var into answer
	if s.Recall(t.Context(), said.say, key, "an answer", &into) || !s.Keep(t.Context(), said.say, key, "an answer", answer{7}) {
		t.Fatalf("said %q", said)
	}
	if !s.Recall(t.Context(), said.say, key, "an answer", &into) || into.N != 7 || said != nil {
		t.Errorf("got %+v, said %q", into, said)
	}
	dir, _ := entryOf(t, map[string]string{"vmlinux": "", "answer.json": `{"N": 8}`})
	other := Key("abi", "b")
	s.Put(t.Context(), said.say, other, "an answer", dir, []string{"answer.json"})
	if s.Recall(t.Context(), said.say, other, "an answer", &into) || into.N != 7 || len(said) != 1 || !strings.Contains(said[0], "damaged") {
		t.Errorf("an answer without a seal: got %+v, said %q", into, said)
	}
}

// No store has nothing, and takes nothing.
func TestNoStore(t *testing.T) {
	var s *Store
	var said says
	if _, ok := s.Get(t.Context(), said.say, "", "", t.TempDir(), everything); ok || s.Put(t.Context(), said.say, "", "", "", nil) || s.Recall(t.Context(), said.say, "", "", nil) || s.Keep(t.Context(), said.say, "", "", nil) {
		t.Error("there is something in it")
	}
	if err := s.Fetch(t.Context(), said.say, File{}, "", ""); err == nil || s.String() != "" || said != nil {
		t.Errorf("got %v, %q, %q", err, s, said)
	}
}

// What holds for ever is given up, and so is what moves too slowly.
func TestGivenUp(t *testing.T) {
	for what, tc := range map[string]struct {
		idle, total time.Duration
		op          func(ctx context.Context, moved func()) (int, error)
		want        string
	}{
		"dead": {50 * time.Millisecond, time.Minute, func(context.Context, func()) (int, error) { select {} }, "nothing moves for 50ms"},
		"slow": {time.Minute, 200 * time.Millisecond, func(ctx context.Context, moved func()) (int, error) {
			for ctx.Err() == nil {
				moved()
				time.Sleep(time.Millisecond)
			}
			return 0, ctx.Err()
		}, "it takes longer than 200ms"},
		"wrong": {time.Minute, time.Minute, func(context.Context, func()) (int, error) { return 0, io.ErrNoProgress }, io.ErrNoProgress.Error()},
	} {
		if _, err := do(t.Context(), tc.idle, tc.total, tc.op); err == nil || err.Error() != tc.want {
			t.Errorf("%s: got %v, want %s", what, err, tc.want)
		}
	}
}

// An operation that was given up writes nothing more when it goes on.
func TestGivenUpWritesNothing(t *testing.T) {
	var said says
	dir, key := t.TempDir(), Key("kernel", "a")
	from, names := entryOf(t, files)
	s := open(t, dir)
	s.Put(t.Context(), said.say, key, "this kernel", from, names)
	s.limits.idle = 200 * time.Millisecond
	held := &holding{place: s.place, reached: make(chan struct{}), goOn: make(chan struct{}), over: make(chan struct{})}
	s.place = held
	to := filepath.Join(t.TempDir(), "entry")
	if err := os.Mkdir(to, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, ok := s.Get(t.Context(), said.say, key, "this kernel", to, everything); ok || len(said) != 1 {
		t.Fatalf("got %v, said %q", ok, said)
	}
	<-held.reached
	if err := errors.Join(os.RemoveAll(to), os.Mkdir(to, 0o755)); err != nil { // as the next build does
		t.Fatal(err)
	}
	close(held.goOn)
	<-held.over
	time.Sleep(50 * time.Millisecond)
	if found, err := os.ReadDir(to); err != nil || len(found) > 0 {
		t.Errorf("the folder has %v, %v", found, err)
	}
}

// holding is a place that holds its reader at the first contents.
type holding struct {
	place
	reached, goOn, over chan struct{}
}

func (h *holding) get(ctx context.Context, path string) (io.ReadCloser, error) {
	if strings.HasPrefix(path, "ac/") {
		return h.place.get(ctx, path)
	}
	close(h.reached)
	<-h.goOn
	defer close(h.over)
	return h.place.get(ctx, path)
}

// An interrupted user is told nothing, and the store has not failed.
func TestInterrupted(t *testing.T) {
	var said says
	s := open(t, filepath.Join(t.TempDir(), "none"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	from, names := entryOf(t, files)
	if _, ok := s.Get(ctx, said.say, Key("kernel", "a"), "this kernel", t.TempDir(), everything); ok || s.Put(ctx, said.say, Key("kernel", "a"), "this kernel", from, names) || said != nil || s.isOff() {
		t.Errorf("got %v, said %q, off %v", ok, said, s.isOff())
	}
}

// The list is the ActionResult that others read, and ours is read with what they add.
func TestResult(t *testing.T) {
	key := Key("kernel", "a")
	want := []File{{"vmlinux", true, strings.Repeat("a", 64), 7}, {"gcov/a.gcno", false, strings.Repeat("b", 64), 1 << 33}}
	r, err := storetest.Parse(encode(key, want))
	if err != nil || fmt.Sprint(r.Files) != fmt.Sprintf("[{vmlinux.zst %s 7 true} {gcov/a.gcno.zst %s 8589934592 false}]", want[0].SHA256, want[1].SHA256) || r.Stdout != label(key) {
		t.Errorf("others read %+v, %v", r, err)
	}
	r.Worker = "192.0.2.7:1"
	if all, err := decode(key, r.Text(t)); err != nil || !slices.Equal(all, want) {
		t.Errorf("got %+v, %v", all, err)
	}
}

// Whatever a list is, it is read or refused, and no name in it leads out of the folder.
func FuzzDecode(f *testing.F) {
	key := Key("kernel", "a")
	f.Add(encode(key, []File{{"a/b", true, strings.Repeat("a", 64), 7}}))
	f.Add([]byte("<html>"))
	f.Fuzz(func(t *testing.T, text []byte) {
		all, err := decode(key, text)
		for _, file := range all {
			if err == nil && (!filepath.IsLocal(file.Name) || strings.Contains(file.Name, "..") && filepath.Clean(file.Name) != file.Name) {
				t.Errorf("%q from %q", file.Name, text)
			}
		}
		if err == nil && !bytes.Contains(text, []byte(label(key))) {
			t.Errorf("%q is taken", text)
		}
	})
}
