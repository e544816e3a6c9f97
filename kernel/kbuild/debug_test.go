// SPDX-License-Identifier: BSD-3-Clause

package kbuild

import (
	"os/exec"
	"testing"

	"timens-vmtest/internal/host/hosttest"
)

// Objects have little debug information, but for those of the given sources and those that
// debuggers need. make expands the variable for each object, as Makefile.lib has it do.
func TestDebugArgs(t *testing.T) {
	dir := hosttest.Folder(t, map[string]string{
		"Makefile": "CFLAGS_KERNEL =\nexport CFLAGS_KERNEL\nall:\n\t@for y in y ''; do $(MAKE) --no-print-directory -f sub.mk CONFIG_DEBUG_INFO=$$y; done\n",
		"sub.mk": `flags = -O2 $(CFLAGS_KERNEL)
objects := mm/util.o lib/util.o kernel/time/timer.o kernel/fork.o fs/fork.o
all: $(objects)
$(objects):
	@echo "$@ $(strip $(flags))"
.PHONY: all $(objects)
`,
	})
	t.Setenv("MAKEFLAGS", "") // the make that started this test may have set it, for example to -n
	args := MakeVars{"KCFLAGS=-O3"}.DebugArgs([]string{"mm/util.c", "mm/$(error no).c"})
	out, err := exec.Command("make", append([]string{"-C", dir, "--no-print-directory"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	const want = `mm/util.o -O2
lib/util.o -O2 -g1
kernel/time/timer.o -O2
kernel/fork.o -O2
fs/fork.o -O2 -g1
mm/util.o -O2
lib/util.o -O2
kernel/time/timer.o -O2
kernel/fork.o -O2
fs/fork.o -O2
`
	if string(out) != want {
		t.Errorf("got\n%s, want\n%s", out, want)
	}
	for _, vars := range []MakeVars{{"KCFLAGS=-O3 -g3"}, {"CFLAGS_KERNEL=-O1"}} {
		if args := vars.DebugArgs(nil); args != nil {
			t.Errorf("%s: %q, want none: the user has decided", vars, args)
		}
	}
}
