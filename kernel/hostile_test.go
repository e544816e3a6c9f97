// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
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

// makefileThat is a patch which has the Makefile of fakeTree run these commands when it has compiled main.o.
func makefileThat(t *testing.T, commands ...string) patch.Patch {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(fakeTree["Makefile"]), "\n")
	text := fmt.Sprintf("diff --git a/Makefile b/Makefile\n--- a/Makefile\n+++ b/Makefile\n@@ -%d,1 +%[1]d,%d @@\n %s\n", len(lines), 1+len(commands), lines[len(lines)-1])
	for _, command := range commands {
		text += "+\t" + command + "\n"
	}
	p, err := patch.Parse("makefile.patch", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// returning is a patch which has main() of fakeTree return a number.
func returning(t *testing.T, n int) patch.Patch {
	t.Helper()
	p, err := patch.Parse("main.patch", []byte(patchOf("main.c", "return 0;", fmt.Sprintf("return %d;", n))))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// hostile is a patch whose Makefile does what it should not.
func hostile(t *testing.T, outside string, port int) patch.Patch {
	return makefileThat(t, "-@echo stolen > "+outside+"/stolen", "-@echo 'int main(void) { return 1; }' > main.c",
		fmt.Sprintf(`-@perl -e 'use IO::Socket::INET; IO::Socket::INET->new(PeerAddr=>"127.0.0.1",PeerPort=>%d) and system("echo connected > $(O)/connected")'`, port))
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
			p := hostile(t, outside, listener.Addr().(*net.TCPAddr).Port)
			w.Sandbox = box
			if _, err := Build(t.Context(), w.Host, Spec{Tree: w.tree(p)}); err != nil {
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

// from is a kernel of these patches. foreign says whose they are.
func (w world) from(foreign string, patches ...patch.Patch) Spec {
	w.t.Helper()
	s := Spec{Tree: w.tree(patches...)}
	s.Tree.Series.Foreign = foreign
	return s
}

// What another's makefile has left in its work folder is in no kernel but the other's, also if the
// other's next series has the same text as one of the user's.
func TestForeignKernelsStayApart(t *testing.T) {
	w := newWorld(t)
	trap := makefileThat(t, "@touch -d 2100-01-01 $@") // no later make compiles main.c
	laid := w.builds(w.from("evil", trap, returning(t, 1)))
	evil := w.builds(w.from("evil", returning(t, 2)))
	if evil.BuildID != laid.BuildID {
		t.Fatal("the trap was not laid")
	}
	if again := w.builds(w.from("evil", returning(t, 2))); !again.Cached {
		t.Error("the same origin: it is built again")
	}
	for _, foreign := range []string{"", "another"} {
		if image := w.builds(w.from(foreign, returning(t, 2))); image.Cached || image.BuildID == laid.BuildID {
			t.Errorf("of %q: cached %t, build ID %s, and the other's is %s", foreign, image.Cached, image.BuildID, laid.BuildID)
		}
	}
	page, err := patch.Parse("page.patch", []byte("--- /dev/null\n+++ b/Documentation/x.rst\n@@ -0,0 +1 @@\n+x\n"))
	if err != nil {
		t.Fatal(err)
	}
	w.builds(w.from(""))
	for _, patches := range [][]patch.Patch{nil, {page}} {
		if base := w.builds(w.from("evil", patches...)); !base.Cached {
			t.Errorf("with %d patches the base is built again, though no code of others is in it", len(patches))
		}
	}
}

// The same of what a linter said when it ran in the work folder of another.
func TestForeignLintStaysApart(t *testing.T) {
	w := newWorld(t)
	said := new(hosttest.Steps)
	w.Report = said
	w.base.Dir = hosttest.Folder(t, map[string]string{"Makefile": fakeTree["Makefile"] + "%.o: $(O)/%.o ;\n", "main.c": fakeTree["main.c"], "Kconfig": fakeTree["Kconfig"]})
	w.base.ID = "base"
	for _, run := range []struct {
		foreign string
		asks    bool
	}{{"evil", true}, {"evil", false}, {"", true}, {"", false}, {"another", true}} {
		*said = nil
		if _, err := W1.Lint(w.ctx, w.Host, w.from(run.foreign, returning(t, 1)), []string{"main.c"}); err != nil {
			t.Fatal(err)
		}
		if asked := said.Said("check main.o with W=1"); asked != run.asks {
			t.Errorf("of %q: asked the compiler %t, want %t", run.foreign, asked, run.asks)
		}
	}
}
