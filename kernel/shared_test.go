// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/internal/store"
	"timens-vmtest/kconfig"
	"timens-vmtest/kernel/kbuild"
	"timens-vmtest/kernel/series"
	"timens-vmtest/kernel/source"
)

// machines share the store in a folder, and a base that is known by its digest.
type machines struct {
	t     *testing.T
	store string
	base  source.Spec
}

func newMachines(t *testing.T) machines {
	t.Helper()
	tarball := filepath.Join(t.TempDir(), "linux.tar")
	if out, err := exec.Command("tar", "-cf", tarball, "--transform=s,^\\.,linux,", "-C", hosttest.Folder(t, fakeTree), ".").CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
	sum, err := cache.HashFile(tarball)
	if err != nil {
		t.Fatal(err)
	}
	return machines{t, t.TempDir(), source.Spec{URL: "file://" + tarball, SHA256: sum}}
}

// another is a machine with an empty cache. said keeps what it is told.
func (m machines) another() (w world, said *hosttest.Steps) {
	m.t.Helper()
	w = world{hosttest.New(m.t), m.t, m.t.Context(), source.Base{}}
	said = new(hosttest.Steps)
	w.Report = said
	var err error
	if w.Store, err = store.Open(m.store); err != nil {
		m.t.Fatal(err)
	}
	if w.base, err = m.base.Fetch(w.ctx, w.Host); err != nil {
		m.t.Fatal(err)
	}
	return w, said
}

// spec is a kernel that may be shared.
func (w world) spec() Spec {
	w.t.Helper()
	c, err := kconfig.Parse("frag", []byte(good))
	if err != nil {
		w.t.Fatal(err)
	}
	return Spec{Tree: w.tree(), Config: c, Share: true}
}

func (w world) builds(s Spec) Image {
	w.t.Helper()
	image, err := Build(w.ctx, w.Host, s)
	if err != nil {
		w.t.Fatal(err)
	}
	return image
}

// made reports whether make has built a kernel on the machine.
func (w world) made() bool {
	found, err := filepath.Glob(filepath.Join(w.Cache.Dir, "work", "*", "out", "vmlinux"))
	return err != nil || len(found) > 0
}

// objects returns the paths of what is in the store.
func (m machines) objects() (all []string) {
	m.t.Helper()
	err := fs.WalkDir(os.DirFS(m.store), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all = append(all, filepath.Join(m.store, path))
		}
		return err
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return all
}

// What one machine has built, another takes from the store, and the debug information when it is
// needed.
func TestStore(t *testing.T) {
	m := newMachines(t)
	first, _ := m.another()
	built := first.builds(first.spec())
	if built.Cached || built.From != "" || !built.Shared() {
		t.Fatalf("the first machine: %+v", built)
	}

	w, said := m.another()
	s := w.spec()
	s.Log = filepath.Join(t.TempDir(), "log")
	image := w.builds(s)
	if !image.Cached || !image.Fetched || image.From != m.store || image.BuildID != built.BuildID || !image.Shared() || w.made() {
		t.Errorf("the second machine: %+v, made %v", image, w.made())
	}
	if log, err := os.ReadFile(s.Log); err != nil || !strings.HasPrefix(string(log), "This kernel came from the store "+m.store+".") {
		t.Errorf("its log is %q, %v", log, err)
	}
	if _, err := os.Stat(image.Debug()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the debug information came unasked: %v", err)
	}
	if err := image.FetchDebug(w.ctx, w.Host); err != nil {
		t.Fatal(err)
	}
	if got, err := cache.HashFile(image.Debug()); err != nil || got != built.DebugSHA256 {
		t.Errorf("the debug information: %s, %v, want %s", got, err, built.DebugSHA256)
	}
	if again := w.builds(s); !again.Cached || again.Fetched || again.From != m.store {
		t.Errorf("the second time: %+v", again)
	}
	if !said.Said("fetch the debug information of kernel 6.12.1-fake from "+m.store) || said.Said("made here") {
		t.Errorf("it said %q", *said)
	}
}

// A kernel that came without its debug information is built where the store is gone and the information is
// needed.
func TestStoreIsGone(t *testing.T) {
	m := newMachines(t)
	first, _ := m.another()
	built := first.builds(first.spec())
	w, said := m.another()
	s := w.spec()
	image := w.builds(s)
	with := w.Host
	with.Store = nil
	if err := image.FetchDebug(w.ctx, with); err == nil || !strings.Contains(err.Error(), "pass -store "+m.store) {
		t.Errorf("without the store: %v", err)
	}
	if err := os.RemoveAll(m.store); err != nil {
		t.Fatal(err)
	}
	if err := image.FetchDebug(w.ctx, w.Host); err == nil || !strings.Contains(err.Error(), m.store) {
		t.Errorf("with no store: %v", err)
	}
	s.NeedDebug = true
	again := w.builds(s)
	if again.Cached || again.BuildID != built.BuildID || !said.Said("built here for its debug information") {
		t.Errorf("got %+v, said %q", again, *said)
	}
	if got, err := cache.HashFile(again.Debug()); err != nil || got != built.DebugSHA256 {
		t.Errorf("the debug information: %s, %v", got, err)
	}
	if last := w.builds(s); !last.Cached || last.From != "" {
		t.Errorf("the second time: %+v", last)
	}
}

// Whoever needs the debug information gets it with the kernel.
func TestStoreNeedDebug(t *testing.T) {
	m := newMachines(t)
	first, _ := m.another()
	built := first.builds(first.spec())
	w, _ := m.another()
	s := w.spec()
	s.NeedDebug = true
	image := w.builds(s)
	if got, err := cache.HashFile(image.Debug()); err != nil || got != built.DebugSHA256 || !image.Fetched {
		t.Errorf("got %s, %v, fetched %v", got, err, image.Fetched)
	}
}

// Nothing is put into the store that is not to be shared, or that strangers may have had a hand in.
func TestStoreTakesOurs(t *testing.T) {
	m := newMachines(t)
	for what, change := range map[string]func(w *world, s *Spec){
		"not to be shared":   func(_ *world, s *Spec) { s.Share = false },
		"from elsewhere":     func(_ *world, s *Spec) { s.Tree.Series.Foreign = "/x.mbox" },
		"commits of a tree":  func(_ *world, s *Spec) { s.Tree.Series.InTree = true },
		"with variables":     func(_ *world, s *Spec) { s.Make = kbuild.MakeVars{"W=1"} },
		"on a user's config": func(_ *world, s *Spec) { s.Config.Start = &kconfig.Start{File: "x", Text: []byte("CONFIG_X=y\n")} },
		"of a git tree":      func(_ *world, s *Spec) { s.Tree.Base.Tree = s.Tree.Base.Dir },
		"a checkout": func(w *world, s *Spec) {
			var err error
			if w.base, err = (source.Spec{Tree: hosttest.Folder(t, fakeTree)}).Fetch(w.ctx, w.Host); err != nil {
				t.Fatal(err)
			}
			s.Tree = w.tree()
		},
	} {
		w, _ := m.another()
		s := w.spec()
		change(&w, &s)
		if image := w.builds(s); image.Cached || image.Shared() || len(m.objects()) > 0 {
			t.Errorf("%s: shared %v, the store has %v", what, image.Shared(), m.objects())
		}
	}
	w, _ := m.another()
	if image := w.builds(w.spec()); !image.Shared() {
		t.Error("ours is not put into the store")
	}
	// Whoever it is: equal inputs make equal kernels, and those of the store are made of code that
	// is trusted.
	stranger, _ := m.another()
	s := stranger.spec()
	s.Share, s.Tree.Series = false, series.Series{Name: "x", Foreign: "/x.mbox"}
	if image := stranger.builds(s); !image.Fetched || image.Shared() {
		t.Errorf("a stranger's series that changes nothing: from the store %v, shared %v", image.Fetched, image.Shared())
	}
}

// Each object of the store that is damaged costs a build and one line. What is built replaces it.
func TestStoreDamaged(t *testing.T) {
	m := newMachines(t)
	first, _ := m.another()
	built := first.builds(first.spec())
	objects := m.objects()
	if len(objects) != 5 {
		t.Fatalf("the store has %v, want a list and four files", objects)
	}
	for _, path := range objects {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text[len(text)/2] ^= 1
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
		w, said := m.another()
		s := w.spec()
		s.NeedDebug = true
		if image := w.builds(s); image.Cached || image.BuildID != built.BuildID || !said.Said("is damaged (") {
			t.Errorf("%s: cached %v, said %q", path, image.Cached, *said)
		}
		next, said := m.another()
		if image := next.builds(next.spec()); !image.Fetched || said.Said("damaged") {
			t.Errorf("%s is not mended: said %q", path, *said)
		}
	}
}

// A list whose files are sound, and are not this kernel, is refused.
func TestStoreOfAnother(t *testing.T) {
	m := newMachines(t)
	first, _ := m.another()
	entry := filepath.Dir(first.builds(first.spec()).Vmlinux)
	var image Image
	if err := cache.ReadSealed(filepath.Join(entry, "image.json"), &image); err != nil {
		t.Fatal(err)
	}
	other := hosttest.Folder(t, map[string]string{"config": "# CONFIG_GOOD is not set\n"})
	for what, change := range map[string]func(i *Image) []string{
		"another configuration": func(i *Image) []string {
			sum, err := cache.HashFile(filepath.Join(other, "config"))
			if err != nil {
				t.Fatal(err)
			}
			i.ConfigSHA256 = sum
			return nil
		},
		"another build ID": func(i *Image) []string { i.BuildID = strings.Repeat("0", 40); return nil },
		"another version":  func(i *Image) []string { i.Base = "6.12.2"; return nil },
		"another vmlinux":  func(i *Image) []string { i.VmlinuxSHA256 = strings.Repeat("0", 64); return nil },
		"no debug":         func(*Image) []string { return []string{"vmlinux", "config", "image.json"} },
		"no config":        func(*Image) []string { return []string{"vmlinux", "vmlinux.debug", "image.json"} },
		"another debug":    func(i *Image) []string { i.DebugSHA256 = strings.Repeat("0", 64); return nil },
	} {
		t.Run(what, func(t *testing.T) {
			w, said := m.another()
			w.t = t
			dir, wrong := t.TempDir(), image
			names := change(&wrong)
			if names == nil {
				names = []string{"vmlinux", "vmlinux.debug", "config", "image.json", "gdb/vmlinux-gdb.py"}
			}
			if err := errors.Join(os.CopyFS(dir, os.DirFS(entry)), os.Mkdir(filepath.Join(dir, "gdb"), 0o755), os.WriteFile(filepath.Join(dir, "gdb", "vmlinux-gdb.py"), []byte("wrong"), 0o644),
				cache.WriteSealed(filepath.Join(dir, "image.json"), wrong)); err != nil {
				t.Fatal(err)
			}
			if wrong.ConfigSHA256 != image.ConfigSHA256 {
				if err := cache.CopyFile(filepath.Join(other, "config"), filepath.Join(dir, "config")); err != nil {
					t.Fatal(err)
				}
			}
			s := w.spec()
			s.NeedDebug = true
			b, err := s.begin(w.ctx, w.Host)
			if err != nil {
				t.Fatal(err)
			}
			if !w.Store.Put(w.ctx, said.Step, b.storeKey(), thisKernel, dir, names) {
				t.Fatalf("said %q", *said)
			}
			if got := w.builds(s); got.Cached || got.BuildID != image.BuildID || !said.Said("is damaged (") {
				t.Errorf("cached %v, said %q", got.Cached, *said)
			}
		})
	}
}

// What gdb would run outside of the sandbox is not taken from a store.
func TestStoreHasNoScripts(t *testing.T) {
	m := newMachines(t)
	first, _ := m.another()
	entry := filepath.Dir(first.builds(first.spec()).Vmlinux)
	w, said := m.another()
	b, err := w.spec().begin(w.ctx, w.Host)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	names := []string{"vmlinux", "vmlinux.debug", "config", "image.json", "gdb/vmlinux-gdb.py", "build.log", "origin.json"}
	if err := errors.Join(os.CopyFS(dir, os.DirFS(entry)), os.Mkdir(filepath.Join(dir, "gdb"), 0o755), os.WriteFile(filepath.Join(dir, "gdb", "vmlinux-gdb.py"), []byte("wrong"), 0o644),
		os.WriteFile(filepath.Join(dir, "origin.json"), []byte("wrong"), 0o644)); err != nil {
		t.Fatal(err)
	}
	if !w.Store.Put(w.ctx, said.Step, b.storeKey(), thisKernel, dir, names) {
		t.Fatalf("said %q", *said)
	}
	image := w.builds(w.spec())
	if _, err := os.Stat(filepath.Join(filepath.Dir(image.Vmlinux), "gdb")); !image.Fetched || err == nil || image.From != m.store {
		t.Errorf("got %+v, with scripts: %v", image, err == nil)
	}
}
