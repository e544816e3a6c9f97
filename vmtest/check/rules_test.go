// SPDX-License-Identifier: BSD-3-Clause

package check

import (
	"testing"

	"timens-vmtest/internal/wire"
	"timens-vmtest/vmtest/run"
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

// A series of fixes has no structures that say when a test has to pass. The test of its second fix need
// not pass at the first one.
func TestEarlyWithoutDesign(t *testing.T) {
	c := asked(t, false, step{})
	var err error
	if c.control, err = verdict.ParseExpect([]byte("fail timens TestGap # known\n")); err != nil {
		t.Fatal(err)
	}
	c.series.Design, c.series.Expect = wire.NoDesign, []byte("pass timens TestGap # 2.patch mends it\n")
	req, err := c.early(t.Context(), run.Request{Series: c.series}, to(1, c.series))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"TestGap": true, "TestClock": false} {
		if got := req.Without(wire.TestID{Package: "timens", Name: name}); got != want {
			t.Errorf("%s is left out: %v, want %v", name, got, want)
		}
	}
}

// A kernel boots when it has been built, beside what the next patch has to build. A check that only boots builds its kernels
// itself, one after the other.
func TestBootsFolder(t *testing.T) {
	for want, only := range map[string][]string{"": nil, builds: {Boots, "form"}} {
		c := asked(t, false)
		c.Only = only
		for _, s := range c.rules() {
			if s.Name == Boots && (s.folder != want || (s.after == "") != (want != "")) {
				t.Errorf("-steps %v: the folder is %q, after %q, want %q", only, s.folder, s.after, want)
			}
		}
	}
}
