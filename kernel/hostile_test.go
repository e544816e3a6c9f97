// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kconfig"
	"timens-vmtest/kernel/patch"
	"timens-vmtest/kernel/series"
)

// hostile is a patch whose Makefile does what it should not.
func hostile(t *testing.T, w world, outside string, port int) series.Series {
	makefile := string(bytes.TrimSpace([]byte(fakeTree["Makefile"])))
	lines := strings.Split(makefile, "\n")
	last := lines[len(lines)-1]
	p, err := patch.Parse("hostile.patch", fmt.Appendf(nil, `diff --git a/Makefile b/Makefile
--- a/Makefile
+++ b/Makefile
@@ -%d,1 +%d,4 @@
 %s
+	-@echo stolen > %s/stolen
+	-@echo 'int main(void) { return 1; }' > main.c
+	-@perl -e 'use IO::Socket::INET; IO::Socket::INET->new(PeerAddr=>"127.0.0.1",PeerPort=>%d) and system("echo connected > $(O)/connected")'
`, len(lines), len(lines), last, outside, port))
	if err != nil {
		t.Fatal(err)
	}
	return series.Series{Name: "hostile", Patches: []patch.Patch{p}}
}

// A series whose Makefile writes elsewhere and opens a connection does so where
// there is no sandbox, and builds without either where there is one.
func TestBuildHostile(t *testing.T) {
	hosttest.NeedSandbox(t)
	for name, box := range map[string]sandbox.Box{"confined": {}, "unconfined": {Off: true}} {
		t.Run(name, func(t *testing.T) {
			w, outside := newWorld(t), t.TempDir()
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			s := hostile(t, w, outside, listener.Addr().(*net.TCPAddr).Port)
			w.Sandbox = box
			if _, err := Build(t.Context(), w.Host, Spec{Tree: w.tree(s.Patches...)}); err != nil {
				t.Fatal(err)
			}
			_, err = os.Stat(filepath.Join(outside, "stolen"))
			stolen := err == nil
			connected, err := filepath.Glob(filepath.Join(w.Cache.Dir, "work/*/out/connected"))
			if err != nil {
				t.Fatal(err)
			}
			if want := name == "unconfined"; stolen != want || (len(connected) > 0) != want {
				t.Errorf("wrote outside: %t, connected: %t; want both %t", stolen, len(connected) > 0, want)
			}
		})
	}
}

// A build goes on with nothing that the makefile of another's series has left.
func TestForeignBuildsStayApart(t *testing.T) {
	w := newWorld(t)
	c, err := kconfig.Parse("frag", []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	trap := strings.Replace(fakeTree["Makefile"], "vmlinux: $(O)/main.o\n", "vmlinux: $(O)/main.o\n\t@cp $(O)/main.o $(O)/trap\n", 1)
	build := func(name, foreign, makefile string, patches ...string) string {
		t.Helper()
		s := series.Series{Name: name, Foreign: foreign}
		for _, text := range patches {
			p, err := patch.Parse("x.patch", []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			s.Patches = append(s.Patches, p)
		}
		if err := os.WriteFile(filepath.Join(w.base.Dir, "Makefile"), []byte(makefile), 0o644); err != nil {
			t.Fatal(err)
		}
		tree, err := Apply(t.Context(), w.Host, w.base, s)
		if err != nil {
			t.Fatal(err)
		}
		spec := Spec{Tree: tree, Config: c}
		if _, err := Build(t.Context(), w.Host, spec); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(w.Cache.Dir, "work", spec.workKey(), "out", "trap")
	}
	trapped := func(trap string) bool {
		_, err := os.Stat(trap)
		return err == nil
	}
	change := func(to string) string { return patchOf("main.c", "return 0;", "return "+to+";") }
	if !trapped(build("s", "evil.mbox", trap, change("1"))) {
		t.Fatal("the trap was not laid")
	}
	if !trapped(build("s", "evil.mbox", fakeTree["Makefile"], change("2"))) {
		t.Error("the same origin began anew")
	}
	if trapped(build("s", "", fakeTree["Makefile"], change("3"))) {
		t.Error("the user's own series of that name goes on where the other's ended")
	}
	if trapped(build("s", "evil.mbox", fakeTree["Makefile"])) {
		t.Error("the base goes on where the other's series ended")
	}
	if trapped(build("s", "other.mbox", fakeTree["Makefile"], change("4"))) {
		t.Error("a third one's series goes on where the other's ended")
	}
}
