// SPDX-License-Identifier: BSD-3-Clause

package nightly

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"timens-vmtest/vmtest/history"
)

// kcidbMembers are the members that version 5.3 of the format has, with a "!" behind those
// that are required.
var kcidbMembers = map[string]string{
	"":                  "version! checkouts builds tests issues incidents",
	"version":           "major! minor!",
	"checkouts":         "id! origin! tree_name git_repository_url git_commit_hash git_commit_name git_repository_branch patchset_files patchset_hash message_id comment start_time log_url log_excerpt valid misc",
	"builds":            "checkout_id! id! origin! comment start_time duration architecture command compiler input_files output_files config_name config_url log_url log_excerpt status misc",
	"tests":             "build_id! id! origin! environment path comment log_url log_excerpt status number start_time duration output_files misc",
	"tests.environment": "comment compatible misc",
	"tests.number":      "value unit prefix",
	"issues":            "id! version! origin! report_url report_subject culprit comment categories misc",
	"issues.culprit":    "code tool harness",
	"incidents":         "id! origin! issue_id! issue_version! build_id test_id present comment misc",
}

// holdKCIDB complains of all that the format does not allow.
func holdKCIDB(t *testing.T, at string, v any) {
	t.Helper()
	switch v := v.(type) {
	case nil:
		t.Errorf("%s is null", at)
	case []any:
		for _, one := range v {
			holdKCIDB(t, at, one)
		}
	case map[string]any:
		known, ok := kcidbMembers[at]
		if !ok {
			t.Errorf("%s is no object", at)
		}
		for _, name := range strings.Fields(known) {
			if required, ok := strings.CutSuffix(name, "!"); ok && v[required] == nil {
				t.Errorf("%s lacks %s", at, required)
			}
		}
		for name, value := range v {
			if !slices.Contains(strings.Fields(strings.ReplaceAll(known, "!", "")), name) {
				t.Errorf("%s has %s", at, name)
			}
			holdKCIDB(t, strings.TrimPrefix(at+"."+name, "."), value)
		}
	case string:
		forms := map[string]string{"id": `^[a-z0-9_]+:.+$`, "origin": `^[a-z0-9_]+$`, "path": `^[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*$`,
			"status": `^(FAIL|ERROR|MISS|PASS|DONE|SKIP)$`, "patchset_hash": `^([0-9a-f]{64})?$`, "git_commit_hash": `^[0-9a-f]{40}$`}
		name := at[strings.LastIndexByte(at, '.')+1:]
		if form := forms[name]; form != "" && !regexp.MustCompile(form).MatchString(v) {
			t.Errorf("%s is %q", at, v)
		}
		if name == "log_excerpt" && len(v) > 16384 {
			t.Errorf("%s has %d bytes", at, len(v))
		}
	}
}

// What is written for KCIDB is what its format allows, in every one of the forty nights, and
// whoever refers to something finds it.
func TestKCIDB(t *testing.T) {
	h, err := history.Load(recordedFolder)
	if err != nil || len(h.Nights) != 41 {
		t.Fatalf("%v, %d nights", err, len(h.Nights))
	}
	issues := make(map[string]int)
	for _, n := range h.Nights {
		text, err := KCIDB(h, n.Name)
		if err != nil {
			t.Fatal(err)
		}
		var any any
		if err := json.Unmarshal(text, &any); err != nil {
			t.Fatal(err)
		}
		holdKCIDB(t, "", any)
		var k kcidb
		if err := json.Unmarshal(text, &k); err != nil {
			t.Fatal(err)
		}
		ids := make(map[string]bool)
		know := func(id string) {
			if ids[id] {
				t.Errorf("%s: the ID %s is there twice", n.Name, id)
			}
			ids[id] = true
		}
		refer := func(id string) {
			if id != "" && !ids[id] {
				t.Errorf("%s: nothing has the ID %s", n.Name, id)
			}
		}
		for _, c := range k.Checkouts {
			know(c.ID)
		}
		for _, b := range k.Builds {
			know(b.ID)
			refer(b.CheckoutID)
		}
		for _, one := range k.Tests {
			know(one.ID)
			refer(one.BuildID)
		}
		for _, i := range k.Issues {
			know(i.ID)
			issues[i.Comment]++
		}
		for _, i := range k.Incidents {
			refer(i.IssueID)
			refer(i.TestID)
		}
		if n.Name == firstNight && (len(k.Checkouts) != 1 || len(k.Builds) != 2 || len(k.Tests) != 3*(1+2+2)) {
			t.Errorf("the first night has %d checkouts, %d builds, %d tests", len(k.Checkouts), len(k.Builds), len(k.Tests))
		}
	}
	if issues["patch 0002-b.patch"] != 3 { // nights
		t.Errorf("the issues are %v", issues)
	}
}

func TestKCIDBStatus(t *testing.T) {
	for _, tc := range []struct {
		test history.Test
		want string
	}{
		{history.Test{Status: "pass"}, "PASS"}, {history.Test{Status: "fail"}, "FAIL"}, {history.Test{Status: "fail", Expected: "fail"}, "PASS"},
		{history.Test{Status: "pass", Expected: "fail"}, "FAIL"}, {history.Test{Status: "skip", Expected: "skip"}, "SKIP"}, {history.Test{Status: "missing"}, "MISS"},
		{history.Test{Status: "timeout"}, "ERROR"}, {history.Test{Status: "crash"}, "ERROR"}, {history.Test{Name: "splat", Status: "crash"}, "FAIL"},
	} {
		if got := status(history.Cell{Splats: []history.Splat{{Test: "splat"}}}, tc.test); got != tc.want {
			t.Errorf("%+v: got %s, want %s", tc.test, got, tc.want)
		}
	}
	if got := path("timens/386.TestX"); got != "timens.386.TestX" {
		t.Errorf("got %s", got)
	}
	if got := patchsetHash(nil); got != "" {
		t.Errorf("without patches: %s", got)
	}
	// printf 'a' >1.patch; printf 'b' >2.patch; sha256sum *.patch | cut -c-64 | sha256sum
	if got := patchsetHash([]history.Digest{DigestOf("1.patch", []byte("a")), DigestOf("2.patch", []byte("b"))}); got != hashOfAB {
		t.Errorf("of two patches: %s", got)
	}
}

const hashOfAB = "bf75fafab8e46555836b92f1b04106b795a9ed36bd39b351f103b28819895f33"
