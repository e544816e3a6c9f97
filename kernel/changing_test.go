// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/kconfig"
	"timens-vmtest/kernel/patch"
	"timens-vmtest/kernel/series"
	"timens-vmtest/kernel/source"
)

// meddler is a reporter that changes the tree when a step is begun.
type meddler struct {
	t    *testing.T
	step string
	do   func() error
	said []string
}

func (m *meddler) Step(format string, args ...any) {
	m.said = append(m.said, format)
	if strings.HasPrefix(format, m.step) {
		if err := m.do(); err != nil {
			m.t.Error(err)
		}
	}
}

func (m *meddler) Note(text string) { m.Step("%s", text) }

func (m *meddler) Count(string, int, int, string) {}

func lived(t *testing.T) (string, host.Host) {
	hosttest.NeedSandbox(t)
	return hosttest.Folder(t, fakeTree), hosttest.New(t)
}

func open(t *testing.T, dir string, h host.Host) Tree {
	t.Helper()
	base, err := source.Spec{Tree: dir}.Fetch(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := Apply(t.Context(), h, base, series.Series{Name: "s"})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func goodConfig(t *testing.T) kconfig.Config {
	t.Helper()
	c, err := kconfig.Parse("frag", []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A tree that changes while it is copied is read again. The kernel is known by what
// was copied, and not by what was there before.
func TestBuildOfChangingTree(t *testing.T) {
	dir, h := lived(t)
	main := filepath.Join(dir, "main.c")
	original := fakeTree["main.c"]
	changed := strings.Replace(original, "return 0", "return 7", 1)
	m := &meddler{t: t, step: "lay out", do: func() error { return os.WriteFile(main, []byte(changed), 0o644) }}
	tree := open(t, dir, h)
	h.Report = m
	image, err := Build(t.Context(), h, Spec{Tree: tree, Config: goodConfig(t)})
	if err != nil || image.Cached || !strings.Contains(strings.Join(m.said, "\n"), "changed while the tree was read") {
		t.Fatalf("cached %v, %v; said %q", image.Cached, err, m.said)
	}
	m.step = "never"
	again, err := Build(t.Context(), h, Spec{Tree: open(t, dir, h), Config: goodConfig(t)})
	if err != nil || !again.Cached || again.BuildID != image.BuildID {
		t.Errorf("what it is now: cached %v, %v, and another kernel: %v", again.Cached, err, again.BuildID != image.BuildID)
	}
	if _, err := Build(t.Context(), h, Spec{Tree: tree, Config: goodConfig(t)}); err != nil {
		t.Errorf("by the tree as it was opened: %v", err)
	}
	if _, err := tree.Read("main.c"); !isChanged(err) {
		t.Errorf("the file that changed was read: %v", err)
	}
	if text, err := tree.Read("Kconfig"); err != nil || string(text) != fakeTree["Kconfig"] {
		t.Errorf("a file that did not change: %q, %v", text, err)
	}
}

func isChanged(err error) bool {
	_, ok := errors.AsType[*source.ChangedError](err)
	return ok
}

// What a make and a QEMU left in a folder is no part of the kernel.
func TestBuildOfLivedInTree(t *testing.T) {
	dir, h := lived(t)
	clean, err := Build(t.Context(), h, Spec{Tree: open(t, dir, h), Config: goodConfig(t)})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"main.o": "no object", ".config": "CONFIG_OLD=y\n", "include/config/auto.conf": "", "vmlinux": "old", ".cache/x": ""} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "console.pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	image, err := Build(t.Context(), h, Spec{Tree: open(t, dir, h), Config: goodConfig(t)})
	if err != nil || !image.Cached || image.BuildID != clean.BuildID {
		t.Errorf("cached %v, build ID %s, %v, want that of the clean tree, %s", image.Cached, image.BuildID, err, clean.BuildID)
	}
}

// A patch of a file that is a pipe does not wait for a writer.
func TestApplyToPipe(t *testing.T) {
	dir, h := lived(t)
	path := filepath.Join(dir, "main.c")
	if err := errors.Join(os.Remove(path), syscall.Mkfifo(path, 0o600)); err != nil {
		t.Fatal(err)
	}
	base, err := source.Spec{Tree: dir}.Fetch(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Apply(t.Context(), h, base, series.Series{Name: "s", Patches: []patch.Patch{returning(t, 1)}})
	if blame.Of(err) == blame.Kernel || err == nil || !strings.Contains(err.Error(), "main.c: it is a named pipe") {
		t.Errorf("got %v", err)
	}
}

// A git that is killed does not blame the patch.
func TestApplyKilled(t *testing.T) {
	dir, h := lived(t)
	bin := hosttest.Folder(t, map[string]string{"git": "#!/bin/sh\nkill -9 $$\n"})
	if err := os.Chmod(filepath.Join(bin, "git"), 0o755); err != nil {
		t.Fatal(err)
	}
	base, err := source.Spec{Tree: dir}.Fetch(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	h.Sandbox.Off = true
	_, err = Apply(t.Context(), h, base, series.Series{Name: "s", Patches: []patch.Patch{returning(t, 1)}})
	hosttest.Blames(t, "a killed git", err, "main.patch: git was ended by a signal: killed")
}
