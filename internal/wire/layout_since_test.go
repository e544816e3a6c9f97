// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"slices"
	"testing"
)

func TestABISince(t *testing.T) {
	args := func(size int64, members ...Member) Layout { return Layout{"clone_args", size, members} }
	flags, more := Member{"flags", 0, 8}, Member{"more", 8, 8}
	base := ABI{X86_64: []Layout{args(8, flags)}, I386: []Layout{args(8, flags)}}
	for name, tc := range map[string]struct {
		with ABI
		want []string
	}{
		"the same":     {base, nil},
		"grown":        {ABI{X86_64: []Layout{args(16, flags, more)}, I386: []Layout{args(16, flags, more)}}, []string{"struct clone_args: 16 bytes, was 8; new more (x86_64, i386)"}},
		"grown on one": {ABI{X86_64: []Layout{args(16, flags, more)}, I386: []Layout{args(8, flags)}}, []string{"struct clone_args: 16 bytes, was 8; new more (x86_64)"}},
		"moved":        {ABI{X86_64: []Layout{args(8, Member{"flags", 4, 4})}}, []string{"struct clone_args: moved flags (x86_64)"}},
		"renamed":      {ABI{X86_64: []Layout{args(8, Member{"f", 0, 8})}}, []string{"struct clone_args: new f; gone flags (x86_64)"}},
		"many": {ABI{
			X86_64: []Layout{args(24, Member{"a", 0, 8}, Member{"b", 8, 8}, Member{"flags", 16, 8}), {"offset", 24, nil}, {"more", 8, nil}},
			I386:   []Layout{{"offset", 24, nil}, args(8, flags), {"more", 4, nil}},
		}, []string{
			"struct clone_args: 24 bytes, was 8; new a; new b; moved flags (x86_64)", "struct offset is new: 24 bytes (x86_64, i386)",
			"struct more is new: 8 bytes (x86_64)", "struct more is new: 4 bytes (i386)",
		}},
		"a new structure": {ABI{X86_64: []Layout{{"offset", 24, nil}, args(8, flags)}}, []string{"struct offset is new: 24 bytes (x86_64)"}},
	} {
		if got := tc.with.Since(base); !slices.Equal(got, tc.want) {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
	two := ABI{X86_64: []Layout{args(24, flags, more, Member{"most", 16, 8}), {"offset", 8, nil}}}
	want := []string{"struct clone_args: 8 bytes, was 24; gone more; gone most (x86_64)", "struct offset: 16 bytes, was 8 (x86_64)"}
	if got := (ABI{X86_64: []Layout{args(8, flags), {"offset", 16, nil}}}).Since(two); !slices.Equal(got, want) {
		t.Errorf("two structures: got %q, want %q", got, want)
	}
}
