package kernel

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// Objects of the same name in other folders do not count.
func TestProfileArgs(t *testing.T) {
	dir := folder(t, map[string]string{
		"Makefile": "all:\n\t@for o in kernel/time fs kernel lib; do $(MAKE) --no-print-directory -f sub.mk obj=$$o; done\n",
		"sub.mk": `flags = $(obj)/$(1):$(if $(patsubst n%,,$(GCOV_PROFILE_$(1).o)$(GCOV_PROFILE)),$(CFLAGS_GCOV),plain)
all:
	@echo "$(call flags,namespace) $(call flags,fork)"
`,
	})
	t.Setenv("MAKEFLAGS", "") // of the make that has started this test, such as -n
	out, err := exec.Command("make", append([]string{"-C", dir, "--no-print-directory"}, profileArgs([]string{"kernel/time/namespace.c", "fs/fork.c", "kernel/fork.c"})...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got := strings.ReplaceAll(string(out), "-fprofile-arcs -ftest-coverage -fprofile-update=atomic -fno-tree-loop-im -fno-inline", "counts")
	const want = `kernel/time/namespace:counts kernel/time/fork:plain
fs/namespace:plain fs/fork:counts
kernel/namespace:plain kernel/fork:counts
lib/namespace:plain lib/fork:plain
`
	if got != want {
		t.Errorf("got\n%s, want\n%s", got, want)
	}
	if args := profileArgs(nil); args != nil {
		t.Errorf("without sources: %q, want nothing, or every kernel has to be built again", args)
	}
}

func TestProfilable(t *testing.T) {
	over := overlay{}
	for _, path := range []string{
		"kernel/fork.c", "include/linux/nsproxy.h", "tools/testing/selftests/clone3/x.c", "lib/vdso/gettimeofday.c", "samples/x.c",
		"Documentation/x.c", "kernel/Makefile", "arch/x86/entry/vdso/vma.c", "arch/x86/entry/vdso/vdso32/x.c", "scripts/mod/x.c",
	} {
		over[path] = &overlaid{}
	}
	over["kernel/gone.c"] = nil
	want := []string{"arch/x86/entry/vdso/vma.c", "kernel/fork.c"}
	if got := over.profilable(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// counting is a cache entry of a program that counts, and the counters that it
// left when it was run with one argument.
func counting(t *testing.T) (Image, []byte) {
	dir := folder(t, map[string]string{"kernel/check.c": `#include "check.h"
int main(int n, char **arg)
{
	if (n > 9)
		return twice(n);
	return twice(n) == 4;
}
`, "kernel/check.h": "static inline int twice(int n)\n{\n\treturn 2 * n;\n}\n"})
	for _, command := range []string{"gcc -O2 -fno-inline --coverage -o kernel/check.o -c kernel/check.c", "gcc --coverage -o check kernel/check.o", "./check x"} {
		word := strings.Fields(command)
		cmd := exec.Command(word[0], word[1:]...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil && word[0] == "gcc" {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
	}
	b := build{dir: dir, profiled: []string{"kernel/check.c", "kernel/unbuilt.c"}}
	if err := os.Rename(filepath.Join(dir, "kernel"), filepath.Join(dir, "out")); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(b.out(), "kernel"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(b.out(), "check.gcno"), filepath.Join(b.out(), "kernel/check.gcno")); err != nil {
		t.Fatal(err)
	}
	gcda, err := os.ReadFile(filepath.Join(b.out(), "check.gcda"))
	if err != nil {
		t.Fatal(err)
	}
	image := Image{Vmlinux: filepath.Join(dir, "entry", "vmlinux")}
	if image.Profiled, err = b.keepNotes(filepath.Dir(image.Vmlinux)); err != nil {
		t.Fatal(err)
	}
	if got := sortedKeys(image.Profiled); !slices.Equal(got, []string{"kernel/check.c"}) {
		t.Fatalf("%q were kept, want the one that was built", got)
	}
	return image, gcda
}

func TestCounts(t *testing.T) {
	image, gcda := counting(t)
	c, err := NewCounts(image, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	source, err := c.Source("home/me/out/kernel/check.gcda")
	if err != nil || source != "kernel/check.c" {
		t.Fatalf("source is %q, %v, want kernel/check.c", source, err)
	}
	if got, err := c.Source("kernel/other.gcda"); err == nil {
		t.Errorf("counters of another source are taken for those of %s", got)
	}
	l, err := c.Lines(t.Context(), map[string][]byte{source: gcda})
	if err != nil {
		t.Fatal(err)
	}
	body := l["kernel/check.c"]
	if body[4].Count != 1 || body[5].Count != 0 || body[6].Count != 1 || l["kernel/check.h"][3].Count != 1 {
		t.Errorf("got %v, want lines 4 and 6 to run and 5 not to", l)
	}
	if _, ok := body[5]; !ok {
		t.Errorf("line 5, which did not run, is not known to have code: %v", body)
	}
	for what, damaged := range map[string][]byte{
		"a file that is not gcov's": []byte("no counters"), "an empty file": nil,
		"counters of another build": slices.Concat(gcda[:8], []byte{1, 2, 3, 4}, gcda[12:]),
	} {
		if l, err := c.Lines(t.Context(), map[string][]byte{source: damaged}); err == nil {
			t.Errorf("%s was read as %v", what, l)
		}
	}
	note := filepath.Join(filepath.Dir(image.Vmlinux), "gcov/kernel/check.gcno")
	if err := os.WriteFile(note, []byte("damaged"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := NewCounts(image, t.TempDir()); err == nil || !strings.Contains(err.Error(), note+" is damaged") {
		t.Errorf("damaged notes: got %v", err)
	}
}

func TestMerge(t *testing.T) {
	a := Lines{"a.c": {1: {Count: 1, Partly: true}, 2: {}, 3: {Count: 1}}}
	a.Merge(Lines{"a.c": {1: {Count: 2}, 2: {Count: 1, Partly: true}, 3: {}}, "b.h": {9: {Count: 3}}})
	want := Lines{"a.c": {1: {Count: 3}, 2: {Count: 1, Partly: true}, 3: {Count: 1}}, "b.h": {9: {Count: 3}}}
	if !reflect.DeepEqual(a, want) {
		t.Errorf("got %v, want %v", a, want)
	}
}

func TestDiff(t *testing.T) {
	w := newWorld(t)
	first, err := parsePatch("1.patch", []byte(patchOf("main.c", "return 0;", "return 1;")))
	if err != nil {
		t.Fatal(err)
	}
	second, err := parsePatch("2.patch", []byte(patchOf("main.c", "return 1;", "return 2;")+
		"diff --git a/unrelated/file b/unrelated/file\ndeleted file mode 100644\n--- a/unrelated/file\n+++ /dev/null\n@@ -1 +0,0 @@\n-text\n"+
		"diff --git a/new.h b/new.h\nnew file mode 100644\n--- /dev/null\n+++ b/new.h\n@@ -0,0 +1 @@\n+int new;\n"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := Diff(t.Context(), w.base, Series{Patches: []Patch{first, second}})
	if err != nil {
		t.Fatal(err)
	}
	want := []FileDiff{
		{"main.c", []DiffLine{{' ', 1, "int main(void)"}, {' ', 2, "{"}, {'-', 0, "\treturn 0;"}, {'+', 3, "\treturn 2;"}, {' ', 4, "}"}}, []byte("int main(void)\n{\n\treturn 2;\n}\n")},
		{"new.h", []DiffLine{{'+', 1, "int new;"}}, []byte("int new;\n")},
		{"unrelated/file", []DiffLine{{'-', 0, "text"}}, nil},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	undo, err := parsePatch("3.patch", []byte(patchOf("main.c", "return 1;", "return 0;")))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Diff(t.Context(), w.base, Series{Patches: []Patch{first, undo}}); err != nil || len(got) != 0 {
		t.Errorf("a series that undoes itself: got %v, %v, want nothing", got, err)
	}
}

// What gcov made of counters that were read while another CPU counted.
func TestGcovOfMovingCounters(t *testing.T) {
	got, err := parseGcov([]byte(`{"data_file": "kernel/nsproxy.gcda", "files": [{"file": "kernel/./nsproxy.c", "lines": [
		{"line_number": 7, "count": -1, "unexecuted_block": true}, {"line_number": 8, "count": 2, "unexecuted_block": true}]}]}
		{"data_file": "kernel/fork.gcda", "files": []}`))
	want := map[string]Lines{"kernel/nsproxy.gcda": {"kernel/nsproxy.c": {7: {}, 8: {2, true}}}, "kernel/fork.gcda": {}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}
