// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/kernel/source"
)

func TestMain(m *testing.M) { hosttest.Main(m) }

// What has no counterpart on a kernel is a result of its own. It is an error if a mutant
// does not apply and has no reason for it, and if one applies despite its reason.
func TestMakePatches(t *testing.T) {
	hosttest.NeedSandbox(t)
	const list = `series plain patched
-- applies --
seen s
run r
@@ f.c
-	old();
-- absent --
seen s
run r
none 7.3 nothing is there
@@ f.c
-	gone();
-- despite --
seen s
run r
none 7.3 nothing is there
@@ f.c
-	old();
-- misfit --
seen s
run r
@@ f.c
-	gone();
`
	all, err := parseList(txtar.Parse([]byte(list)))
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(hosttest.Folder(t, map[string]string{
		"kernel/patches/plain/series":    "# no patches\n",
		"kernel/patches/patched/series":  "a.patch\n",
		"kernel/patches/patched/a.patch": "--- a/f.c\n+++ b/f.c\n@@ -1 +1 @@\n-\tgone();\n+\tnew();\n",
	}))
	h := hosttest.New(t)
	at := func(version string) source.Spec {
		numbers := strings.Split(version, ".")
		return source.Spec{Tree: hosttest.Folder(t, map[string]string{
			"Makefile": "VERSION = " + numbers[0] + "\nPATCHLEVEL = " + numbers[1] + "\nSUBLEVEL = 1\nEXTRAVERSION =\n",
			"f.c":      "\told();\n",
		})}
	}
	patches, apart, err := makePatches(t.Context(), h, at("7.3"), all)
	if len(patches) != 1 || patches[0].String() != "plain/applies" {
		t.Errorf("patches: %v, want that of plain/applies", patches)
	}
	got := make(map[string]string)
	for _, r := range apart {
		got[r.String()] = r.apart
	}
	for name, want := range map[string]string{"plain/absent": "nothing is there", "patched/applies": "the series does not apply to linux-7.3.1", "patched/misfit": "the series does not apply to linux-7.3.1"} {
		if got[name] != want {
			t.Errorf("%s has no counterpart because %q, want %q", name, got[name], want)
		}
	}
	for _, want := range []string{
		"plain/despite applies to linux-7.3.1; its list says that it has no counterpart there: nothing is there",
		"plain/misfit does not apply to linux-7.3.1: f.c: these lines are not there",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
	}
	if _, _, err := makePatches(t.Context(), h, at("7.3"), all[1:2]); err == nil || !strings.Contains(err.Error(), "none of these 1 has a counterpart on linux-7.3.1") {
		t.Errorf("nothing is left to run: %v", err)
	}
	if _, _, err := makePatches(t.Context(), h, at("6.12"), all); err == nil || !strings.Contains(err.Error(), "a.patch does not apply to linux-6.12.1") {
		t.Errorf("a series that does not apply to the default base: %v", err)
	}
}
