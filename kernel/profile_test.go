// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"timens-vmtest/internal/host/hosttest"
)

// Only the objects of the given sources are compiled with counters. Objects of the same
// name in other folders are not.
func TestProfileArgs(t *testing.T) {
	dir := hosttest.Folder(t, map[string]string{
		"Makefile": "all:\n\t@for o in kernel/time fs kernel lib; do $(MAKE) --no-print-directory -f sub.mk obj=$$o; done\n",
		"sub.mk": `flags = $(obj)/$(1):$(if $(patsubst n%,,$(GCOV_PROFILE_$(1).o)$(GCOV_PROFILE)),$(CFLAGS_GCOV),plain)
all:
	@echo "$(call flags,namespace) $(call flags,fork)"
`,
	})
	t.Setenv("MAKEFLAGS", "") // the make that started this test may have set it, for example to -n
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
		t.Errorf("without sources: %q, want none: arguments would have every kernel built again", args)
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
	if got := (Tree{over: over}).profilable(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// keepNotes keeps the compiler's notes only for sources that the configuration builds.
func TestKeepNotes(t *testing.T) {
	b := build{dir: hosttest.Folder(t, map[string]string{"out/kernel/check.gcno": "notes"}), profiled: []string{"kernel/check.c", "kernel/unbuilt.c"}}
	entry := t.TempDir()
	kept, err := b.keepNotes(entry)
	if got := slices.Sorted(maps.Keys(kept)); err != nil || !slices.Equal(got, []string{"kernel/check.c"}) {
		t.Fatalf("kept %q, %v, want the one that was built", got, err)
	}
	if text, err := os.ReadFile(filepath.Join(entry, "gcov/kernel/check.gcno")); err != nil || string(text) != "notes" {
		t.Errorf("the notes that were kept are %q, %v", text, err)
	}
}
