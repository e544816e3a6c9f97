package kernel

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A series' makefile that leaves links to the user's files in its build folder
// has them neither written to nor read.
func TestBuildFollowsNoLinks(t *testing.T) {
	for name, tc := range map[string]struct{ after, does string }{
		"configuration": {"tinyconfig:\n", "\t@ln -sf TARGET $(O)/.config; exit 0\n"},
		"release":       {"kernel.release\n", "\t@ln -sf TARGET $(O)/include/config/kernel.release\n"},
		"vmlinux":       {"kernel.release\n", "\t@ln -sf TARGET $(O)/vmlinux\n"},
		"pipe":          {"kernel.release\n", "\t@rm $(O)/vmlinux; mkfifo $(O)/vmlinux\n"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			target := filepath.Join(t.TempDir(), "secret")
			if err := os.WriteFile(target, []byte("s3cret\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			before, behind, ok := strings.Cut(fakeTree["Makefile"], tc.after)
			if !ok {
				t.Fatalf("no %q in the Makefile", tc.after)
			}
			if name == "configuration" { // in place of what it does otherwise
				_, behind, _ = strings.Cut(behind, "\n")
			}
			makefile := before + tc.after + strings.ReplaceAll(tc.does, "TARGET", target) + behind
			if err := os.WriteFile(filepath.Join(w.base.Dir, "Makefile"), []byte(makefile), 0o644); err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() {
				_, err := w.build(good)
				done <- err
			}()
			select {
			case err := <-done:
				if err == nil {
					t.Error("it was built")
				}
			case <-time.After(time.Minute):
				t.Fatal("it waits for ever")
			}
			if text, err := os.ReadFile(target); err != nil || string(text) != "s3cret\n" {
				t.Errorf("the file that the link leads to holds %q, %v", text, err)
			}
		})
	}
}

// What a suite calls a program of its own has to be one that it made.
func TestSelftestsAreMade(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "first")
	if err := os.WriteFile(secret, []byte("s3cret\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, lib := range map[string]string{
		"link":      "all: $(OUTPUT)/first\nTEST_GEN_PROGS := $(OUTPUT)/first\n$(OUTPUT)/first:\n\tln -s " + secret + " $@\n",
		"elsewhere": "TEST_GEN_PROGS := " + secret + "\n" + secret + ":\n\t@true\n",
	} {
		tree := maps.Clone(fakeSelftests)
		tree[selftestsDir+"/lib.mk"] = lib
		w := newWorld(t)
		w.base.Dir = folder(t, tree)
		if programs, err := Selftests(t.Context(), w.cache, Spec{Base: w.base}, []string{"clone3"}, quiet{t}); err == nil {
			t.Errorf("%s: got %v, want an error", name, programs)
		}
	}
}

// The tools that look at a series see none of the user's files, whatever the
// series has them do.
func TestToolsAreConfined(t *testing.T) {
	needSandbox(t)
	secret := filepath.Join(t.TempDir(), "secret.h")
	if err := os.WriteFile(secret, []byte("s3cret\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", filepath.Dir(secret))
	w := newWorld(t)
	look := "cat " + secret + " 2>/dev/null && touch " + secret + ".seen"
	w.base.Dir = folder(t, map[string]string{
		"Makefile":                   fakeTree["Makefile"],
		"MAINTAINERS":                "none\n",
		"a.c":                        "int a;\n",
		"include/uapi/linux/sched.h": "#include \"" + secret + "\"\nstruct clone_args { int a; };\n",
		"scripts/checkpatch.pl":      "open(F, '>', '.cache') or do { print \"a.c:1: ERROR:CACHE: $!\\n\"; exit 1 };\nif (`" + look + "; ls \"$ENV{HOME}\"` =~ /cret/) { print \"a.c:1: ERROR:SEEN: it sees the secret\\n\"; exit 1; }\n",
		"scripts/get_maintainer.pl":  "print `" + look + "`;\n",
		"scripts/kernel-doc":         "#!/bin/sh\n" + look + " && echo a.c:1: warning: it sees the secret\nexit 0\n",
	})
	if err := os.Chmod(filepath.Join(w.base.Dir, "scripts/kernel-doc"), 0o755); err != nil {
		t.Fatal(err)
	}
	p, err := parsePatch("x.patch", []byte("diff --git a/a.c b/a.c\n--- a/a.c\n+++ b/a.c\n@@ -1 +1 @@\n-int a;\n+int b;\n"))
	if err != nil {
		t.Fatal(err)
	}
	s := Series{Name: "s", Patches: []Patch{p}}
	if found, err := Checkpatch(t.Context(), w.cache, w.base, p, quiet{t}); err != nil || found != nil {
		t.Errorf("checkpatch: %v, %v", found, err)
	}
	if found, err := KernelDoc(t.Context(), w.cache, w.base, s, quiet{t}); err != nil || found != nil {
		t.Errorf("kernel-doc: %v, %v", found, err)
	}
	if found, err := Maintainers(t.Context(), w.cache, w.base, s, quiet{t}); err != nil || found != nil {
		t.Errorf("get_maintainer: %v, %v", found, err)
	}
	_, err = HeaderABI(t.Context(), w.base, s, []string{"clone_args"})
	var fault *BuildError
	if !errors.As(err, &fault) || strings.Contains(err.Error(), "s3cret") || !strings.Contains(err.Error(), "No such file") {
		t.Errorf("gcc of a header that includes the secret: %v, want that there is no such file", err)
	}
	if _, err := os.Stat(filepath.Join(w.base.Dir, ".cache")); err == nil {
		t.Error("checkpatch wrote to the base")
	}
	if _, err := os.Stat(secret + ".seen"); err == nil {
		t.Error("something ran beside the secret")
	}
}
