// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"strings"
	"testing"

	"timens-vmtest/internal/wire"
)

// What a line with two releases means, by the kernel that it is read for.
func TestOn(t *testing.T) {
	all, err := ParseExpect([]byte("fail p TestA 6.12-7.3 # mended between\nskip p TestB 7.1-7.3 # new\nfail p TestC # everywhere\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		version string
		tree    bool
		want    string // status of each, with a ? where the kernel may pass as well
	}{
		{"6.12.117", false, "fail skip fail"},
		{"6.1", false, "fail skip fail"},
		{"6.13.0", false, "fail? skip fail"},
		{"7.2.5", false, "fail? skip? fail"},
		{"7.3.0-rc4", false, "fail? skip? fail"},
		{"7.3.0", false, "pass pass fail"},
		{"7.3.4", false, "pass pass fail"},
		{"8.0.0-rc1", false, "pass pass fail"},
		{"6.12.117", true, "fail? skip? fail"},
		{"7.3.0-rc1-next", true, "fail? skip? fail"},
		{"7.3.4", true, "pass pass fail"},
		{"7.10.1", true, "pass pass fail"},
		{"", false, "fail? skip? fail"},
		{"custom", false, "fail? skip? fail"},
	} {
		var got []string
		on := On(all, tc.version, tc.tree)
		for _, e := range on {
			text := e.Status.String()
			if e.Open {
				text += "?"
			}
			got = append(got, text)
		}
		if strings.Join(got, " ") != tc.want {
			t.Errorf("%q, tree %t: %s, want %s", tc.version, tc.tree, strings.Join(got, " "), tc.want)
		}
	}
	if all[0].Status != Fail || all[0].Open {
		t.Error("On changed its argument")
	}
}

func TestSpanRefused(t *testing.T) {
	for _, span := range []string{"6.12", "7.3-6.12", "6.12-6.12", "6.12-", "-7.3", "6.12.1-7.3", "6.12-7.3-8.0", "v6.12-7.3", "06.12-7.3"} {
		text := "fail p TestA " + span + " # why"
		if got, err := ParseExpect([]byte(text)); err == nil || !strings.Contains(err.Error(), `"`+span+`" is not of the form OLD-NEW`) {
			t.Errorf("%s: got %v, %v", text, got, err)
		}
	}
}

// A gap that is known of older kernels may be open or mended in a tree between them, and
// the result says which. A release has to do what is known of it.
func TestGapBetweenReleases(t *testing.T) {
	for _, tc := range []struct {
		version string
		tree    bool
		fails   bool
		want    Verdict
		mended  bool
	}{
		{"6.12.117", false, true, Passed, false},
		{"6.12.117", false, false, Failed, false},
		{"6.12.117", true, true, Passed, false},
		{"6.12.117", true, false, Passed, true},
		{"7.0.2", false, false, Passed, true},
		{"7.3.4", false, false, Passed, false},
		{"7.3.4", true, true, Failed, false},
	} {
		e := greenRun()
		e.Run.Base = tc.version
		if tc.tree {
			e.Run.Tree = &Tree{Path: "/linux"}
		}
		e.Expect = []byte("fail p TestB 6.12-7.3 # a gap\n")
		if tc.fails {
			e = failing(e)
		}
		r := Judge(e)
		b := r.Lanes[0].Tests[1]
		if r.Verdict != tc.want || b.Mended != tc.mended || b.TestID != testB {
			t.Errorf("%s, tree %t, fails %t: got %v, %+v, findings %v", tc.version, tc.tree, tc.fails, r.Verdict, b, r.Findings)
		}
	}
}

// failing returns the evidence with a TestB that fails.
func failing(e Evidence) Evidence {
	s := greenScript()
	s[7].Data, s[8].End = resultLine("FAIL", testB), &wire.End{Exit: 1}
	e.Lanes[0].Boots[0].Records = s.bytes()
	return e
}
