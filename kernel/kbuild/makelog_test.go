// SPDX-License-Identifier: BSD-3-Clause

package kbuild

import (
	"slices"
	"strings"
	"testing"
)

func TestFirstError(t *testing.T) {
	for name, tc := range map[string]struct{ log, want string }{
		"compiler": {
			"  CC      a.o\na.c:1:2: warning: w\na.c:3:4: error: no\n   3 | x\n     | ^\n  CC      b.o\nmake: *** [a.o] Error 1\n",
			"a.c:3:4: error: no\n   3 | x\n     | ^",
		},
		"linker": {
			"  LD      vmlinux\nld: kernel/fork.o: in function `f':\nfork.c:(.text+0x1): undefined reference to `g'\nmake: *** [vmlinux] Error 1\n",
			"ld: kernel/fork.o: in function `f':\nfork.c:(.text+0x1): undefined reference to `g'",
		},
		"nothing known": {"a\nb\nmake: *** no rule\n", "a\nb\nmake: *** no rule"},
	} {
		if got := FirstError([]byte(tc.log)); got != tc.want {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
	// Megabytes in one line are not shown, whether it is an error or not.
	for _, line := range []string{"x.c:1:2: error: ", "x"} {
		if got := FirstError([]byte(line + strings.Repeat("y", 1<<20))); len(got) > 2000 || !strings.HasPrefix(got, line) {
			t.Errorf("a long line: got %d bytes", len(got))
		}
	}
}

func TestWarnedObjects(t *testing.T) {
	got := WarnedObjects([]byte(`  CC      fs/a.o
/c/1/src/fs/a.c: In function 'f':
/c/1/src/fs/a.c:3:4: warning: unused
In file included from /c/1/src/include/linux/x.h:4,
                 from /c/1/src/kernel/b.c:7:
/c/1/src/include/linux/y.h:9:1: warning: unused
/c/1/src/kernel/c.c:3:4: note: nothing
/c/1/src/lib/d.c:3:4: error: nothing
arch/x86/e.S:1: warning: align
`))
	if want := []string{"fs/a.o", "kernel/b.o", "arch/x86/e.o"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
