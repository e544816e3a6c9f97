// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"slices"
	"strings"
	"testing"
)

func TestMoved(t *testing.T) {
	layout := func(size int64, members ...Member) []Layout { return []Layout{{"s", size, members}} }
	a, b, c := Member{"a", 0, 8}, Member{"b", 8, 8}, Member{"c", 16, 4}
	tests := layout(16, a, b)
	for name, tc := range map[string]struct {
		kernel []Layout
		want   []string // for x86_64
	}{
		"same":         {layout(16, a, b), nil},
		"grown":        {layout(24, a, b, c), nil},
		"without b":    {layout(8, a), nil},
		"no structure": {nil, nil},
		"exchanged": {layout(16, Member{"b", 0, 8}, Member{"a", 8, 8}), []string{
			"struct s on x86_64 has a in bytes 8 to 15, the tests in 0 to 7", "struct s on x86_64 has b in bytes 0 to 7, the tests in 8 to 15"}},
		"narrower": {layout(12, a, Member{"b", 8, 4}), []string{
			"struct s on x86_64 has b in bytes 8 to 11, the tests in 8 to 15", "struct s on x86_64 has 12 bytes, and the tests expect 16"}},
		"renamed": {layout(24, a, Member{"d", 8, 8}), nil},
		"padded":  {layout(24, a, b), []string{"struct s on x86_64 has 24 bytes, and the tests expect 16"}},
	} {
		if got := (ABI{X86_64: tc.kernel, Tests: tests}).Moved(); !slices.Equal(got, tc.want) {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
		if got := (ABI{X86_64: tests, I386: tc.kernel, Tests: tests}).Moved(); len(got) != len(tc.want) || len(got) > 0 && !strings.Contains(got[0], " on i386 ") {
			t.Errorf("%s on i386: got %q, want %d lines", name, got, len(tc.want))
		}
	}
}

// All structures are looked at, on both architectures.
func TestMovedInMany(t *testing.T) {
	s := func(name string, at int64) Layout { return Layout{name, 16, []Member{{"a", at, 4}, {"b", 8 + at, 4}}} }
	abi := ABI{X86_64: []Layout{s("one", 4), s("two", 4)}, I386: []Layout{s("more", 4), s("two", 4), s("one", 0)}, Tests: []Layout{s("one", 0), s("none", 0), s("two", 0)}}
	want := []string{
		"struct one on x86_64 has a in bytes 4 to 7, the tests in 0 to 3", "struct one on x86_64 has b in bytes 12 to 15, the tests in 8 to 11",
		"struct two on x86_64 has a in bytes 4 to 7, the tests in 0 to 3", "struct two on x86_64 has b in bytes 12 to 15, the tests in 8 to 11",
		"struct two on i386 has a in bytes 4 to 7, the tests in 0 to 3", "struct two on i386 has b in bytes 12 to 15, the tests in 8 to 11",
	}
	if got := abi.Moved(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWhole(t *testing.T) {
	args := Layout{"clone_args", 16, []Member{{"flags", 0, 8}, {"more", 8, 8}}}
	longer, shorter := args, args
	longer.Members = append(longer.Members[:2:2], Member{"most", 16, 8})
	shorter.Members = args.Members[:1]
	other := Layout{"offset", 8, []Member{{"sec", 0, 8}}}
	for name, tc := range map[string]struct {
		x86, i386 []Layout
		want      bool
	}{
		"the same":            {[]Layout{args}, []Layout{args}, true},
		"more":                {[]Layout{other, longer}, []Layout{longer}, true},
		"no structure":        {[]Layout{other}, []Layout{args}, false},
		"no structure, i386":  {[]Layout{args}, nil, false},
		"a member less":       {[]Layout{shorter}, []Layout{args}, false},
		"a member less, i386": {[]Layout{args}, []Layout{shorter}, false},
	} {
		if got := (ABI{X86_64: tc.x86, I386: tc.i386, Tests: []Layout{args}}).Whole(); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
	two := []Layout{other, args}
	for name, tc := range map[string]struct {
		kernel []Layout
		want   bool
	}{
		"both":             {two, true},
		"the second":       {two[1:], false},
		"the first":        {two[:1], false},
		"a member renamed": {[]Layout{{"offset", 8, []Member{{"nsec", 0, 8}}}, args}, false},
	} {
		if got := Has(tc.kernel, two); got != tc.want {
			t.Errorf("of two structures, %s: %v, want %v", name, got, tc.want)
		}
	}
}
