// SPDX-License-Identifier: BSD-3-Clause

package kbuild

import (
	"os/exec"
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
	out, err := exec.Command("make", append([]string{"-C", dir, "--no-print-directory"}, ProfileArgs([]string{"kernel/time/namespace.c", "fs/fork.c", "kernel/fork.c"})...)...).CombinedOutput()
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
	if args := ProfileArgs(nil); args != nil {
		t.Errorf("without sources: %q, want none: arguments would have every kernel built again", args)
	}
}
