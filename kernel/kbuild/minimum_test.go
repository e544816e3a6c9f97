// SPDX-License-Identifier: BSD-3-Clause

package kbuild

import (
	"strings"
	"testing"
)

// The tools that are too old are those that the tree's script calls so for x86_64.
func TestTooOld(t *testing.T) {
	const script = `set -e
case "$1" in
binutils)
	echo 2.30.0
	;;
gcc)
	if [ "$ARCH" = parisc64 ]; then
		echo 12.0.0
	else
		echo 8.1.0
	fi
	;;
llvm)
	if [ "$SRCARCH" = loongarch ]; then
		echo 18.0.0
	else
		echo 15.0.0
	fi
	;;
esac
`
	const (
		gcc   = "gcc (Debian 12.2.0-14+deb12u1) 12.2.0\nCopyright (C) 2022\n"
		ld    = "GNU ld (GNU Binutils for Debian) 2.40\n"
		clang = "Debian clang version 19.1.7 (3~deb12u1)\nTarget: x86_64-pc-linux-gnu\n"
		lld   = "Debian LLD 19.1.7 (compatible with GNU linkers)\n"
	)
	for name, tc := range map[string]struct{ toolchain, want string }{
		"new tools":         {gcc + ld, ""},
		"just new enough":   {"gcc (GCC) 8.1.0\nGNU ld (GNU Binutils) 2.30\n", ""},
		"old gcc":           {"gcc-7 (Debian) 7.4.0\n" + ld, "cannot be built by gcc 7.4.0: it needs 8.1.0 or later"},
		"old ld":            {gcc + "GNU ld (GNU Binutils) 2.29.1\n", "ld 2.29.1: it needs 2.30.0"},
		"new clang":         {clang + lld, ""},
		"old clang":         {"Ubuntu clang version 14.0.6\n" + lld, "clang 14.0.6: it needs 15.0.0 or later"},
		"old lld":           {clang + "LLD 14.0.6 (compatible with GNU linkers)\n", "ld.lld 14.0.6: it needs 15.0.0"},
		"unknown compiler":  {"tcc version 0.9\n", ""},
		"a wrapper is fine": {"ccache version 4.8\n" + gcc + ld, ""},
	} {
		err := TooOld("7.3.4", tc.toolchain, []byte(script))
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", name, err, tc.want)
		}
	}
	if err := TooOld("7.3.4", "gcc (GCC) 4.9.0\n", []byte("echo no case")); err != nil {
		t.Errorf("a tree that names no versions: %v", err)
	}
}
