// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/kernel/source"
	"timens-vmtest/kernel/work"
)

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

// The sources of Profile count, apart from those that the tree lacks.
func TestCounting(t *testing.T) {
	tree := Tree{
		Base: source.Base{Dir: hosttest.Folder(t, map[string]string{"kernel/signal.c": "", "kernel/exit.c": ""})},
		over: overlay{"kernel/fork.c": &overlaid{}, "kernel/exit.c": nil},
	}
	profile := []string{"kernel/signal.c", "kernel/exit.c", "kernel/fork.c", "kernel/none.c"}
	for what, tc := range map[string]struct {
		spec Spec
		want []string
	}{
		"neither":   {Spec{Tree: tree}, nil},
		"changes":   {Spec{Tree: tree, Coverage: true}, []string{"kernel/fork.c"}},
		"a profile": {Spec{Tree: tree, Profile: profile}, []string{"kernel/signal.c", "kernel/fork.c"}},
		"both":      {Spec{Tree: tree, Coverage: true, Profile: profile}, []string{"kernel/fork.c", "kernel/signal.c"}},
	} {
		if got := tc.spec.counting(); !slices.Equal(got, tc.want) {
			t.Errorf("%s: got %q, want %q", what, got, tc.want)
		}
	}
}

// keepNotes keeps the compiler's notes only for sources that the configuration builds.
func TestKeepNotes(t *testing.T) {
	b := build{Folder: work.Folder{Dir: hosttest.Folder(t, map[string]string{"out/kernel/check.gcno": "notes"})}, profiled: []string{"kernel/check.c", "kernel/unbuilt.c"}}
	entry := t.TempDir()
	kept, err := b.keepNotes(entry)
	if got := slices.Sorted(maps.Keys(kept)); err != nil || !slices.Equal(got, []string{"kernel/check.c"}) {
		t.Fatalf("kept %q, %v, want the one that was built", got, err)
	}
	if text, err := os.ReadFile(filepath.Join(entry, "gcov/kernel/check.gcno")); err != nil || string(text) != "notes" {
		t.Errorf("the notes that were kept are %q, %v", text, err)
	}
}
