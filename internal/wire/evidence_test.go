// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// The folders of boots, shards and lanes are those that docs/results.md describes.
func TestFolders(t *testing.T) {
	for want, got := range map[string]string{
		"boot1 .": "boot1 " + BootDir(1), "boot2": BootDir(2), "boot10": BootDir(10),
		"shard0 .": "shard0 " + ShardDir(0), "shard1": ShardDir(1), "shard12": ShardDir(12),
		"real": Label("real", 0), "real/1": Label("real", 1), "virtual/2": Label("virtual", 2),
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// A file of evidence is whole, or it is not there: half a file would be taken for one.
func TestWriteJSON(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, ExitFile)
	if err := WriteJSON(file, Exit{Reason: EndedItself, Status: 3}); err != nil {
		t.Fatal(err)
	}
	want := `{
  "reason": "ended",
  "status": 3,
  "boot_s": 0,
  "duration_s": 0
}
`
	if text, err := os.ReadFile(file); string(text) != want || err != nil {
		t.Errorf("got %s, %v, want %s", text, err, want)
	}
	other := filepath.Join(dir, "other")
	if err := os.WriteFile(other, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if got, want := mode(t, file), mode(t, other); got != want {
		t.Errorf("got the mode %v, want %v: all may read evidence", got, want)
	}
	if err := WriteJSON(file, func() {}); err == nil {
		t.Error("a function became JSON")
	}
	if text, err := os.ReadFile(file); string(text) != want || err != nil {
		t.Errorf("what cannot be JSON changed the file to %s, %v", text, err)
	}

	full := filepath.Join(dir, "full")
	if err := os.Symlink("/dev/full", full); err != nil {
		t.Fatal(err)
	}
	if err := WriteJSON(full, Exit{}); err == nil {
		t.Error("a full disk is no error")
	}
	if _, err := os.Lstat(full); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that could not be written whole is still there: %v", err)
	}
}

func mode(t *testing.T, file string) fs.FileMode {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode()
}
