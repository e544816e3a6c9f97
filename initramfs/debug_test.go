// SPDX-License-Identifier: BSD-3-Clause

package initramfs

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/u-root/u-root/pkg/cpio"

	"timens-vmtest/internal/wire"
)

// An archive for debugging is that of the run, with the same plan, and with a shell beside it.
func TestBuildDebug(t *testing.T) {
	s := spec(t, "TestTimerfd")
	run, err := Build(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	s.Debug = &wire.Debug{Test: run.Plan.Tests[0].TestID, AtFail: true}
	debug, err := Build(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if debug.Plan.ID != run.Plan.ID {
		t.Errorf("the plan is %s, want that of the run, %s", debug.Plan.ID, run.Plan.ID)
	}
	if bytes.Equal(debug.CPIO, run.CPIO) {
		t.Error("the archive has no shell")
	}
	archive, err := cpio.ArchiveFromReader(cpio.Newc.Reader(bytes.NewReader(debug.CPIO)))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"bin/sh", "bin/strace", "bin/less", "etc/plan.json", "tests/timens.test", "tests/first"} {
		if _, ok := archive.Get(name); !ok {
			t.Errorf("the archive has no %s", name)
		}
	}
	r, ok := archive.Get("etc/debug.json")
	if !ok {
		t.Fatal("the archive does not say where to stop")
	}
	text := make([]byte, r.FileSize)
	if _, err := r.ReadAt(text, 0); err != nil {
		t.Fatal(err)
	}
	var d wire.Debug
	if err := json.Unmarshal(text, &d); err != nil || d.Test != s.Debug.Test || !d.AtFail || d.Fail == 0 {
		t.Errorf("got %s, %v", text, err)
	}
}

// The address is the one that the runtime of this test knows.
func TestFunctionAddress(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	got, err := functionAddress(self, "timens-vmtest/initramfs.functionAddress")
	if want := uint64(reflect.ValueOf(functionAddress).Pointer()); err != nil || got != want {
		t.Errorf("got %#x, %v, want %#x", got, err, want)
	}
	if _, err := functionAddress(self, "testing.(*common).NoSuch"); err == nil || !strings.Contains(err.Error(), "has no function") {
		t.Errorf("got %v for a function that there is not", err)
	}
	if _, err := functionAddress("/bin/sh", failFunction); err == nil || !strings.Contains(err.Error(), "is no Go program") {
		t.Errorf("got %v for %s", err, filepath.Base("/bin/sh"))
	}
}
