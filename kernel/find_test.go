// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"os"
	"strings"
	"testing"
)

// A kernel in the cache is found by its digest, and a damaged one is not.
func TestFind(t *testing.T) {
	w := newWorld(t)
	w.mustBuild(good, patchOf("main.c", "return 0;", "return 1;"))
	built := w.mustBuild(good)
	found, ok, err := Find(w.ctx, w.Host, built.VmlinuxSHA256)
	if err != nil || !ok || found.Vmlinux != built.Vmlinux || !found.Cached {
		t.Errorf("got %+v, %t, %v, want %s", found, ok, err, built.Vmlinux)
	}
	if _, ok, err := Find(w.ctx, w.Host, strings.Repeat("0", 64)); ok || err != nil {
		t.Errorf("a kernel that there is not: got %t, %v", ok, err)
	}
	if err := os.WriteFile(built.Vmlinux, []byte("damaged"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := Find(w.ctx, w.Host, built.VmlinuxSHA256); ok || err != nil {
		t.Errorf("a damaged kernel: got %t, %v", ok, err)
	}
}
