// SPDX-License-Identifier: BSD-3-Clause

package check

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"timens-vmtest/internal/ci"
	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/kernel/kerneltest"
	"timens-vmtest/kernel/patch"
	"timens-vmtest/kernel/series"
)

// need skips a test on a machine without a program.
func need(t *testing.T, program, advice string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		ci.Skip(t, program, fmt.Errorf("%w; %s", err, advice))
	}
}

// The patches for man pages that go with each design have no fault. Each fault of a patch is found in its
// line among the added ones.
func TestManPages(t *testing.T) {
	hosttest.NeedSandbox(t)
	need(t, groff, "type \"make deps\"")
	h := kerneltest.New(t, map[string]string{"a.c": "int a;\n"}).Host
	names, err := series.Names("../../kernel/patches")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, name := range names {
		s, err := series.Load(t.Context(), h.Sandbox, "../../kernel/patches", name)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range s.Man {
			found++
			if faults, err := manFaults(t.Context(), h, p); err != nil || faults != nil {
				t.Errorf("%s: %q, %v", name, faults, err)
			}
		}
	}
	if found < 3 {
		t.Errorf("found %d patches, want one for each design", found)
	}
	const good = "From: A <a@example.org>\nSubject: [PATCH] man/man2/x.2: Say more\n\nx\n---\ndiff --git a/man/man2/x.2 b/man/man2/x.2\n--- a/man/man2/x.2\n+++ b/man/man2/x.2\n@@ -1 +1,3 @@\n x\n+.P\n+One more word.\n"
	for name, tc := range map[string]struct{ old, new, want string }{
		"good":           {"", "", ""},
		"a wrong macro":  {"+One", "+.NOSUCH", "x.patch: man/man2/x.2: added:2: warning: macro "},
		"no subject":     {"Subject: [PATCH] man/man2/x.2: Say more\n", "", "x.patch: it has no author or no subject"},
		"not a man page": {"man/man2/x.2", "src/x.c", "x.patch: src/x.c is no man page"},
	} {
		text := good
		if tc.old != "" {
			text = strings.ReplaceAll(good, tc.old, tc.new)
		}
		dir := hosttest.Folder(t, map[string]string{"x.patch": text})
		all, err := patch.Load(t.Context(), h.Sandbox, filepath.Join(dir, "x.patch"))
		if err != nil || len(all) != 1 {
			t.Fatalf("%s: %d patches, %v", name, len(all), err)
		}
		faults, err := manFaults(t.Context(), h, all[0])
		if got := strings.Join(faults, "\n"); err != nil || !strings.HasPrefix(got, tc.want) || tc.want == "" && got != "" || strings.Contains(got, "\n") {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, tc.want)
		}
	}
}
