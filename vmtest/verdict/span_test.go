// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"strings"
	"testing"

	"timens-vmtest/internal/wire"
)

// What a line with two releases means, by the kernel that it is read for.
func TestOn(t *testing.T) {
	all, err := ParseExpect([]byte("fail p TestA 6.12-7.3 # mended between\nskip p TestB 7.1-7.3 # new\nfail p TestC # everywhere\n" +
		"skip-fail p TestD 6.12-7.3 # new and wrong\npass-skip p TestE 6.12-7.3 # gone\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		version string
		tree    bool
		want    string // status of each, with the status behind a ? that the kernel may show as well
	}{
		{"6.12.117", false, "fail skip fail skip pass"},
		{"6.1", false, "fail skip fail skip pass"},
		{"6.13.0", false, "fail?pass skip fail skip?fail pass?skip"},
		{"7.2.5", false, "fail?pass skip?pass fail skip?fail pass?skip"},
		{"7.3.0-rc4", false, "fail?pass skip?pass fail skip?fail pass?skip"},
		{"7.3.0", false, "pass pass fail fail skip"},
		{"7.3.4", false, "pass pass fail fail skip"},
		{"8.0.0-rc1", false, "pass pass fail fail skip"},
		{"6.12.117", true, "fail?pass skip?pass fail skip?fail pass?skip"},
		{"7.3.0-rc1-next", true, "fail?pass skip?pass fail skip?fail pass?skip"},
		{"7.3.4", true, "pass pass fail fail skip"},
		{"7.10.1", true, "pass pass fail fail skip"},
		{"", false, "fail?pass skip?pass fail skip?fail pass?skip"},
		{"custom", false, "fail?pass skip?pass fail skip?fail pass?skip"},
	} {
		var got []string
		on := On(all, tc.version, tc.tree)
		for _, e := range on {
			text := e.Status.String()
			if e.Open {
				text += "?" + e.Later.String()
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

// What a line says of older and of later kernels must differ, and must be of some kernels.
func TestStatusesRefused(t *testing.T) {
	for line, want := range map[string]string{
		"skip-fail p TestA":           `"skip-fail" is for a line with two releases, such as 6.12-7.3`,
		"fail-fail p TestA 6.12-7.3":  `"fail-fail" says the same of older and later kernels; leave out the releases, and write fail`,
		"pass p TestA 6.12-7.3":       `"pass" says the same of older and later kernels; leave out the releases, and write pass`,
		"skip-pass p TestA 6.12-7.3":  `"skip-pass" means what skip means; write that`,
		"skip- p TestA 6.12-7.3":      `"" is not one of pass, fail, skip`,
		"skip-crash p TestA 6.12-7.3": `"crash" is not one of pass, fail, skip`,
		"a-fail p TestA 6.12-7.3":     `"a" is not one of pass, fail, skip`,
		"skip-fail-pass p T 6.12-7.3": `"fail-pass" is not one of pass, fail, skip`,
	} {
		if got, err := ParseExpect([]byte(line + " # why")); err == nil || err.Error() != "expect:1: "+want {
			t.Errorf("%s: got %v, %v, want %s", line, got, err, want)
		}
	}
}

// What is known of older kernels may be so or otherwise in a tree between them, and the result says
// which: a known gap is mended, or what a test is about is new. A release has to do what is known of
// it.
func TestBetweenReleases(t *testing.T) {
	const gap, feature, wrong, worse = "fail", "skip", "skip-fail", "pass-fail"
	for _, tc := range []struct {
		says    string
		version string
		tree    bool
		does    string
		want    string // verdict, expected status, and what the result says
	}{
		{gap, "6.12.117", false, "FAIL", "pass fail"},
		{gap, "6.12.117", false, "PASS", "fail fail"},
		{gap, "6.12.117", true, "FAIL", "pass fail"},
		{gap, "6.12.117", true, "PASS", "pass pass mended"},
		{gap, "7.0.2", false, "PASS", "pass pass mended"},
		{gap, "7.0.2", false, "SKIP", "fail fail"},
		{gap, "7.3.4", false, "PASS", "pass pass"},
		{gap, "7.3.4", true, "FAIL", "fail pass"},
		{feature, "6.12.117", false, "SKIP", "pass skip"},
		{feature, "7.0.2", false, "SKIP", "pass skip"},
		{feature, "7.0.2", false, "PASS", "pass pass new"},
		{feature, "7.0.2", false, "FAIL", "fail skip"},
		{feature, "7.3.4", false, "PASS", "pass pass"},
		{wrong, "6.12.117", false, "SKIP", "pass skip"},
		{wrong, "6.12.117", false, "FAIL", "fail skip"},
		{wrong, "7.0.2", false, "SKIP", "pass skip"},
		{wrong, "7.0.2", false, "FAIL", "pass fail new"},
		{wrong, "7.0.2", false, "PASS", "fail skip"},
		{wrong, "7.3.4", false, "FAIL", "pass fail"},
		{wrong, "7.3.4", false, "SKIP", "fail fail"},
		{wrong, "7.3.4", false, "PASS", "fail fail"},
		{worse, "7.0.2", false, "FAIL", "pass fail"},
		{worse, "7.0.2", false, "PASS", "pass pass"},
	} {
		e := greenRun()
		e.Run.Base = tc.version
		if tc.tree {
			e.Run.Tree = &Tree{Path: "/linux"}
		}
		e.Expect = []byte(tc.says + " p TestB 6.12-7.3 # why\n")
		r := Judge(ending(e, tc.does))
		b := r.Lanes[0].Tests[1]
		got := r.Verdict.String() + " " + b.Expected.String()
		if b.Mended {
			got += " mended"
		}
		if b.New {
			got += " new"
		}
		if got != tc.want || b.TestID != testB {
			t.Errorf("%q on %s, tree %t, does %s: got %s, want %s; findings %v", tc.says, tc.version, tc.tree, tc.does, got, tc.want, r.Findings)
		}
	}
}

// ending returns the evidence with a TestB that says how it ends.
func ending(e Evidence, does string) Evidence {
	s := greenScript()
	s[7].Data = resultLine(does, testB)
	if does == "FAIL" {
		s[8].End = &wire.End{Exit: 1}
	}
	e.Lanes[0].Boots[0].Records = s.bytes()
	return e
}
