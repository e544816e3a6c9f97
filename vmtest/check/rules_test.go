// SPDX-License-Identifier: BSD-3-Clause

package check

import (
	"testing"

	"timens-vmtest/internal/wire"
	"timens-vmtest/vmtest/verdict"
)

// A patch before the last one need not pass what only a later patch adds, for 64 and for 32 bits.
func TestTooEarly(t *testing.T) {
	control, err := verdict.ParseExpect([]byte("fail kselftest TestClone3Offsets # a later patch adds the program\nfail clone3 TestOffsets # no members\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		pkg, name     string
		without, with bool // too early, on a kernel without and with the structures
	}{
		{"kselftest", "TestClone3Offsets", true, true},
		{"kselftest/386", "TestClone3Offsets", true, true},
		{"kselftest/386", "TestClone3", false, false},
		{"clone3", "TestOffsets", true, false},
		{"clone3/386", "TestOffsets", true, false},
		{"clone3", "TestFlagBits", false, false},
	} {
		for complete, want := range map[bool]bool{false: tc.without, true: tc.with} {
			id := wire.TestID{Package: tc.pkg, Name: tc.name}
			if got := tooEarly(complete, control, nil)(id); got != want {
				t.Errorf("%s, with the structures %v: too early is %v, want %v", id, complete, got, want)
			}
		}
	}
}
