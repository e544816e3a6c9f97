// SPDX-License-Identifier: BSD-3-Clause

package cache

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// ReadSealed refuses a file with any one bit flipped. Without the digest some such
// files would be valid JSON and name another kernel or another package.
func TestSealed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.json")
	type entry struct{ File, SHA256 string }
	want := entry{File: "linux-source-6.12_6.12.117-1_all.deb", SHA256: "0123456789abcdef"}
	if err := WriteSealed(path, want); err != nil {
		t.Fatal(err)
	}
	var got entry
	if err := ReadSealed(path, &got); err != nil || got != want {
		t.Fatalf("got %+v, %v, want %+v", got, err, want)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for bit := range 8 * len(text) {
		text[bit/8] ^= 1 << (bit % 8)
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := ReadSealed(path, &got); err == nil {
			t.Errorf("accepted with byte %d changed to %q", bit/8, text[bit/8])
		}
		text[bit/8] ^= 1 << (bit % 8)
	}
	if err := os.WriteFile(path, text[:len(text)-1], 0o644); err != nil {
		t.Fatal(err)
	}
	if err := ReadSealed(path, &got); err == nil {
		t.Error("accepted without its end")
	}
}

// Others may read a file as far as the umask lets them, also one that replaces another.
func TestWriteFileMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "x")
	for _, tc := range []struct {
		umask int
		want  os.FileMode
	}{{0o077, 0o600}, {0o022, 0o644}, {0o002, 0o664}} {
		before := syscall.Umask(tc.umask)
		err := WriteFile(path, []byte("text"))
		syscall.Umask(before)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode() != tc.want {
			t.Errorf("umask %03o: %v, the mode is %v, want %v", tc.umask, err, info.Mode(), tc.want)
		}
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("%v, beside the file there is %v", err, left)
	}
}

func TestLockWaitEndsWithContext(t *testing.T) {
	c := Cache{Dir: t.TempDir()}
	unlock, err := c.Lock(t.Context(), "x", "x", t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := c.Lock(ctx, "x", "x", t.Logf); !errors.Is(err, ctx.Err()) || err == nil {
		t.Errorf("got %v, want %v", err, ctx.Err())
	}
}
