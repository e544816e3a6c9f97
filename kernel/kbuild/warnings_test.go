// SPDX-License-Identifier: BSD-3-Clause

package kbuild

import (
	"fmt"
	"testing"
)

func TestNewWarnings(t *testing.T) {
	base := Warnings("/c/1/src/kernel/fork.c:12:3: warning: a\nkernel/fork.c:99: warning: a\n../src/kernel/fork.c:1:1: warning: b [-Wb]\nnote\n../src/kernel/fork.c:3:4:    expected int *p\n./include/a.h:7:2: error: typename\n")
	if want := "[./include/a.h:7:2: error: typename kernel/fork.c:12:3: warning: a kernel/fork.c:99: warning: a kernel/fork.c:1:1: warning: b [-Wb]]"; fmt.Sprint(base) != want {
		t.Fatalf("got %q, want %q", base, want)
	}
	for output, want := range map[string]string{
		"": "[]",
		"kernel/fork.c:500:1: warning: a\nkernel/fork.c:501:1: warning: a\n":                                  "[]",
		"kernel/fork.c:500:1: warning: a\nkernel/fork.c:501:1: warning: a\nkernel/fork.c:502:1: warning: a\n": "[kernel/fork.c:502:1: warning: a]",
		"kernel/fork.c:12:3: warning: a\nkernel/fork.c:20:1: warning: a\nkernel/fork.c:99: warning: a\n":      "[kernel/fork.c:20:1: warning: a]",
		"kernel/nsproxy.c:1:1: warning: a\n":                                                                  "[kernel/nsproxy.c:1:1: warning: a]",
	} {
		if got := NewWarnings(base, Warnings(output)); fmt.Sprint(got) != want {
			t.Errorf("%q: %q are new, want %s", output, got, want)
		}
	}
}

// kernel-doc in Python does not print its warnings as a compiler does, and prints each twice.
func TestWarningsOfKernelDoc(t *testing.T) {
	got := Warnings("Warning: kernel/fork.c:7 function parameter 'b' not described in 'f'\nWarning: kernel/fork.c:7 function parameter 'b' not described in 'f'\nError: /c/1/src/kernel/fork.c:9 no such kind\nWarning: unknown\n")
	if want := "[kernel/fork.c:9: error: no such kind kernel/fork.c:7: warning: function parameter 'b' not described in 'f']"; fmt.Sprint(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
