// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kconfig"
	"timens-vmtest/kernel/kbuild"
	"timens-vmtest/kernel/patch"
	"timens-vmtest/kernel/series"
	"timens-vmtest/kernel/source"
)

func TestMain(m *testing.M) { hosttest.Main(m) }

// fakeTree is enough of a kernel for Build: a Makefile with the targets that
// it asks for, one C file, and one option that can be set.
var fakeTree = map[string]string{
	"Makefile": `VERSION = 6
PATCHLEVEL = 12
SUBLEVEL = 1
EXTRAVERSION =
tinyconfig:
	@: > $(O)/.config
olddefconfig:
	@sed -i '/CONFIG_IMPOSSIBLE=/d' $(O)/.config
vmlinux: $(O)/main.o
	@echo run >> $(O)/runs
	@gcc -static -nostdlib -Wl,--build-id=sha1 -Wl,-e,main -o $(O)/vmlinux $(O)/main.o
	@mkdir -p $(O)/include/config
	@echo 6.12.1-fake > $(O)/include/config/kernel.release
$(O)/main.o: main.c
	@echo "  CC      main.o"
	@gcc -c -Wall -o $@ $(CURDIR)/$<
`,
	"main.c":         "int main(void)\n{\n\treturn 0;\n}\n",
	"Kconfig":        "config GOOD\n\tbool \"Good\"\nconfig IMPOSSIBLE\n\tbool \"No\"\n\tdepends on MOON\n",
	"unrelated/file": "text\n",
}

// twoSources is fakeTree with this beside main.c.
func twoSources(other string) map[string]string {
	tree := maps.Clone(fakeTree)
	tree["Makefile"] = strings.NewReplacer(
		"vmlinux: $(O)/main.o", "vmlinux: $(O)/main.o $(O)/other.o",
		"$(O)/main.o\n\t@mkdir", "$(O)/main.o $(O)/other.o\n\t@mkdir",
		"$(O)/main.o: main.c", "$(O)/%.o: %.c",
	).Replace(tree["Makefile"])
	tree["other.c"] = other
	return tree
}

func patchOf(file, from, to string) string {
	return fmt.Sprintf("diff --git a/%[1]s b/%[1]s\n--- a/%[1]s\n+++ b/%[1]s\n@@ -1,4 +1,4 @@\n int main(void)\n {\n-\t%[2]s\n+\t%[3]s\n }\n", file, from, to)
}

type world struct {
	host.Host
	t    *testing.T
	ctx  context.Context
	base source.Base
}

func newWorld(t *testing.T) world {
	w := world{hosttest.New(t), t, t.Context(), source.Base{}}
	base, err := source.Spec{Tree: hosttest.Folder(t, fakeTree)}.Fetch(t.Context(), w.Host)
	if err != nil {
		t.Fatal(err)
	}
	w.base = base
	return w
}

// tree is the base with these patches.
func (w world) tree(patches ...patch.Patch) Tree {
	w.t.Helper()
	tree, err := Apply(w.ctx, w.Host, w.base, series.Series{Name: "s", Patches: patches})
	if err != nil {
		w.t.Fatal(err)
	}
	return tree
}

func (w world) build(config string, patches ...string) (Image, error) {
	w.t.Helper()
	c, err := kconfig.Parse("frag", []byte(config))
	if err != nil {
		w.t.Fatal(err)
	}
	s := series.Series{Name: "s"}
	for i, text := range patches {
		p, err := patch.Parse(fmt.Sprintf("%04d.patch", i+1), []byte(text))
		if err != nil {
			w.t.Fatal(err)
		}
		s.Patches = append(s.Patches, p)
	}
	tree, err := Apply(w.ctx, w.Host, w.base, s)
	if err != nil {
		return Image{}, err
	}
	return Build(w.ctx, w.Host, Spec{Tree: tree, Config: c, Log: filepath.Join(w.Cache.Dir, "log")})
}

func (w world) mustBuild(config string, patches ...string) Image {
	w.t.Helper()
	image, err := w.build(config, patches...)
	if err != nil {
		w.t.Fatal(err)
	}
	return image
}

const good = "CONFIG_GOOD=y\n"

func TestBuildCaches(t *testing.T) {
	w := newWorld(t)
	first := w.mustBuild(good)
	if first.Cached || first.Release != "6.12.1-fake" || first.Base != "6.12.1" || len(first.BuildID) != 40 {
		t.Errorf("first build: %+v", first)
	}
	if again := w.mustBuild(good); !again.Cached || again.Vmlinux != first.Vmlinux {
		t.Errorf("second build: cached %t at %s, want the first one", again.Cached, again.Vmlinux)
	}
	patched := w.mustBuild(good, patchOf("main.c", "return 0;", "return 1;"))
	if patched.Cached || patched.BuildID == first.BuildID {
		t.Errorf("a patched kernel: cached %t, build ID as the unpatched one's: %t", patched.Cached, patched.BuildID == first.BuildID)
	}
	if other := w.mustBuild(good + "CONFIG_MORE=y\n"); other.Cached {
		t.Error("another configuration was taken from the cache")
	}
	text, err := os.ReadFile(filepath.Join(w.base.Dir, "main.c"))
	if err != nil || string(text) != fakeTree["main.c"] {
		t.Errorf("the base was written to: %q, %v", text, err)
	}
}

// A series that is taken back must leave the kernel that was there before,
// although the work folder still holds the objects of the patched one.
func TestBuildAfterPatchTakenBack(t *testing.T) {
	w := newWorld(t)
	first := w.mustBuild(good)
	w.mustBuild(good, patchOf("main.c", "return 0;", "return 1;"))
	if err := os.RemoveAll(filepath.Join(w.Cache.Dir, "kernel")); err != nil {
		t.Fatal(err)
	}
	again := w.mustBuild(good)
	if again.Cached || again.VmlinuxSHA256 != first.VmlinuxSHA256 {
		t.Errorf("cached %t, same vmlinux %t; want a rebuilt and equal one", again.Cached, again.VmlinuxSHA256 == first.VmlinuxSHA256)
	}
}

// An edit of a checkout must be seen even when size and name stay the same.
func TestBuildSeesEditedTree(t *testing.T) {
	w := newWorld(t)
	first := w.mustBuild(good)
	path := filepath.Join(w.base.Dir, "main.c")
	if err := os.WriteFile(path, []byte(strings.Replace(fakeTree["main.c"], "0", "7", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Second)
	if err := os.Chtimes(path, later, later); err != nil {
		t.Fatal(err)
	}
	if edited := w.mustBuild(good); edited.Cached || edited.BuildID == first.BuildID {
		t.Error("the edited tree built the kernel of before")
	}
}

func TestBuildRepairsDamagedEntry(t *testing.T) {
	for _, file := range []string{"vmlinux", "config", "image.json"} {
		t.Run(file, func(t *testing.T) {
			w := newWorld(t)
			first := w.mustBuild(good)
			path := filepath.Join(filepath.Dir(first.Vmlinux), file)
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			text[len(text)/2] ^= 1
			if err := os.WriteFile(path, text, 0o644); err != nil {
				t.Fatal(err)
			}
			if again := w.mustBuild(good); again.Cached || again.VmlinuxSHA256 != first.VmlinuxSHA256 {
				t.Error("a damaged entry was used")
			}
		})
	}
}

// The source in the cache is ours alone. One that was changed there must not be
// built: the kernel would be stored as that of the pristine source.
func TestBuildRefusesDamagedBase(t *testing.T) {
	tarball := filepath.Join(t.TempDir(), "linux.tar")
	if _, err := sandbox.Run(sandbox.Command(t.Context(), hosttest.Folder(t, fakeTree), nil, "tar", "-cf", tarball, "--transform=s,^,linux/,", "Makefile", "main.c", "Kconfig", "unrelated")); err != nil {
		t.Fatal(err)
	}
	sum, err := cache.HashFile(tarball)
	if err != nil {
		t.Fatal(err)
	}
	fetch := func(w *world) {
		t.Helper()
		if w.base, err = (source.Spec{URL: "file://" + tarball, SHA256: sum}).Fetch(t.Context(), w.Host); err != nil {
			t.Fatal(err)
		}
	}
	for name, damage := range map[string]func(path string, info os.FileInfo) error{
		"silently": func(path string, info os.FileInfo) error { return os.Chtimes(path, info.ModTime(), info.ModTime()) },
		"openly":   func(string, os.FileInfo) error { return nil },
	} {
		for _, built := range []bool{false, true} {
			if built && name == "silently" {
				continue // nobody reads all of a source for every build
			}
			t.Run(fmt.Sprintf("%s, built %t", name, built), func(t *testing.T) {
				w := world{hosttest.New(t), t, t.Context(), source.Base{}}
				fetch(&w)
				var pristine Image
				if built {
					pristine = w.mustBuild(good, patchOf("main.c", "return 0;", "return 1;"))
				}
				path := filepath.Join(w.base.Dir, "unrelated", "file")
				info, err := os.Stat(path)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte("tExt\n"), 0o644); err != nil {
					t.Fatal(err)
				}
				if err := damage(path, info); err != nil {
					t.Fatal(err)
				}
				_, err = w.build(good)
				if err == nil || !strings.Contains(err.Error(), "unrelated/file is not as it was unpacked") || !strings.Contains(err.Error(), "rm -r "+w.base.Dir) {
					t.Fatalf("got %v, want a refusal with the file and the next step", err)
				}
				var build *blame.BuildError
				if errors.As(err, &build) {
					t.Error("the kernel is blamed")
				}
				if !built {
					return
				}
				// What was laid out shares the damaged file: it must be replaced.
				if err := os.RemoveAll(w.base.Dir); err != nil {
					t.Fatal(err)
				}
				fetch(&w)
				w.mustBuild(good)
				laidOut, err := filepath.Glob(filepath.Join(w.Cache.Dir, "work", "*", "src", "unrelated", "file"))
				if err != nil || len(laidOut) != 1 {
					t.Fatalf("got %v, %v, want one work folder", laidOut, err)
				}
				if text, err := os.ReadFile(laidOut[0]); err != nil || string(text) != fakeTree["unrelated/file"] {
					t.Errorf("laid out is %q, %v", text, err)
				}
				if again := w.mustBuild(good, patchOf("main.c", "return 0;", "return 1;")); again.BuildID != pristine.BuildID {
					t.Error("the kernel became another one")
				}
			})
		}
	}
	// A mere touch is no damage.
	w := world{hosttest.New(t), t, t.Context(), source.Base{}}
	fetch(&w)
	w.mustBuild(good)
	now := time.Now()
	if err := os.Chtimes(filepath.Join(w.base.Dir, "main.c"), now, now); err != nil {
		t.Fatal(err)
	}
	w.mustBuild(good, patchOf("main.c", "return 0;", "return 1;"))
}

// What was left in the way by a vmtest that was killed is no obstacle, and goes.
func TestBuildClearsLeftovers(t *testing.T) {
	w := newWorld(t)
	entry := filepath.Dir(w.mustBuild(good).Vmlinux)
	tmp := filepath.Join(filepath.Dir(entry), "tmp-"+filepath.Base(entry))
	if err := os.Rename(entry, tmp); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(tmp, "stale"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	w.mustBuild(good)
	for _, path := range []string{tmp, filepath.Join(entry, "stale")} {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", path, err)
		}
	}
}

// An object that make was killed over is newer than its source, and half of one.
func TestBuildBeginsAnewAfterKill(t *testing.T) {
	w := newWorld(t)
	makefile := strings.Replace(fakeTree["Makefile"], "\t@gcc -c", "\t@test -e mended || { echo half >$@; kill -9 $$PPID; }\n\t@gcc -c", 1)
	if err := os.WriteFile(filepath.Join(w.base.Dir, "Makefile"), []byte(makefile), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := w.build(good); err == nil {
		t.Fatal("a killed make made a kernel")
	}
	if err := os.WriteFile(filepath.Join(w.base.Dir, "mended"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	w.mustBuild(good)
}

func TestBuildBlamesHost(t *testing.T) {
	for line, want := range hosttest.Faults {
		w := newWorld(t)
		makefile := strings.Replace(fakeTree["Makefile"], "\t@gcc -c", "\t@"+line+"\n\t@gcc -c", 1)
		if err := os.WriteFile(filepath.Join(w.base.Dir, "Makefile"), []byte(makefile), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := w.build(good)
		hosttest.Blames(t, line, err, strings.Replace(want, "PLACE", "/out", 1))
	}
}

func TestBuildFaults(t *testing.T) {
	for name, tc := range map[string]struct {
		config  string
		patches []string
		stage   string
		want    []string // in the message
	}{
		"does not apply": {
			good, []string{patchOf("main.c", "return 0;", "return 1;"), patchOf("main.c", "return 0;", "return 2;")},
			"apply", []string{"0002.patch does not apply", "main.c, hunk 1 of 1", "@@ -1,4 +1,4 @@"},
		},
		"no such file": {
			good, []string{patchOf("absent.c", "return 0;", "return 1;")},
			"apply", []string{"0001.patch does not apply", "absent.c"},
		},
		"lost option": {
			good + "CONFIG_IMPOSSIBLE=y\n", nil,
			"configure", []string{"frag:2: wanted CONFIG_IMPOSSIBLE=y, got n", "depends on MOON (Kconfig:5)"},
		},
		"C error": {
			good, []string{patchOf("main.c", "return 0;", "return nothing;")},
			"build", []string{"\nmain.c:3:16: error: ", "nothing", "whole log"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newWorld(t).build(tc.config, tc.patches...)
			var build *blame.BuildError
			if !errors.As(err, &build) || build.Stage != tc.stage {
				t.Fatalf("got %v, want a BuildError of %s", err, tc.stage)
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
		})
	}
}

// What diff -u and quilt make has no git header, and other names before the
// first slash.
func TestBuildTakesTraditionalPatch(t *testing.T) {
	git := patchOf("main.c", "return 0;", "return 1;")
	_, plain, _ := strings.Cut(git, "\n")
	plain = strings.NewReplacer("--- a/", "--- linux.orig/", "+++ b/", "+++ linux/").Replace(plain)
	w := newWorld(t)
	want := w.mustBuild(good, git)
	if got := w.mustBuild(good, "Index: linux/main.c\n===\n"+plain); got.BuildID != want.BuildID {
		t.Error("the same change in another form makes another kernel")
	}
	flat := strings.NewReplacer("linux.orig/", "", "linux/", "").Replace(plain)
	if _, err := patch.Parse("flat.patch", []byte(flat)); err == nil || !strings.Contains(err.Error(), "-p1") {
		t.Errorf("a patch for -p0: got %v, want an error that names -p1", err)
	}
}

func TestBuildReportsWarnings(t *testing.T) {
	w := newWorld(t)
	image := w.mustBuild(good, patchOf("main.c", "return 0;", "int unused; return 0;"))
	if len(image.Warnings) != 1 || !strings.HasPrefix(image.Warnings[0], "main.c:3:13: warning: unused") {
		t.Errorf("got warnings %q, want one of unused in main.c", image.Warnings)
	}
	raw, err := os.ReadFile(filepath.Join(filepath.Dir(image.Vmlinux), "build.log"))
	if err != nil || !strings.Contains(string(raw), "/src/main.c:3:13: warning: unused") {
		t.Errorf("build.log is %q, %v, want what gcc printed", raw, err)
	}
}

// Configuring again is left out only where it could come to nothing else.
func TestBuildConfiguresOnce(t *testing.T) {
	w := newWorld(t)
	configured := func(config string, patches ...string) bool {
		t.Helper()
		if image := w.mustBuild(config, patches...); image.Cached {
			t.Fatal("nothing was built")
		}
		log, err := os.ReadFile(filepath.Join(w.Cache.Dir, "log"))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(log), "tinyconfig")
	}
	kconfigPatch := "--- a/Kconfig\n+++ b/Kconfig\n@@ -1,3 +1,3 @@\n config GOOD\n-\tbool \"Good\"\n+\tbool \"Better\"\n config IMPOSSIBLE\n"
	for _, step := range []struct {
		config string
		patch  string
		want   bool
	}{
		{good, patchOf("main.c", "return 0;", "return 1;"), true},
		{good, patchOf("main.c", "return 0;", "return 2;"), false},
		{good + "CONFIG_MORE=y\n", patchOf("main.c", "return 0;", "return 2;"), true},
		{good + "CONFIG_MORE=y\n", kconfigPatch, true},
		{good + "CONFIG_MORE=y\n", patchOf("main.c", "return 0;", "return 3;"), true}, // Kconfig is as before again
	} {
		if got := configured(step.config, step.patch); got != step.want {
			t.Errorf("%q with %.20q...: configured %t, want %t", step.config, step.patch, got, step.want)
		}
	}
}

// A warning of an object that make does not compile again is still a warning of
// the kernel.
func TestBuildRemembersWarnings(t *testing.T) {
	tree := twoSources("int other;\n")
	tree["Makefile"] += "$(O)/main.o: main.h\n"
	tree["main.c"] = "#include \"main.h\"\nint main(void)\n{\n\treturn 0;\n}\n"
	tree["main.h"] = "extern int other;\n"
	const warns = "diff --git a/main.h b/main.h\n--- a/main.h\n+++ b/main.h\n@@ -1 +1,2 @@\n extern int other;\n+static int unused;\n"
	broken := "diff --git a/other.c b/other.c\n--- a/other.c\n+++ b/other.c\n@@ -1 +1 @@\n-int other;\n+int other = nothing;\n"
	w := newWorld(t)
	w.base.Dir = hosttest.Folder(t, tree)
	w.mustBuild(good)
	if _, err := w.build(good, warns, broken); err == nil {
		t.Fatal("the broken kernel was built")
	}
	mended := w.mustBuild(good, warns, strings.Replace(broken, "nothing", "1", 1))
	if len(mended.Warnings) != 1 || !strings.Contains(mended.Warnings[0], "main.h:2:12: warning: ") {
		t.Errorf("with the other file mended: %q, want the warning of main.h", mended.Warnings)
	}
	if err := mended.Forget(); err != nil {
		t.Fatal(err)
	}
	if again := w.mustBuild(good, warns, strings.Replace(broken, "nothing", "1", 1)); again.Cached || len(again.Warnings) != 1 {
		t.Errorf("built again: %q, want the warning of main.h", again.Warnings)
	}
	if clean := w.mustBuild(good, strings.Replace(broken, "nothing", "1", 1)); clean.Warnings != nil {
		t.Errorf("without the patch that brings it: %q", clean.Warnings)
	}
}

// make gets the variables, and kernels and work folders that differ in them are told apart.
func TestBuildWithMakeVars(t *testing.T) {
	b := newWorkbench(t, pathsTree(t))
	base, control := b.standing()
	tree, err := Apply(b.ctx, b.Host, base, control)
	if err != nil {
		t.Fatal(err)
	}
	dirs := make(map[string]bool)
	for _, vars := range []kbuild.MakeVars{nil, {"W=1", "KCFLAGS=-DX=1 -DY"}} {
		spec := Spec{Tree: tree, Config: b.config, Make: vars, Log: filepath.Join(b.Cache.Dir, "log")}
		image, err := Build(b.ctx, b.Host, spec)
		if err != nil {
			t.Fatal(err)
		}
		dirs[image.Vmlinux] = true
		log, err := os.ReadFile(spec.Log)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(string(log), " -DX=1 -DY KAFLAGS=") && strings.Contains(string(log), " W=1 "); got != (vars != nil) {
			t.Errorf("%q: make was called by\n%s", vars, log)
		}
	}
	works, err := filepath.Glob(filepath.Join(b.Cache.Dir, "work", "*", "out"))
	if err != nil || len(works) != 2 || len(dirs) != 2 {
		t.Errorf("the kernels are %v and the work folders %q, %v, want two of each", dirs, works, err)
	}
}
