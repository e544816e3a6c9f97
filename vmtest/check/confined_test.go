// SPDX-License-Identifier: BSD-3-Clause

package check

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/kernel/debuginfo"
	"timens-vmtest/kernel/kerneltest"
	"timens-vmtest/kernel/patch"
)

func TestMain(m *testing.M) { hosttest.Main(m) }

// The tools that read a series cannot read the user's files, even if the series tries to
// make them do so.
func TestToolsAreConfined(t *testing.T) {
	hosttest.NeedSandbox(t)
	secret := filepath.Join(t.TempDir(), "secret.h")
	if err := os.WriteFile(secret, []byte("s3cret\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", filepath.Dir(secret))
	look := "cat " + secret + " 2>/dev/null && touch " + secret + ".seen"
	w := kerneltest.New(t, map[string]string{
		"MAINTAINERS":                "none\n",
		"a.c":                        "int a;\n",
		"include/uapi/linux/sched.h": "#include \"" + secret + "\"\nstruct clone_args { int a; };\n",
		"scripts/checkpatch.pl":      "open(F, '>', '.cache') or do { print \"a.c:1: ERROR:CACHE: $!\\n\"; exit 1 };\nif (`" + look + "; ls \"$ENV{HOME}\"` =~ /cret/) { print \"a.c:1: ERROR:SEEN: it sees the secret\\n\"; exit 1; }\n",
		"scripts/get_maintainer.pl":  "print `" + look + "`;\n",
		"scripts/kernel-doc":         "#!/bin/sh\n" + look + " && echo a.c:1: warning: it sees the secret\nexit 0\n",
	})
	if err := os.Chmod(filepath.Join(w.Base.Dir, "scripts/kernel-doc"), 0o755); err != nil {
		t.Fatal(err)
	}
	p, err := patch.Parse("x.patch", []byte("diff --git a/a.c b/a.c\n--- a/a.c\n+++ b/a.c\n@@ -1 +1 @@\n-int a;\n+int b;\n"))
	if err != nil {
		t.Fatal(err)
	}
	tree := w.Tree(t, p)
	if found, err := checkpatch(t.Context(), w.Host, w.Base, p); err != nil || found != nil {
		t.Errorf("checkpatch: %v, %v", found, err)
	}
	if found, err := kernelDoc(t.Context(), w.Host, tree); err != nil || found != nil {
		t.Errorf("kernel-doc: %v, %v", found, err)
	}
	if found, err := RecipientsOf(t.Context(), w.Host, w.Base, tree.Series); err != nil || len(found.All()) > 0 {
		t.Errorf("get_maintainer: %v, %v", found, err)
	}
	_, err = debuginfo.HeaderABI(t.Context(), w.Sandbox, tree, []string{"clone_args"})
	var fault *blame.BuildError
	if !errors.As(err, &fault) || strings.Contains(err.Error(), "s3cret") || !strings.Contains(err.Error(), "No such file") {
		t.Errorf("gcc of a header that includes the secret: %v, want that there is no such file", err)
	}
	if _, err := os.Stat(filepath.Join(w.Base.Dir, ".cache")); err == nil {
		t.Error("checkpatch wrote to the base")
	}
	if _, err := os.Stat(secret + ".seen"); err == nil {
		t.Error("something ran beside the secret")
	}
}
